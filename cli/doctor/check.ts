import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import type { Instant } from '../../policy/types.ts';

/** `unknown`: what it takes to tell could not be read. */
export type Verdict = 'ok' | 'warn' | 'fail' | 'unknown';

/** What one check came to. */
export interface Check {
  readonly name: string;
  readonly verdict: Verdict;
  /** One sentence, without its full stop. */
  readonly message: string;
  /** What a person can do, or type; null where all is well. */
  readonly remedy: string | null;
  /** Whoever or whatever the sentence counts, one each. */
  readonly details: readonly string[];
}

/** What is examined. */
export interface Patient {
  readonly client: KubeClient;
  /** Where checkpoint-warden is installed. */
  readonly namespace: string;
  readonly now: Instant;
}

export function ok(name: string, message: string, details: readonly string[] = []): Check {
  return { name, verdict: 'ok', message, remedy: null, details };
}

export function warn(name: string, message: string, remedy: string, details: readonly string[] = []): Check {
  return { name, verdict: 'warn', message, remedy, details };
}

export function fail(name: string, message: string, remedy: string, details: readonly string[] = []): Check {
  return { name, verdict: 'fail', message, remedy, details };
}

/** @param needed what right it takes: `list clusterroles` */
export function unknown(name: string, error: unknown, needed: string): Check {
  const isForbidden = error instanceof KubeError && error.status === 403;
  const message = isForbidden
    ? `cannot be told without the right to ${needed}`
    : `cannot be told: ${whyOf(error)}`;
  const remedy = isForbidden
    ? `call as somebody who may ${needed}, for example with --as or another --context`
    : 'see whether the API server answers: kubectl get --raw /readyz';
  return { name, verdict: 'unknown', message, remedy, details: [] };
}

/** What went wrong, without the address, which is long and always the same. */
export function whyOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^[A-Z]+ \S+ (?=was answered|had no answer)/, '');
}

/** Some names for a sentence: `a, b and 3 more`. */
export function some(names: readonly string[], most = 3): string {
  if (names.length <= most) return names.join(', ');
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
}
