import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, symlink } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { ROOT } from '../../cli/call.ts';
import { archiveOf, fileOf, startTestNode, type TestNode } from '../../gc/door/archives/node.ts';
import { type ApiCluster, DOOR_NAME, startApiCluster } from '../api/cluster.ts';

/** What one call came to; it grows while the call runs. */
export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** kubectl as it is, with the plugin on its PATH; a real API server, and real collectors behind the aggregated API. */
export interface PluginCluster {
  readonly cluster: ApiCluster;
  readonly nodes: readonly TestNode[];
  addCollector(name: string, address: string, spec: object, archives: readonly Archive[]): Promise<void>;
  /** What kubectl is started with. */
  environment(kubeconfig?: string): NodeJS.ProcessEnv;
  start(args: readonly string[], env?: NodeJS.ProcessEnv): Running;
  /** `kubectl checkpoint …` */
  plugin(...args: string[]): Promise<Outcome>;
  /** Standard output of a call that has to succeed. */
  shown(...args: string[]): Promise<string>;
  /** Names, by what `-o name` prints. */
  names(...args: string[]): Promise<string[]>;
  stop(): Promise<void>;
}

export interface Running {
  readonly outcome: Outcome;
  readonly done: Promise<Outcome>;
  /** By the signal of a terminal. */
  stop(): void;
}

type Archive = readonly [namespace: string, pod: string, second: number, padding?: number];

const PROGRAMS = ['kubectl-checkpoint', 'kubectl_complete-checkpoint'];

export const POLICY = { namespace: 'shop', maxCheckpoints: 3 };
const SPEC = { namespacePolicies: [POLICY, { namespace: 'full', maxCheckpoints: 1, whenFull: 'RejectNew' }] };

/** Two nodes with archives of `shop`, `farm` and `full`. */
export async function startPluginCluster(): Promise<PluginCluster> {
  const cluster = await startApiCluster({ deadlineMs: 1_000, bookmarkMs: 500 });
  const { directory, kubectlProgram } = cluster.plane;
  const bin = join(directory, 'bin');
  await mkdir(bin);
  for (const name of PROGRAMS) await symlink(join(ROOT, 'cli', `${name}.js`), join(bin, name));
  const nodes: TestNode[] = [];
  const path = [bin, dirname(process.execPath), process.env.PATH].join(delimiter);
  const environment = (kubeconfig = cluster.plane.kubeconfig) => ({
    ...{ PATH: path, HOME: directory, KUBECONFIG: kubeconfig },
    KUBECACHEDIR: join(directory, 'plugin-cache'),
  });
  const start = (args: readonly string[], env: NodeJS.ProcessEnv = environment()): Running => {
    const child = spawn(kubectlProgram, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const outcome: Outcome = { status: null, stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      outcome.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      outcome.stderr += text;
    });
    const done = once(child, 'close').then(() => Object.assign(outcome, { status: child.exitCode }));
    return { outcome, done, stop: () => void child.kill('SIGINT') };
  };
  const plugin = (...args: string[]) => start(['checkpoint', ...args]).done;
  const shown = async (...args: string[]) => {
    const { status, stdout, stderr } = await plugin(...args);
    assert.equal(status, 0, `kubectl checkpoint ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const kit: PluginCluster = {
    ...{ cluster, nodes, environment, start, plugin, shown },
    async addCollector(name, address, spec, archives) {
      const files = Object.fromEntries(
        archives.map(([namespace, pod, second, padding]) => [
          fileOf(namespace, pod, second),
          archiveOf(namespace, pod, 'main', padding),
        ]),
      );
      const place = { host: DOOR_NAME, listen: address, port: cluster.doorPort };
      nodes.push(await startTestNode({ name, authority: cluster.authority, ...place, spec, files }));
      await cluster.addNode(name, address);
    },
    async names(...args) {
      const lines = (await shown('ls', '-o', 'name', ...args)).split('\n').filter(Boolean);
      return lines.map((each) => each.replace(/^checkpoint\.checkpoint\.criu\.org\//, ''));
    },
    async stop() {
      for (const node of nodes) await node.stop();
      await cluster[Symbol.asyncDispose]();
    },
  };
  for (const [name, address] of [
    ['node1', '127.0.0.2'],
    ['node2', '127.0.0.3'],
  ] as const) {
    await kit.addCollector(name, address, SPEC, [
      ['shop', 'cart', 1],
      ['shop', 'cart', 2, 20_000],
      ['farm', `cow-${name}`, 1],
      ['full', 'tub', 1],
    ]);
  }
  await cluster.addPod('shop', 'cart', 'node1');
  await cluster.addPod('full', 'tub', 'node2');
  await cluster.kubectl('create', 'namespace', 'farm');
  return kit;
}
