import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { before, suite, test } from 'node:test';
import { createAuthority, openAuthority } from '../../../certs/issue.ts';
import { failure, silence } from './memory-api.ts';
import {
  AUTHORITY,
  CONNECT,
  DAY,
  DOOR,
  LEAF,
  MINUTE,
  START,
  servedBy,
  TERMS,
  World,
  wellLooked,
} from './world.ts';

type Edit = Readonly<Record<string, string | undefined>>;

let founded: World;
/** Of another authority, for the same names. */
let foreign: Edit;
/** Of the same authority, with other times and names. */
let expired: Edit;
let misnamed: Edit;
let other: Edit;

before(async () => {
  founded = new World();
  wellLooked(await founded.keeper().look());
  const names = ['webhook.checkpoint-warden.svc', 'webhook.checkpoint-warden.svc.cluster.local'];
  const all = [...names, 'webhook.checkpoint-warden', 'webhook'];
  const stranger = await createAuthority(START, 100 * DAY);
  const leaf = await stranger.issue(all, START, 30 * DAY);
  foreign = { 'tls.crt': leaf.certificate, 'tls.key': leaf.key, 'ca.crt': stranger.certificate };
  // With keys that none of the others can have.
  const own = openAuthority({
    certificate: founded.api.secret(AUTHORITY, 'ca.crt'),
    key: founded.api.secret(AUTHORITY, 'ca.key'),
    notBefore: START - DAY,
    notAfter: START + 365 * DAY,
  });
  const edit = ({ certificate, key }: { certificate: string; key: string }) => ({
    'tls.crt': certificate,
    'tls.key': key,
  });
  expired = edit(await own.issue(all, START - 2 * DAY, DAY));
  misnamed = edit(await own.issue(names, START, DAY));
  other = edit(await own.issue(all, START, DAY));
});

suite('an edited certificate is not served, and another takes its place', () => {
  const huge = 'x'.repeat(70_000);
  for (const [name, edit, why] of [
    ['rubbish', () => ({ 'tls.crt': 'rubbish' }), /tls\.crt is not a certificate in PEM/],
    ['rubbish for its authority', () => ({ 'ca.crt': 'rubbish' }), /ca\.crt is not a certificate in PEM/],
    ['without its key', () => ({ 'tls.key': undefined }), /it has no tls\.key/],
    [
      'with the key of another',
      () => ({ 'tls.key': other['tls.key'] }),
      /tls\.key does not belong to tls\.crt/,
    ],
    ['of another authority', () => foreign, /tls\.crt is signed by another authority/],
    ['with too few names', () => misnamed, /is not for the name webhook\.checkpoint-warden$/],
    ['that has expired', () => expired, /tls\.crt expired at 2026-11-20/],
    ['of 70 KB', () => ({ 'tls.crt': huge }), /tls\.crt has 70000 bytes, at most 65536 are read/],
    ['with nothing in it', () => ({ 'tls.crt': '', 'tls.key': '', 'ca.crt': '' }), /tls\.crt is not/],
  ] as const satisfies readonly (readonly [string, () => Edit, RegExp])[]) {
    test(name, async () => {
      const world = founded.copy();
      const keeper = world.keeper();
      wellLooked(await keeper.look());
      const bundle = world.trusted(CONNECT);
      world.api.edit(LEAF, edit());
      world.forbid(['PUT', LEAF]);
      const stuck = await keeper.look();
      assert.equal(stuck.serving, null);
      assert.match(stuck.problems.get('Secret webhook-certificate') ?? '', /cannot be written: .* 403/);
      world.forbid();
      const look = wellLooked(await keeper.look());
      const deed = look.deeds.find(
        ({ what }) => what === 'a certificate was issued into Secret webhook-certificate',
      );
      assert.match(deed?.why ?? '', why);
      assert.equal(deed?.isRepair, true);
      assert.notEqual(servedBy(look), world.fingerprint(DOOR, 'tls.crt'));
      assert.deepEqual(world.trusted(CONNECT), bundle);
    });
  }

  test('one of the same authority, good in all, is taken', async () => {
    const world = founded.copy();
    world.api.edit(LEAF, other);
    const look = wellLooked(await world.keeper().look());
    assert.equal(look.serving?.inspected.certificate.key, other['tls.key']);
  });
});

suite('a spoilt Secret of the authority', () => {
  const ecKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  const SPOILT: readonly (readonly [name: string, spoil: (world: World) => void])[] = [
    ['deleted', (world) => world.api.remove(AUTHORITY)],
    ['rubbish', (world) => world.api.edit(AUTHORITY, { 'ca.crt': 'rubbish' })],
    ['empty', (world) => world.api.put(AUTHORITY, {})],
    ['without its key', (world) => world.api.edit(AUTHORITY, { 'ca.key': undefined })],
    ['with the key of another', (world) => world.api.edit(AUTHORITY, { 'ca.key': other['tls.key'] })],
    ['with a key of another kind', (world) => world.api.edit(AUTHORITY, { 'ca.key': ecKey.toString() })],
    [
      'with a certificate that is no authority',
      (world) => world.api.edit(AUTHORITY, { 'ca.crt': other['tls.crt'] }),
    ],
    ['with 70 KB', (world) => world.api.edit(AUTHORITY, { 'ca.crt': 'x'.repeat(70_000) })],
  ];
  for (const [name, spoil] of SPOILT) {
    test(`${name}: who knows it puts it back, and nobody notices`, async () => {
      const world = founded.copy();
      const keepers = [world.keeper(), world.keeper()];
      for (const keeper of keepers) await keeper.look();
      const [ca, leaf] = [world.fingerprint(AUTHORITY, 'ca.crt'), world.fingerprint(LEAF, 'tls.crt')];
      const key = world.api.secret(AUTHORITY, 'ca.key');
      spoil(world);
      const looks = await Promise.all(keepers.map((keeper) => keeper.look()));
      for (const look of looks) assert.equal(servedBy(wellLooked(look)), leaf);
      assert.equal(world.fingerprint(AUTHORITY, 'ca.crt'), ca);
      assert.equal(world.api.secret(AUTHORITY, 'ca.key'), key);
      assert.deepEqual(world.trusted(CONNECT), [[ca]]);
      assert.equal(world.generation(), 2);
      assert.equal(looks.flatMap(({ deeds }) => deeds).filter(({ isRepair }) => isRepair).length, 1);
    });

    test(`${name}: after a restart the certificate goes on, and another authority is rotated in`, async () => {
      const world = founded.copy();
      const leaf = world.fingerprint(LEAF, 'tls.crt');
      const ca = world.fingerprint(AUTHORITY, 'ca.crt');
      spoil(world);
      const keeper = world.keeper();
      const look = wellLooked(await keeper.look());
      assert.equal(servedBy(look), leaf);
      assert.deepEqual(world.trusted(CONNECT), [[ca, world.fingerprint(AUTHORITY, 'next.crt')]]);
      world.now += TERMS.propagation;
      assert.notEqual(servedBy(wellLooked(await keeper.look())), leaf);
      assert.notEqual(world.fingerprint(AUTHORITY, 'ca.crt'), ca);
    });
  }

  test('an older version that is put back is replaced by the younger one', async () => {
    const world = founded.copy();
    const keeper = world.keeper();
    await keeper.look();
    const older = structuredClone(world.api.get(AUTHORITY) ?? {});
    world.annotate(AUTHORITY, { 'checkpoint.criu.org/rotate': 'now' });
    wellLooked(await keeper.look());
    world.now += TERMS.propagation;
    const served = servedBy(wellLooked(await keeper.look()));
    world.api.put(AUTHORITY, older);
    const look = wellLooked(await keeper.look());
    assert.equal(servedBy(look), served);
    assert.equal(world.trusted(CONNECT)[0]?.length, 2);
    assert.match(look.deeds[0]?.why ?? '', /went back to an older version/);
  });

  test('the Secret of the certificate, deleted: another is issued by the same authority', async () => {
    const world = founded.copy();
    const keeper = world.keeper();
    const former = servedBy(await keeper.look());
    const ca = world.fingerprint(AUTHORITY, 'ca.crt');
    world.api.remove(LEAF);
    world.api.remove(DOOR);
    assert.notEqual(servedBy(wellLooked(await keeper.look())), former);
    assert.equal(world.fingerprint(AUTHORITY, 'ca.crt'), ca);
    assert.notEqual(world.api.secret(DOOR, 'tls.key'), '');
  });

  test('all Secrets deleted under several processes: one authority, the one that was in force', async () => {
    const world = founded.copy();
    const keepers = Array.from({ length: 3 }, () => world.keeper());
    for (const keeper of keepers) await keeper.look();
    const ca = world.fingerprint(AUTHORITY, 'ca.crt');
    for (const path of [AUTHORITY, LEAF, DOOR]) world.api.remove(path);
    const fresh = world.keeper();
    await Promise.all([fresh, ...keepers].map((keeper) => keeper.look()));
    const looks = await Promise.all([fresh, ...keepers].map((keeper) => keeper.look()));
    assert.equal(new Set(looks.map(servedBy)).size, 1);
    const issuer = new X509Certificate(world.api.secret(AUTHORITY, 'ca.crt'));
    for (const look of looks) wellLooked(look);
    assert.ok(world.trusted(CONNECT)[0]?.includes(ca), 'who still shows the former certificate is trusted');
    assert.ok(world.trusted(CONNECT)[0]?.includes(issuer.fingerprint256));
  });
});

suite('the API server', () => {
  test('is away for minutes: that is told, and afterwards all is as before', async () => {
    const world = founded.copy();
    const keeper = world.keeper();
    const served = servedBy(await keeper.look());
    world.api.fail = silence;
    const look = await keeper.look();
    assert.match(
      [...look.problems.values()].join(),
      /^the API server cannot be asked: .* had no answer: [^,]*$/,
    );
    world.now += 10 * MINUTE;
    await keeper.look();
    world.api.fail = () => undefined;
    assert.equal(servedBy(wellLooked(await keeper.look())), served);
  });

  for (const method of ['POST', 'PUT', 'PATCH'] as const) {
    test(`carries a ${method} out, and its answer is lost`, async () => {
      const world = method === 'POST' ? new World() : founded.copy();
      const keeper = world.keeper();
      if (method !== 'POST') await keeper.look();
      if (method === 'PUT') world.api.edit(LEAF, { 'tls.crt': 'rubbish' });
      if (method === 'PATCH') world.annotate(AUTHORITY, { 'checkpoint.criu.org/rotate': 'now' });
      let lost = 0;
      world.api.lose = (request) => {
        if (request.method !== method || request.query?.dryRun !== undefined || lost > 0) return undefined;
        lost += 1;
        return silence();
      };
      await keeper.look();
      assert.equal(lost, 1);
      const look = wellLooked(await keeper.look());
      assert.equal(look.serving?.inspected.certificate.certificate, world.api.secret(LEAF, 'tls.crt'));
      const another = await world.keeper().look();
      assert.equal(servedBy(wellLooked(another)), servedBy(look));
    });
  }

  for (const path of [AUTHORITY, LEAF, DOOR, CONNECT]) {
    test(`denies ${path.split('/').at(-1)} to a process that starts: the certificate that is there is served`, async () => {
      const world = founded.copy();
      world.forbid(['GET', path]);
      const look = await world.keeper().look();
      assert.equal(look.problems.size, 1);
      assert.match([...look.problems.values()].join(), /cannot be read: .* was answered 403/);
      assert.equal(look.isForbidden, path === AUTHORITY);
      if (path === LEAF) assert.equal(look.serving, null);
      else assert.equal(servedBy(look), world.fingerprint(LEAF, 'tls.crt'));
      assert.ok(
        world.api.calls.every((call) => call.startsWith('GET ')),
        world.api.calls.join(),
      );
    });
  }
});

suite('a clock that is wrong', () => {
  for (const [name, ahead, sentence] of [
    [
      'far ahead',
      300 * DAY,
      /^this machine's clock is 300d ahead of the API server's, which counts here; set it right$/,
    ],
    ['far behind', -2 * DAY, /^this machine's clock is 2d behind the API server's/],
  ] as const) {
    test(`${name} spoils nothing for the others`, async () => {
      const world = founded.copy();
      const right = world.keeper();
      const served = servedBy(await right.look());
      const before = world.generation();
      const wrong = world.keeper({ now: () => world.now + ahead });
      const look = await wrong.look();
      assert.match(look.problems.get('clock') ?? '', sentence);
      assert.equal(look.problems.size, 1);
      assert.equal(servedBy(look), served);
      assert.equal(servedBy(wellLooked(await right.look())), served);
      assert.equal(world.generation(), before);
      world.now += (TERMS.leafLife * 2) / 3;
      const renewed = await wrong.look();
      assert.equal(
        servedBy(wellLooked(await right.look())),
        servedBy(renewed),
        'it renews by the right time',
      );
    });
  }

  test('that was set right is told no more', async () => {
    const world = founded.copy();
    let ahead = 40 * DAY;
    const keeper = world.keeper({ now: () => world.now + ahead });
    assert.equal((await keeper.look()).problems.size, 1);
    ahead = 0;
    const look = wellLooked(await keeper.look());
    assert.equal(servedBy(look), world.fingerprint(LEAF, 'tls.crt'));
  });

  test('that is a little wrong does not matter', async () => {
    const world = new World();
    wellLooked(await world.keeper({ now: () => world.now + 3 * MINUTE }).look());
    wellLooked(await world.keeper({ now: () => world.now - MINUTE }).look());
  });

  test('the cluster slept through everything: a new authority, at once', async () => {
    const world = founded.copy();
    const old = world.fingerprint(AUTHORITY, 'ca.crt');
    const keeper = world.keeper();
    await keeper.look();
    world.now += 500 * DAY;
    for (const each of [keeper, world.keeper()]) wellLooked(await each.look());
    assert.deepEqual(world.trusted(CONNECT), [[world.fingerprint(AUTHORITY, 'ca.crt')]]);
    assert.notEqual(world.fingerprint(AUTHORITY, 'ca.crt'), old);
  });

  test('a Secret that cannot be created, because there is no right or no namespace, is told', async () => {
    const world = new World();
    world.api.fail = ({ method, path }) =>
      method === 'POST' ? failure(403, 'Forbidden', path, 'checkpoint-warden-authority') : undefined;
    const look = await world.keeper().look();
    assert.equal(look.serving, null);
    assert.match(
      [...look.problems.values()].join(),
      /the API server's clock is not known: .* was answered 403/,
    );
  });
});
