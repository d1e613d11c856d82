import { setTimeout as sleep } from 'node:timers/promises';

const DEADLINE_MS = 90_000;
const LOOK_EVERY_MS = 25;

/**
 * Waits for what takes its time on a busy machine; at the deadline it throws, with what has not come and what
 * `found` tells of it then.
 */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  found: () => Promise<string> = async () => '',
): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`${what}: not after ${DEADLINE_MS / 1_000} s${await found()}`);
    await sleep(LOOK_EVERY_MS);
  }
}
