import { readlink } from 'node:fs/promises';
import type { Guard } from '../guard.ts';
import { type Server, startServer, waitUntilReady } from '../server.ts';
import { mustRun, runCommand } from './command.ts';

// Of each cluster: 10.210.N.0/24 for its nodes, 10.211.N.0/24 for its pods, a quarter of it a node.
const nodeNetwork = 210;
const podNetwork = 211;
const serviceRange = '10.96.0.0/16';
const mostClusters = 64;
const firstNode = 11;
const podsPerNode = 64;

/** As many as there are ranges of pod addresses. */
export const mostNodes = 256 / podsPerNode;

/** Where one node stands in the network. */
export interface Place {
  readonly name: string;
  readonly address: string;
  /** Its pods' addresses, `10.211.N.64/26`. */
  readonly pods: string;
}

/** A network of this machine and its nodes, with no way to any other. */
export interface Network {
  /** This machine's address in it. */
  readonly address: string;
  readonly places: readonly Place[];
  /** Connects the node whose first process is `pid`. */
  attach(place: Place, pid: number): Promise<void>;
}

/**
 * Makes the network: a bridge in a network namespace of its own, whose process the guard watches. When that
 * process ends, the kernel removes bridge, cables, addresses and routes, whatever became of the test.
 */
export async function startNetwork(guard: Guard, names: readonly string[]): Promise<Network> {
  const bridge = await startServer(guard, 'unshare', ['--net', 'sleep', 'infinity'], 'network');
  const inBridge = namespaceOf(bridge);
  await waitUntilReady(
    bridge,
    async () => (await readlink(inBridge)) !== (await readlink(namespace())),
    5_000,
  );
  await configure(inBridge, ['link set lo up', 'link add bridge type bridge', 'link set bridge up']);

  const { number, cable } = await claimCable(bridge);
  const address = `10.${nodeNetwork}.${number}.1`;
  await configure(namespace(), [`addr add ${address}/24 dev ${cable}`, `link set ${cable} up`]);
  await configure(inBridge, ['link set host master bridge up']);
  const places = names.map((name, index) => ({
    name,
    address: `10.${nodeNetwork}.${number}.${firstNode + index}`,
    pods: `10.${podNetwork}.${number}.${index * podsPerNode}/26`,
  }));

  return {
    address,
    places,
    async attach(place, pid) {
      const others = places.filter((other) => other !== place);
      await configure(inBridge, [
        `link add ${place.name} type veth peer name eth0 netns ${pid}`,
        `link set ${place.name} master bridge up`,
      ]);
      await configure(namespace(pid), [
        'link set lo up',
        `addr add ${place.address}/24 dev eth0`,
        'link set eth0 up',
        // Leads to nobody; but without a route a process would not even get as far as kube-proxy's rules.
        `route add ${serviceRange} dev eth0`,
        ...others.map((other) => `route add ${other.pods} via ${other.address}`),
      ]);
      await configure(namespace(), [`route add ${place.pods} via ${place.address}`]);
    },
  };
}

/** The name of the cable to this machine is the claim on a number: the kernel gives it away once. */
async function claimCable(bridge: Server): Promise<{ number: number; cable: string }> {
  const start = Math.floor(Math.random() * mostClusters);
  for (let offset = 0; offset < mostClusters; offset += 1) {
    const number = (start + offset) % mostClusters;
    if (!(await isFree(`10.${nodeNetwork}.${number}.0/24`))) continue;
    if (!(await isFree(`10.${podNetwork}.${number}.0/24`))) continue;
    const cable = `cwarden${number}`;
    const link = [
      'link',
      'add',
      cable,
      'type',
      'veth',
      'peer',
      'name',
      'host',
      'netns',
      `${bridge.child.pid}`,
    ];
    const { status, stderr } = await runCommand('ip', link);
    if (status === 0) return { number, cable };
    if (!stderr.includes('File exists'))
      throw new Error(`ip ${link.join(' ')} failed (${status}): ${stderr}`);
  }
  throw new Error(
    `All ${mostClusters} networks 10.${nodeNetwork}.0.0/24 to 10.${nodeNetwork}.${mostClusters - 1}.0/24 are taken: stop some of the clusters that run.`,
  );
}

/** Whether no route of this machine, but for the default, has to do with the range. */
async function isFree(range: string): Promise<boolean> {
  const wider = await mustRun('ip', ['route', 'show', 'table', 'all', 'match', range]);
  const narrower = await mustRun('ip', ['route', 'show', 'table', 'all', 'root', range]);
  return [...wider.split('\n'), ...narrower.split('\n')].every((route) => /^(default|$)/.test(route));
}

async function configure(target: string, lines: readonly string[]): Promise<void> {
  await mustRun('nsenter', [`--net=${target}`, 'ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

function namespace(pid: number | 'self' = 'self'): string {
  return `/proc/${pid}/ns/net`;
}

function namespaceOf({ child }: Server): string {
  if (child.pid === undefined) throw new Error('The process of the network did not start.');
  return namespace(child.pid);
}
