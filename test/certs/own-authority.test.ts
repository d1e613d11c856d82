import assert from 'node:assert/strict';
import { before, suite, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type OwnAuthorityOptions, ownAuthority } from '../../certs/own-authority.ts';
import type { CertificateSource } from '../../certs/source.ts';
import type { KubeClient } from '../../kube/client.ts';
import { recordedLog, silent } from '../webhook/kit.ts';
import { silence } from './authority/memory-api.ts';
import {
  AUTHORITY,
  CONNECT,
  DAY,
  LEAF,
  MINUTE,
  NAMESPACE,
  pooledKey,
  START,
  TERMS,
  World,
} from './authority/world.ts';

let founded: World;
before(async () => {
  founded = new World();
  await founded.keeper().look();
});

/** Starts one on a world whose clock is that of the mocked timers. */
async function started(
  t: TestContext,
  world: World,
  options: Partial<OwnAuthorityOptions> = {},
): Promise<CertificateSource> {
  const source = ownAuthority({
    ...{ client: world.api.client(), namespace: NAMESPACE, log: silent, newKey: pooledKey },
    random: () => 0,
    ...options,
  });
  await source.start();
  t.after(() => source.stop());
  await settled();
  return source;
}

/** Whatever is under way without a timer has its turn. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 60; turns += 1) await turn();
}

async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns += 1) {
    if (turns > 200_000) throw new Error('it does not happen');
    await turn();
  }
}

/** Time passes, in steps that timers of minutes notice. */
async function pass(t: TestContext, world: World, ms: number): Promise<void> {
  for (let left = ms; left > 0; ) {
    const step = Math.min(left, MINUTE);
    t.mock.timers.tick(step);
    world.now += step;
    left -= step;
    await settled();
  }
}

function mocked(t: TestContext): World {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: START });
  return founded.copy();
}

suite('the own authority as a source of certificates', () => {
  test('serves what is in the Secret, and an hour of nothing costs few calls', async (t) => {
    const world = mocked(t);
    const { log, lines } = recordedLog();
    const source = await started(t, world, { log });
    assert.deepEqual(lines, []);
    assert.equal(source.current().certificate, world.api.secret(LEAF, 'tls.crt'));
    assert.equal(source.current().ca, world.api.secret(AUTHORITY, 'ca.crt'));
    const { origin, notAfter, problem } = source.describe();
    assert.deepEqual(
      [origin, notAfter, problem],
      ['own authority in namespace checkpoint-warden', START + 30 * DAY, null],
    );
    assert.equal(world.api.calls.filter((call) => call.startsWith('WATCH ')).length, 7);
    await pass(t, world, 10 * MINUTE);
    world.api.calls.length = 0;
    await pass(t, world, 60 * MINUTE);
    assert.ok(world.api.calls.length <= 14 * 8, `${world.api.calls.length} calls`);
    assert.ok(world.api.calls.length >= 10 * 8, 'it looks all the same');
  });

  test('is renewed in time, by whichever replica, and the other takes that', async (t) => {
    const world = mocked(t);
    const one = await started(t, world);
    const other = await started(t, world);
    let changes = 0;
    other.onChange(() => {
      changes += 1;
    });
    const first = other.current();
    world.now += 20 * DAY;
    t.mock.timers.tick(20 * DAY);
    await until(() => changes === 1);
    assert.notEqual(other.current().key, first.key);
    assert.equal(other.current().ca, first.ca);
    await until(() => one.current().certificate === other.current().certificate);
    assert.ok(other.describe().notAfter > START + 49 * DAY);
  });

  test('a change that a watch tells of is looked at within the second', async (t) => {
    const world = mocked(t);
    await started(t, world);
    const trusted = world.trusted(CONNECT);
    world.api.put(CONNECT, { webhooks: [{ name: 'connect', clientConfig: {} }] });
    await settled();
    t.mock.timers.tick(200);
    await until(() => world.trusted(CONNECT)[0]?.length === 1);
    assert.deepEqual(world.trusted(CONNECT), trusted);
  });

  test('while one authority takes the place of another, doors of both are trusted', async (t) => {
    const world = mocked(t);
    const source = await started(t, world);
    const first = source.current();
    world.annotate(AUTHORITY, { 'checkpoint.criu.org/rotate': 'now' });
    await settled();
    t.mock.timers.tick(200);
    await until(() => source.current().ca !== first.ca);
    assert.equal(source.current().certificate, first.certificate);
    assert.ok(source.current().ca.startsWith(first.ca) && source.current().ca.length > first.ca.length);
  });

  test('a problem is told once, goes on serving, and is over when it is', async (t) => {
    const world = mocked(t);
    const { log, lines } = recordedLog();
    const source = await started(t, world, { log });
    const served = source.current();
    lines.length = 0;
    let words = 0;
    // An error says something else each time.
    world.api.fail = () => {
      words += 1;
      return Object.assign(silence(), { message: `no answer ${words}` });
    };
    await pass(t, world, 30 * MINUTE);
    assert.equal(source.current(), served);
    assert.match(source.describe().problem ?? '', /^the API server cannot be asked: no answer \d+$/);
    const warnings = lines.filter(({ level }) => level === 40);
    assert.equal(warnings.length, 1);
    world.api.fail = () => undefined;
    await pass(t, world, 2 * MINUTE);
    assert.equal(source.describe().problem, null);
    assert.equal(lines.filter(({ msg }) => msg === 'a problem of the certificates is over').length, 1);
    assert.doesNotMatch(JSON.stringify(lines), /PRIVATE KEY/);
  });

  test('an API server that is away is asked ever more slowly', async (t) => {
    const world = mocked(t);
    await started(t, world);
    world.api.fail = silence;
    await pass(t, world, 10 * MINUTE);
    world.api.calls.length = 0;
    await pass(t, world, 10 * MINUTE);
    // A look in half a minute to a minute: a failing one is of eight calls. Watches wait longer.
    assert.ok(world.api.calls.length <= 21 * 8, `${world.api.calls.length} calls`);
  });

  test('the certificate that ran out in such a time goes on, and that is told', async (t) => {
    const world = mocked(t);
    const source = await started(t, world);
    const served = source.current();
    world.forbid(['PUT', LEAF]);
    world.now += TERMS.leafLife;
    t.mock.timers.tick(TERMS.leafLife);
    await until(() => source.describe().problem !== null);
    assert.equal(source.current().certificate, served.certificate);
    assert.match(source.describe().problem ?? '', /webhook-certificate cannot be written: .* 403/);
  });

  test('whoever is not allowed to start with it is told at once which rights it takes', async (t) => {
    mocked(t);
    const world = new World();
    world.forbid(['GET', AUTHORITY]);
    const source = ownAuthority({ client: world.api.client(), namespace: NAMESPACE, log: silent });
    await assert.rejects(source.start(), {
      message:
        /^there is no certificate of the own authority in namespace checkpoint-warden: Secret checkpoint-warden-authority cannot be read: .* was answered 403: .*; manifests\/overlays\/self-signed has the rights/,
    });
    assert.throws(() => source.current(), /there is no certificate of the own authority yet/);
    await source.stop();
  });

  test('an API server that comes late is waited for', async (t) => {
    const world = mocked(t);
    world.api.fail = silence;
    const source = ownAuthority({
      ...{ client: world.api.client(), namespace: NAMESPACE, log: silent, newKey: pooledKey },
    });
    t.after(() => source.stop());
    const starting = source.start();
    for (let seconds = 0; seconds < 10; seconds += 1) {
      t.mock.timers.tick(1_000);
      await settled();
    }
    world.api.fail = () => undefined;
    t.mock.timers.tick(10_000);
    await settled();
    t.mock.timers.tick(8_000);
    await starting;
    assert.equal(source.current().certificate, world.api.secret(LEAF, 'tls.crt'));
  });

  test('a stop does not wait for an API server that hangs, and takes that for no problem', async (t) => {
    const world = mocked(t);
    const { log, lines } = recordedLog();
    const memory = world.api.client();
    let hangs = false;
    const client: KubeClient = {
      ...memory,
      async request(request) {
        if (!hangs) return memory.request(request);
        request.signal?.throwIfAborted();
        const { promise, reject } = Promise.withResolvers<never>();
        request.signal?.addEventListener('abort', () => reject(silence()));
        return promise;
      },
    };
    const source = await started(t, world, { client, log });
    hangs = true;
    world.api.remove(LEAF);
    await settled();
    t.mock.timers.tick(200);
    await settled();
    lines.length = 0;
    await source.stop();
    assert.deepEqual(lines, []);
  });

  test('a source that is stopped makes no call any more', async (t) => {
    const world = mocked(t);
    const source = await started(t, world);
    await source.stop();
    world.api.calls.length = 0;
    world.api.remove(LEAF);
    await pass(t, world, 60 * MINUTE);
    assert.deepEqual(world.api.calls, []);
  });
});
