import { request } from 'node:https';
import { setPriority } from 'node:os';
import { connect } from 'node:tls';

/**
 * Callers that come again and again, each time on a connection of their own: two thirds with one of 20 good tokens,
 * most of the others with one that nobody has seen, and some with a handshake and nothing behind it.
 */
const [port = '0', ca = '', callers = '0'] = process.argv.slice(2);
// A real crowd has processors of its own; this one takes what is left of ours.
setPriority(19);
const counts = new Map<string, number>();
const count = (what: string) => void counts.set(what, (counts.get(what) ?? 0) + 1);

async function once(index: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (index % 10 === 9) {
    const socket = connect({ host: '127.0.0.1', port: Number(port), ca }, () => {
      count('handshakes');
      socket.destroy();
      resolve();
    });
    socket.on('error', () => resolve());
    return promise;
  }
  const isGood = index % 10 < 7;
  const token = isGood ? `good-${index % 20}` : `bad-${Math.random().toString(36)}`;
  const sent = request({
    ...{ host: '127.0.0.1', port: Number(port), ca, agent: false, method: 'POST' },
    path: `/checkpoint/shop/cart-${index % 200}/main`,
    headers: { authorization: `Bearer ${token}` },
    timeout: 20_000,
  });
  sent.on('timeout', () => sent.destroy(new Error('no answer')));
  sent.on('response', (response) => {
    count(String(response.statusCode));
    response.resume().on('close', resolve);
  });
  sent.on('error', () => {
    count('errors');
    resolve();
  });
  sent.end();
  return promise;
}

let on = false;
let crowd: Promise<unknown> = Promise.resolve();
process.on('message', async (message: unknown) => {
  if (message === 'go') {
    counts.clear();
    on = true;
    crowd = Promise.all(
      Array.from({ length: Number(callers) }, async (_, index) => {
        for (let turn = 0; on; turn += 1) await once(index + turn);
      }),
    );
    return;
  }
  on = false;
  await crowd;
  process.send?.(Object.fromEntries(counts));
});
process.on('disconnect', () => process.exit());
