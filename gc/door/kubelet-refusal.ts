import { type Container, containerName } from './container.ts';
import type { KubeletOutcome } from './kubelet-answer.ts';
import { Refusal } from './refusal.ts';

/** A minute or two after its start a kubelet knows its pods. */
const STARTING_SECONDS = 10;
const AWAY_SECONDS = 5;
/** Characters of the kubelet's words for the log: a runtime may repeat all of its own log. */
const MOST_LOGGED = 4_096;

/**
 * What a caller is told of an answer that is no archive. The kubelet's words, with host paths and command lines in
 * them, stay behind as the cause.
 *
 * @param isRunning what the API server says of the container.
 */
export function refusalFor(
  container: Container,
  isRunning: boolean,
  outcome: Exclude<KubeletOutcome, { kind: 'done' }>,
): Refusal {
  const name = containerName(container);
  const cause = new Error(outcome.text.slice(0, MOST_LOGGED));
  switch (outcome.kind) {
    case 'unsent': {
      const message = 'the kubelet of this node cannot be reached';
      return Refusal.of('kubeletAway', message, { retryAfterSeconds: AWAY_SECONDS, cause });
    }
    case 'unknown':
      return starting(name, cause);
    case 'notRunning':
      // The API server knows better than a kubelet that has just started.
      if (isRunning) return starting(name, cause);
      return Refusal.of('notRunning', `container ${name} does not run`, { cause });
    case 'refused': {
      const message = 'the kubelet of this node takes no checkpoint requests from its door';
      return Refusal.of('kubeletRefuses', message, { cause });
    }
    case 'lost':
      return Refusal.of('kubeletLost', `what has become of the checkpoint of ${name} is not known`, {
        cause,
      });
    case 'failed': {
      if (!outcome.standsStill || !isRunning) {
        return Refusal.of('failed', `the runtime could not checkpoint ${name}`, { cause });
      }
      const message = `the runtime says that ${name} does not run, and Kubernetes that it does: an earlier checkpoint may have left it frozen`;
      return Refusal.of('frozen', message, { cause });
    }
  }
}

/** The API server knows the pod, and that it is bound to this node. */
function starting(name: string, cause: unknown): Refusal {
  const message = `the kubelet of this node does not know ${name} yet, as in the minutes after its start`;
  return Refusal.of('kubeletStarting', message, { retryAfterSeconds: STARTING_SECONDS, cause });
}
