import { Agent, get } from 'node:https';

// `fork('bench/gc/caller.ts', [URL, CA])`: somebody who asks the door again and again, and tells, each time a message
// comes, how long he has waited each time since the last one.

const [url = '', ca = ''] = process.argv.slice(2);
const APART_MS = 20;

/** What a caller has seen of the door. */
export interface Answers {
  /** How long each took, in milliseconds. */
  readonly tookMs: readonly number[];
  /** How many of each status. */
  readonly statuses: Readonly<Record<string, number>>;
}

// The bench has ended, or failed.
process.once('disconnect', () => process.exit());

const agent = new Agent({ ca, keepAlive: true, maxSockets: 1 });
let tookMs: number[] = [];
let statuses: Record<string, number> = {};

process.on('message', () => {
  process.send?.({ tookMs, statuses } satisfies Answers);
  [tookMs, statuses] = [[], {}];
});

for (;;) {
  const began = performance.now();
  const status = await ask();
  tookMs.push(performance.now() - began);
  statuses[status] = (statuses[status] ?? 0) + 1;
  await new Promise((resolve) => setTimeout(resolve, APART_MS));
}

function ask(): Promise<string> {
  return new Promise((resolve) => {
    const request = get(`${url}/verdict/shop-1/cart-1/main`, { agent, timeout: 60_000 }, (answer) => {
      answer.resume();
      answer.once('end', () => resolve(String(answer.statusCode)));
    });
    request.once('error', (error) => resolve(error.message));
  });
}
