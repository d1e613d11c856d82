import { type ChildProcess, fork } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient, type KubeClient } from '../../../kube/client.ts';
import { text } from '../../../policy/json.ts';
import type { ControlPlane } from '../../cluster/control-plane.ts';
import { killed } from '../../cluster/guard.ts';
import { writeTokenKubeconfig } from '../../cluster/kubeconfig.ts';
import { archiveName, makeArchive } from '../../fixtures/make-archive.ts';
import { at } from '../replicas/manifest.ts';
import type { CrewTask, CrewWord, Member } from './crew.ts';

const NAMESPACE = 'checkpoint-warden';
const CREWS = 4;
const AT_ONCE = 16;

export interface FleetOptions {
  readonly plane: ControlPlane;
  readonly nodes: number;
  /** Pods with an archive each, of one node. */
  podsOf(node: number): number;
}

/** Nodes as the API server knows them, and their collectors. */
export interface Fleet {
  readonly members: readonly Member[];
  /** What the collectors have said since the last call. */
  take(): readonly CrewWord[];
  /** Starts all collectors at once. Does not wait for them. */
  start(startWithinMs: number): void;
  /** Kills all of them at once, as a power failure does. */
  kill(): Promise<void>;
  /** Resident memory of all of them, bytes. */
  memory(): Promise<number>;
}

/** Makes nodes, pods and directories; each collector gets the token of a pod on its node, as in a cluster. */
export async function makeFleet({ plane, nodes, podsOf }: FleetOptions): Promise<Fleet> {
  const admin = await createClient({ kubeconfig: plane.kubeconfig });
  const members: Member[] = [];
  const each = Array.from({ length: nodes }, (_, index) => index);
  const next = each.values();
  const work = async () => {
    for (const index of next) members.push(await makeNode(plane, admin, index, podsOf(index)));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  admin.close();
  const crews: ChildProcess[] = [];
  let words: CrewWord[] = [];
  return {
    members,
    take() {
      const taken = words;
      words = [];
      return taken;
    },
    start(startWithinMs) {
      for (let crew = 0; crew < CREWS; crew += 1) {
        const task: CrewTask = {
          members: members.filter((_, index) => index % CREWS === crew),
          startWithinMs,
        };
        const child = fork(join(import.meta.dirname, 'crew.ts'), {
          stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        });
        plane.guard.watch(child);
        child.on('message', (word: CrewWord) => words.push(word));
        child.send(task);
        crews.push(child);
      }
    },
    async kill() {
      await Promise.all(crews.splice(0).map(killed));
    },
    async memory() {
      const sizes = await Promise.all(crews.map(({ pid }) => residentBytes(pid ?? 0)));
      return sizes.reduce((sum, size) => sum + size, 0);
    },
  };
}

/** VmRSS of a process. */
export async function residentBytes(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024;
}

async function makeNode(
  plane: ControlPlane,
  admin: KubeClient,
  index: number,
  pods: number,
): Promise<Member> {
  const node = `node-${index}`;
  const home = join(plane.directory, 'fleet', node);
  const [directory, state] = [join(home, 'checkpoints'), join(home, 'state')];
  await mkdir(directory, { recursive: true });
  await admin.request({
    ...{ method: 'POST', path: '/api/v1/nodes' },
    body: { apiVersion: 'v1', kind: 'Node', metadata: { name: node } },
  });
  const collector = await createPod(admin, NAMESPACE, `collector-${index}`, node);
  const answer = await admin.request({
    method: 'POST',
    path: `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/collector/token`,
    body: {
      ...{ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' },
      spec: {
        expirationSeconds: 3_600,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: `collector-${index}`, uid: collector },
      },
    },
  });
  const kubeconfig = join(home, 'kubeconfig');
  await writeTokenKubeconfig(kubeconfig, {
    url: plane.url,
    ca: plane.ca,
    token: text(at(answer, 'status', 'token')),
  });
  for (let each = 0; each < pods; each += 1) {
    const pod = `cart-${index}-${each}`;
    await writeArchive(directory, pod, await createPod(admin, 'shop', pod, node), each);
  }
  return { node, kubeconfig, directory, state };
}

/** Writes a small archive of a pod of the namespace `shop`. */
export async function writeArchive(
  directory: string,
  pod: string,
  podUid: string,
  number: number,
): Promise<void> {
  const made = { namespace: 'shop', pod, podUid };
  const name = archiveName(made, new Date(Date.UTC(2026, 10, 21, 0, 0, number)));
  await writeFile(join(directory, name), makeArchive(made));
}

/** @returns its UID */
async function createPod(admin: KubeClient, namespace: string, name: string, node: string): Promise<string> {
  const containers = [{ name: 'main', image: 'none' }];
  const spec = {
    nodeName: node,
    serviceAccountName: namespace === NAMESPACE ? 'collector' : 'default',
    containers,
  };
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec };
  return text(at(await admin.request({ method: 'POST', path, body }), 'metadata', 'uid'));
}
