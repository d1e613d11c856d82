import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { PodPlace } from '../../kube/pod-nodes.ts';
import type { DoorOutcome, DoorRequest } from '../../webhook/gateway/door-client.ts';
import { doorVerdicts, tokenFile } from '../../webhook/verdicts.ts';
import { connecting, recordedLog, startTestWebhook } from './kit.ts';

const CART = { kind: 'verdict', namespace: 'shop', pod: 'cart', container: 'main' } as const;
const THERE: PodPlace = { kind: 'there', node: 'node1', address: '10.0.0.1' };

function answered(status: number, body: unknown): DoorOutcome {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { kind: 'answered', status, headers: {}, body: Buffer.from(text) };
}

interface Scene {
  readonly place?: PodPlace | Error | 'never';
  readonly outcome?: DoorOutcome | 'never';
  readonly token?: () => Promise<string>;
}

function scene({ place = THERE, outcome = answered(200, { allowed: true, grounds: 'x' }), token }: Scene) {
  const asked: DoorRequest[] = [];
  const { log, lines } = recordedLog();
  const verdicts = doorVerdicts({
    places: {
      find: async () => {
        if (place === 'never') return new Promise<never>(() => {});
        if (place instanceof Error) throw place;
        return place;
      },
    },
    doors: {
      async ask(request) {
        asked.push(request);
        if (outcome !== 'never') return outcome;
        return new Promise<never>((_, reject) => {
          request.signal.addEventListener('abort', () => reject(request.signal.reason));
        });
      },
    },
    token: token ?? (async () => 'own'),
    log,
    now: Date.now,
  });
  return { verdicts, asked, lines };
}

for (const [name, parts, expected] of [
  [
    'what fits passes, with its grounds',
    { outcome: answered(200, { allowed: true, grounds: '33Mi are expected' }) },
    { kind: 'allowed', grounds: '33Mi are expected' },
  ],
  [
    "what does not is refused in the door's words",
    { outcome: answered(200, { allowed: false, status: 507, code: 'total', message: 'no room in shop' }) },
    { kind: 'refused', code: 'total', message: 'no room in shop' },
  ],
  [
    'no pod',
    { place: { kind: 'noPod' } },
    { kind: 'refused', code: 'noPod', message: /^there is no pod shop/ },
  ],
  [
    'no node yet',
    { place: { kind: 'unbound' } },
    { kind: 'refused', code: 'unbound', message: /is not bound/ },
  ],
  [
    'another node',
    { place: { kind: 'there', node: 'node2', address: '10.0.0.2' } },
    {
      kind: 'refused',
      code: 'elsewhere',
      message: 'pod shop/cart runs on node node2, and the request is for another',
    },
  ],
  [
    'no node any more',
    { place: { kind: 'noNode', node: 'x' } },
    { kind: 'unknown', code: 'noNode', message: /x/ },
  ],
  [
    'the API server is away',
    { place: new Error('POST https://10.0.0.1 had no answer') },
    {
      kind: 'unknown',
      code: 'podUnknown',
      message: /so it is denied: the API server does not say where pod shop/,
    },
  ],
  [
    'the door is away',
    { outcome: { kind: 'away', cause: new Error('ECONNREFUSED') } },
    { kind: 'unknown', code: 'doorAway', message: /so it is denied: the door of node node1 does not answer/ },
  ],
  [
    'the door is another',
    { outcome: { kind: 'untrusted', cause: new Error('x') } },
    { kind: 'unknown', code: 'doorUntrusted', message: /does not show a certificate that can be trusted/ },
  ],
  [
    'the webhook has no right there',
    { outcome: answered(403, 'system:serviceaccount:x:webhook may not …') },
    { kind: 'unknown', code: 'doorGarbled', message: /the door of node node1 answers the webhook with 403/ },
  ],
  ['no JSON', { outcome: answered(200, 'yes') }, { kind: 'unknown', code: 'doorGarbled', message: /denied/ }],
  ['no word', { outcome: answered(200, {}) }, { kind: 'unknown', code: 'doorGarbled', message: /denied/ }],
  [
    'a word in quotes',
    { outcome: answered(200, { allowed: 'true' }) },
    { kind: 'unknown', code: 'doorGarbled', message: /denied/ },
  ],
  ['null', { outcome: answered(200, 'null') }, { kind: 'unknown', code: 'doorGarbled', message: /denied/ }],
  [
    'no token',
    { token: () => Promise.reject(new Error('token: ENOENT')) },
    { kind: 'unknown', code: 'internal', message: /the webhook failed; its log says why/ },
  ],
] as const satisfies readonly (readonly [string, Scene, object])[]) {
  test(name, async () => {
    const { verdicts, lines } = scene(parts);
    const { message, ...rest } = { message: '', ...(await verdicts.on(CART, 'node1', Date.now() + 5_000)) };
    const { message: wanted, ...others } = { message: '', ...expected };
    assert.deepEqual(rest, others);
    if (typeof wanted === 'string') assert.equal(message, wanted);
    else assert.match(message, wanted);
    assert.equal(lines.length, expected.kind === 'unknown' ? 1 : 0);
    assert.ok(!message.includes('10.0.0.1'));
  });
}

for (const parts of [{ place: 'never' }, { outcome: 'never' }] as const) {
  test(`denied in time: ${JSON.stringify(parts)}`, { timeout: 2_000 }, async () => {
    const { verdicts } = scene(parts);
    const verdict = await verdicts.on(CART, 'node1', Date.now() + 50);
    assert.equal(verdict.kind, 'unknown');
    assert.ok(
      verdict.kind === 'unknown' && /no answer in the time that the API server gives/.test(verdict.message),
    );
  });
}

test('the door is asked by GET, with the token that stands in the file now', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'verdicts-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'token');
  const { verdicts, asked } = scene({ token: tokenFile(file) });
  for (const token of ['one', 'two']) {
    writeFileSync(file, `${token}\n`);
    await verdicts.on(CART, 'node1', Date.now() + 1_000);
  }
  assert.deepEqual(
    asked.map(({ method, path, authorization, address }) => [method, path, authorization, address]),
    ['one', 'two'].map((token) => ['GET', '/verdict/shop/cart/main', `Bearer ${token}`, '10.0.0.1']),
  );
});

test('mode Enforce at the webhook: allowed with an annotation, or denied with the sentence', async () => {
  const seen: unknown[] = [];
  await using hook = await startTestWebhook({
    connect: {
      exemptUsers: ['migrator'],
      verdicts: {
        async on(container, node, deadline) {
          seen.push([container.pod, node]);
          assert.ok(deadline > Date.now() && deadline < Date.now() + 11_000);
          if (container.pod === 'cart') return { kind: 'allowed', grounds: '33Mi' };
          if (container.pod === 'away') return { kind: 'unknown', code: 'doorAway', message: 'not asked' };
          return { kind: 'refused', code: 'total', message: 'no room in shop' };
        },
      },
    },
  });
  const ask = (path: string, more = {}) => hook.ask('/connect', connecting(path, more));
  const cart = await ask('//checkpoint/x/../shop/cart/main');
  assert.deepEqual([cart.allowed, cart.auditAnnotations], [true, { verdict: 'allowed: 33Mi' }]);
  const till = await ask('/checkpoint/shop/till/main');
  assert.deepEqual(
    [till.allowed, till.status?.code, till.status?.message, till.auditAnnotations],
    [false, 403, 'no room in shop', { verdict: 'refused: total' }],
  );
  const away = await ask('/checkpoint/shop/away/main');
  assert.deepEqual([away.allowed, away.auditAnnotations], [false, { verdict: 'unknown: doorAway' }]);
  assert.deepEqual(
    seen,
    ['cart', 'till', 'away'].map((pod) => [pod, 'node1']),
  );
  // Neither needs a verdict.
  const names = ['/checkpoint/shop/CART/main', '/checkpoint/shop', '/checkpoint/shop/c art/main'];
  for (const path of names) assert.equal((await ask(path)).allowed, false, path);
  assert.equal((await ask('/metrics')).allowed, true);
  const exempt = { userInfo: { username: 'migrator', groups: [] } };
  assert.equal((await ask('/checkpoint/shop/till/main', exempt)).allowed, true);
  assert.equal(seen.length, 3);
});
