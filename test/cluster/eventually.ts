import { setTimeout as sleep } from 'node:timers/promises';

const pollMilliseconds = 25;

/**
 * Repeats `attempt` until it no longer throws; at the deadline (milliseconds) its last error counts. RBAC,
 * webhooks and custom resources take effect a moment after the API server has stored them.
 */
export async function eventually<T>(attempt: () => Promise<T>, deadline = 10_000): Promise<T> {
  const end = Date.now() + deadline;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(pollMilliseconds);
    }
  }
}
