import type { ControlPlane } from '../control-plane.ts';
import { busyboxImage } from './images.ts';

const defaultTimeoutSeconds = 60;

/** Which pod. */
export interface PodName {
  readonly name: string;
  /** Default `default`. */
  readonly namespace?: string;
}

/** A pod to run. */
export interface PodRequest extends PodName {
  /** Name of the node; by default the scheduler chooses. */
  readonly node?: string;
  /** Shell script of the one container, `main`; by default it counts. */
  readonly script?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Further fields of the pod's specification; they win over the others. */
  readonly spec?: Readonly<Record<string, unknown>>;
  /** Seconds until the pod must be ready; default 60. */
  readonly timeoutSeconds?: number;
}

/** Where a pod runs. */
export interface RunningPod {
  readonly name: string;
  readonly namespace: string;
  readonly node: string;
  readonly uid: string;
  readonly address: string;
}

/** A container of the test image: its script's changes in memory are what a checkpoint is for. */
export function container(name: string, script: string = counting): Record<string, unknown> {
  return { name, image: busyboxImage, imagePullPolicy: 'Never', command: ['/bin/sh', '-c', script] };
}

const counting = 'i=0; while :; do i=$((i + 1)); echo $i; sleep 1; done';

/** Creates a pod, and its namespace if need be. */
export async function createPod(plane: ControlPlane, request: PodRequest): Promise<void> {
  const { name, namespace = 'default', node, script, labels, annotations, spec } = request;
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels, annotations },
    spec: {
      terminationGracePeriodSeconds: 0,
      ...(node !== undefined && { nodeName: node }),
      containers: [container('main', script)],
      ...spec,
    },
  };
  if (namespace !== 'default') await ensureNamespace(plane, namespace);
  await plane.apply(JSON.stringify(manifest));
}

/** Waits until a pod is there and ready; fails with what the cluster has to say of it. */
export async function waitForPod(
  plane: ControlPlane,
  request: PodName & { readonly timeoutSeconds?: number },
): Promise<RunningPod> {
  const { name, namespace = 'default', timeoutSeconds = defaultTimeoutSeconds } = request;
  const pod = ['--namespace', namespace, `pod/${name}`];
  const deadline = { timeout: (timeoutSeconds + 10) * 1_000 };
  for (const condition of ['create', 'condition=Ready']) {
    const wait = ['wait', ...pod, `--for=${condition}`, `--timeout=${timeoutSeconds}s`];
    const { status, stderr } = await plane.kubectl(wait, deadline);
    if (status === 0) continue;
    const { stdout } = await plane.kubectl(['describe', ...pod]);
    throw new Error(`Pod ${namespace}/${name} was not ready after ${timeoutSeconds} s: ${stderr}\n${stdout}`);
  }
  return findPod(plane, request);
}

/** What the API server says of a pod now; throws where there is none. */
export async function findPod(
  plane: ControlPlane,
  { name, namespace = 'default' }: PodName,
): Promise<RunningPod> {
  const fields = 'jsonpath={.spec.nodeName} {.metadata.uid} {.status.podIP}';
  const { status, stdout, stderr } = await plane.kubectl(['get', 'pod', name, '-n', namespace, '-o', fields]);
  if (status !== 0) throw new Error(stderr);
  const [node = '', uid = '', address = ''] = stdout.split(' ');
  return { name, namespace, node, uid, address };
}

/** Of two pods that are made at once, both may find it missing. */
async function ensureNamespace(plane: ControlPlane, name: string): Promise<void> {
  const { status, stderr } = await plane.kubectl(['create', 'namespace', name]);
  if (status !== 0 && !stderr.includes('AlreadyExists')) throw new Error(stderr);
}
