import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { CheckpointRequest, ListedCheckpoint } from '../../kube/checkpoints.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { getObject, objectsAt, textAt } from '../../kube/objects.ts';
import { formatDuration } from '../../policy/duration.ts';
import { formatBytes } from '../../policy/quantity.ts';
import type { Context } from '../context.ts';
import { EXIT, Refusal, UsageError } from '../errors.ts';
import { callOf, explainCommand } from '../help.ts';
import { flag, flagUnless, optional } from '../options.ts';
import { waitingLine } from '../progress.ts';
import { printableName } from '../text.ts';
import { duration, nonEmpty } from '../values.ts';
import { encodeObject, formatOption } from './output.ts';
import { type NamespacedSession, namespacedOptions, resourceName } from './session.ts';

const EXPLANATION = `
Takes a checkpoint of a running container through the gateway and the door of its node: it is judged by policy and by
the room that there is, as every checkpoint is. The container runs on. It is waited for until the archive is there; the
API server gives up on a request after a minute, and then the archive is looked for until --timeout is over.

It takes the rights to create checkpoints (or pods/checkpoint) in the group checkpoint.criu.org, and without -c also to
get the pod.`;

/** A checkpoint of some gigabytes takes a minute or two. */
const TIMEOUT_MS = 5 * 60_000;
const LOOK_MS = 2_000;

export function define(command: Command): (context: Context) => Promise<number> {
  command.argument('<pod>', 'name of the pod');
  const open = namespacedOptions(command);
  const container = optional(
    command,
    '-c, --container <container>',
    'which container, where the pod has several and does not name its default one',
    nonEmpty,
  );
  const timeout = optional(
    command,
    '--timeout <duration>',
    'how long it may take, for the kubelet and for this command (default: what the kubelet gives it, and 5m)',
    duration,
  );
  const waits = flagUnless(
    command,
    '--no-wait',
    'do not look for the archive once the API server has given up',
  );
  const dryRun = flag(command, '--dry-run', 'ask whether it would be let in, and take none');
  const format = formatOption(command);
  const call = callOf(command);
  explainCommand(command, EXPLANATION, [
    [`${call} cart -n shop`, 'checkpoints the only container of a pod'],
    [`${call} cart -c main -n shop --timeout 10m`, 'gives a large one more time'],
    [`${call} cart -n shop --dry-run`, 'asks whether it would be let in, and why not'],
    [`${call} cart -n shop -o name | xargs kubectl checkpoint pin -n shop`, 'holds what it has taken'],
  ]);
  return (context) =>
    open(context, async (session) => {
      const pod = podOf(command.args[0] ?? '');
      const given = timeout();
      const request: CheckpointRequest = {
        ...{ namespace: session.namespace, pod },
        container: container() ?? (await onlyContainer(session.client, session.namespace, pod)),
        ...(given !== undefined && { timeoutSeconds: Math.ceil(given / 1_000) }),
      };
      const since = context.now();
      const taken = await take(session, request, {
        ...{ dryRun: dryRun(), wait: waits() },
        timeoutMs: given ?? TIMEOUT_MS,
      });
      const encoded = encodeObject(taken, format());
      const seconds = formatDuration(Math.max(0, context.now() - since));
      context.out.write(encoded ?? `${shownName(taken)} created${detail(taken, seconds, dryRun())}\n`);
      return EXIT.done;
    });
}

/** `pod/cart` will do. */
function podOf(text: string): string {
  const name = text.replace(/^(?:pods?|po)\//, '');
  if (name === '' || name.includes('/')) throw new UsageError(`${text} names no pod; write NAME or pod/NAME`);
  return name;
}

function shownName({ name, pod, container }: ListedCheckpoint): string {
  // A dry run makes no name.
  return name === ''
    ? `checkpoint of ${printableName(`${pod}/${container}`)}`
    : printableName(resourceName(name));
}

function detail({ bytes, node }: ListedCheckpoint, took: string, isDry: boolean): string {
  if (isDry) return ' (server dry run)';
  return ` (${formatBytes(bytes)} on ${printableName(node)}, ${took})`;
}

/** @throws Refusal where it is not clear which container is meant */
export async function onlyContainer(client: KubeClient, namespace: string, pod: string): Promise<string> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}`;
  const object = await getObject(client, path).catch((error: unknown) => {
    if (!(error instanceof KubeError)) throw error;
    const why = error.status === 404 ? `there is no pod ${pod} in namespace ${namespace}` : null;
    if (why !== null)
      throw new Refusal(`${why}; kubectl get pods -A lists those that there are`, { cause: error });
    if (error.status !== 403) throw error;
    const message = `the containers of pod ${pod} cannot be seen without the right to get it; name one with -c`;
    throw new Refusal(message, { cause: error });
  });
  const names = objectsAt(object, 'spec', 'containers').map((each) => textAt(each, 'name'));
  const usual = textAt(object, 'metadata', 'annotations', 'kubectl.kubernetes.io/default-container');
  if (names.includes(usual)) return usual;
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  throw new Refusal(`pod ${pod} has ${names.length} containers (${names.join(', ')}); name one with -c`);
}

interface TakeOptions {
  readonly dryRun: boolean;
  readonly wait: boolean;
  readonly timeoutMs: number;
}

/**
 * Takes a checkpoint. Where the API server gives up waiting, the checkpoint may go on: then the archive is looked for.
 * @param sleep waits so many milliseconds
 */
export async function take(
  session: NamespacedSession,
  request: CheckpointRequest,
  { dryRun, wait, timeoutMs }: TakeOptions,
  sleep: (ms: number) => Promise<unknown> = delay,
): Promise<ListedCheckpoint> {
  const { checkpoints, context, warn } = session;
  const { namespace, pod, container } = request;
  const fieldSelector = `spec.podName=${pod},spec.containerName=${container}`;
  const list = async () => (await checkpoints.list({ namespace, fieldSelector })).items;
  const deadline = context.now() + timeoutMs;
  // Known before, so that a new one is told from these without trusting any clock. Who may not list does not wait.
  const before = dryRun || !wait ? null : await list().catch(() => null);
  const what = `checkpointing ${printableName(`${namespace}/${pod}/${container}`)}`;
  const ended = waitingLine(context.err, what, context.now);
  try {
    return await checkpoints.create(request, { dryRun, timeoutMs, onWarning: warn });
  } catch (error) {
    if (before === null || !mayGoOn(error)) throw error;
    const known = new Set(before.map(({ uid }) => uid));
    for (;;) {
      const found = (await list().catch(() => [])).find(({ uid }) => !known.has(uid));
      if (found !== undefined) return found;
      if (context.now() >= deadline) throw error;
      await sleep(LOOK_MS);
    }
  } finally {
    ended();
  }
}

/** Whether nobody knows what came of it: a time-out, or a connection that was cut behind the request. */
function mayGoOn(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  const { status, cause } = error;
  const isRefused = cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED';
  return status === 504 || (status === null && !isRefused);
}
