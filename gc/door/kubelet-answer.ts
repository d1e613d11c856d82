import { basename } from 'node:path';
import { isObject, own } from '../../policy/json.ts';
import { type Container, containerName, isNamedFor } from './container.ts';

/** What became of a request to the kubelet. Texts are the kubelet's own: for the log, not for a caller. */
export type KubeletOutcome =
  /** `item`: the path as the kubelet named it; `file`: the archive's name in the directory. */
  | { readonly kind: 'done'; readonly item: string; readonly file: string }
  /** It was never asked. */
  | { readonly kind: 'unsent'; readonly text: string }
  /** It does not know the pod, or the container in it: for minutes after its start it knows none. */
  | { readonly kind: 'unknown'; readonly text: string }
  /** Its runtime has no such container running. Nothing was done. */
  | { readonly kind: 'notRunning'; readonly text: string }
  /** It does not let the door in, or does not serve checkpoints. Nothing was done. */
  | { readonly kind: 'refused'; readonly status: number; readonly text: string }
  /** The runtime failed. `standsStill`: it says of a container that it is not running. */
  | { readonly kind: 'failed'; readonly text: string; readonly standsStill: boolean }
  /** Nobody knows. */
  | { readonly kind: 'lost'; readonly text: string };

/** Reads an answer of the kubelet, as its source and the runtimes have been seen to answer (1.36). */
export function outcomeOf(container: Container, status: number, body: string): KubeletOutcome {
  const text = body.trim();
  if (status === 200) return done(container, text);
  if (status === 401 || status === 403 || status === 405) return { kind: 'refused', status, text };
  if (status === 404) {
    const isKnown =
      text === 'pod does not exist' || text === `container ${container.container} does not exist`;
    return isKnown ? { kind: 'unknown', text } : { kind: 'refused', status, text };
  }
  if (status !== 500) return { kind: 'lost', text: `status ${status}: ${text}` };
  // Said before the runtime is asked; whatever the runtime says stands behind `rpc error`.
  if (text === failure(container, `container ${container.container} not found`))
    return { kind: 'notRunning', text };
  // CRI-O's words for a container that an earlier checkpoint left frozen.
  return { kind: 'failed', text, standsStill: /\bis not running\b/.test(text) };
}

function failure(container: Container, why: string): string {
  return `checkpointing of ${containerName(container)} failed (${why})`;
}

/** A 200 whose body is no answer is one of which nobody knows what it stands for. */
function done(container: Container, text: string): KubeletOutcome {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'lost', text: `200 without JSON: ${text}` };
  }
  const items = isObject(value) ? own(value, 'items') : undefined;
  const item: unknown = Array.isArray(items) && items.length === 1 ? items[0] : undefined;
  const file = typeof item === 'string' ? basename(item) : '';
  if (typeof item === 'string' && isNamedFor(file, container)) return { kind: 'done', item, file };
  return { kind: 'lost', text: `200 with something else than the archive's path: ${text}` };
}
