import { readFile } from 'node:fs/promises';
import type { PodNodes } from '../kube/pod-nodes.ts';
import type { Log } from '../kube/types.ts';
import type { Target } from '../policy/checkpoint-path.ts';
import { isObject, own, text } from '../policy/json.ts';
import type { Instant } from '../policy/types.ts';
import type { DoorClient } from './gateway/door-client.ts';
import { notThere, refusalFor } from './gateway/gateway.ts';
import { Refusal } from './gateway/refusal.ts';

/** What policy and usage say to a checkpoint that the door of its node has not been asked for. */
export type DoorVerdict =
  | { readonly kind: 'allowed'; readonly grounds: string }
  /** `code` is the door's word for the refusal; `message` its sentence. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  /** Nobody could say. `code` is for metrics and audit; `message` a sentence. */
  | { readonly kind: 'unknown'; readonly code: string; readonly message: string };

export interface Verdicts {
  /**
   * Never rejects, and has an answer by the deadline.
   * @param node the node that the request names; null where it names none.
   */
  on(container: Target, node: string | null, deadline: Instant): Promise<DoorVerdict>;
}

export interface DoorVerdictsOptions {
  readonly places: PodNodes;
  readonly doors: Pick<DoorClient, 'ask'>;
  /** The webhook's own token; it needs `get` on `pods/checkpoint` in the group `checkpoint.criu.org`. */
  readonly token: () => Promise<string>;
  readonly log: Log;
  readonly now: () => Instant;
}

/** A token in a file, read each time: the kubelet replaces it well before it ends. */
export function tokenFile(file: string): () => Promise<string> {
  return async () => {
    const token = (await readFile(file, 'utf8')).trim();
    if (token === '') throw new Error(`${file} is empty`);
    return token;
  };
}

/** Asks the door of the pod's node. */
export function doorVerdicts(options: DoorVerdictsOptions): Verdicts {
  return {
    async on(container, node, deadline) {
      const signal = AbortSignal.timeout(Math.max(0, deadline - options.now()));
      try {
        return await ask(container, node, signal, options);
      } catch (err) {
        const { namespace, pod } = container;
        const fields = { namespace, pod, container: container.container };
        options.log.error({ ...fields, err }, 'the door could not be asked for a verdict');
        if (err instanceof Refusal) return unknown(container, err.code, err.message);
        const why = signal.aborted
          ? 'there was no answer in the time that the API server gives'
          : 'the webhook failed; its log says why';
        return unknown(container, signal.aborted ? 'late' : 'internal', why);
      }
    },
  };
}

async function ask(
  container: Target,
  node: string | null,
  signal: AbortSignal,
  { places, doors, token }: DoorVerdictsOptions,
): Promise<DoorVerdict> {
  const { namespace, pod } = container;
  const name = `${namespace}/${pod}`;
  const place = await unlessAborted(places.find(namespace, pod), signal).catch((cause: unknown) => {
    if (signal.aborted) throw cause;
    throw new Refusal('podUnknown', `the API server does not say where pod ${name} is`, { cause });
  });
  if (place.kind === 'noPod' || place.kind === 'unbound') {
    const { code, message } = notThere(name, place);
    return { kind: 'refused', code, message };
  }
  if (place.kind !== 'there') throw notThere(name, place);
  if (place.node !== node) {
    const message = `pod ${name} runs on node ${place.node}, and the request is for another`;
    return { kind: 'refused', code: 'elsewhere', message };
  }
  const outcome = await doors.ask({
    address: place.address,
    method: 'GET',
    path: `/verdict/${name}/${container.container}`,
    authorization: `Bearer ${await token()}`,
    // The signal ends it before.
    waitMs: 30_000,
    signal,
  });
  if (outcome.kind !== 'answered') throw refusalFor(outcome, place.node, 30);
  const { status, body } = outcome;
  const verdict = status === 200 ? verdictIn(body.toString('utf8')) : null;
  if (verdict !== null) return verdict;
  const why = `the door of node ${place.node} answers the webhook with ${status}`;
  throw new Refusal('doorGarbled', why, { cause: new Error(body.toString('utf8').slice(0, 1_000)) });
}

/** Null for what is no verdict. */
function verdictIn(body: string): DoorVerdict | null {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return null;
  }
  if (!isObject(value)) return null;
  if (own(value, 'allowed') === true) return { kind: 'allowed', grounds: text(own(value, 'grounds')) };
  const [code, message] = [text(own(value, 'code')), text(own(value, 'message'))];
  return own(value, 'allowed') === false && message !== '' ? { kind: 'refused', code, message } : null;
}

function unknown({ namespace, pod, container }: Target, code: string, why: string): DoorVerdict {
  const what = `whether a checkpoint of ${namespace}/${pod}/${container} fits could not be asked, so it is denied`;
  return { kind: 'unknown', code, message: `${what}: ${why}` };
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  // Behind the deadline nobody waits for it any more; its failure must not end the process.
  promise.catch(() => {});
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
