import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { suite, test } from 'node:test';
import { createAuthority } from '../../../certs/issue.ts';
import { createKey } from '../../../certs/x509.ts';
import { silence } from './memory-api.ts';
import {
  API_SERVICE,
  AUTHORITY,
  CONNECT,
  CRD,
  DAY,
  DOOR,
  LEAF,
  MINUTE,
  MUTATING,
  servedBy,
  TERMS,
  VALIDATING,
  World,
  wellLooked,
} from './world.ts';

suite('the authority of its own is founded', () => {
  test('one authority, two certificates, and every caBundle trusts it', async () => {
    const world = new World();
    const look = wellLooked(await world.keeper().look());
    const ca = world.fingerprint(AUTHORITY, 'ca.crt');
    for (const path of [LEAF, DOOR]) {
      const leaf = new X509Certificate(world.api.secret(path, 'tls.crt'));
      const issuer = new X509Certificate(world.api.secret(AUTHORITY, 'ca.crt'));
      assert.ok(leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey));
      assert.equal(world.fingerprint(path, 'ca.crt'), ca);
    }
    assert.deepEqual(look.serving?.inspected.names, [
      'webhook.checkpoint-warden.svc',
      'webhook.checkpoint-warden.svc.cluster.local',
      'webhook.checkpoint-warden',
      'webhook',
    ]);
    const door = new X509Certificate(world.api.secret(DOOR, 'tls.crt'));
    assert.equal(door.subjectAltName, 'DNS:checkpoint-warden-door.checkpoint-warden.svc');
    assert.deepEqual(world.trusted(VALIDATING), [[ca], [ca]]);
    assert.deepEqual([world.trusted(MUTATING), world.trusted(CONNECT)], [[[ca]], [[ca]]]);
  });

  test('the conversion of the CRD and the aggregated API are told, too, where there are any', async () => {
    const world = new World();
    world.api.put(CRD, { spec: { conversion: { strategy: 'Webhook', webhook: { clientConfig: {} } } } });
    world.api.put(API_SERVICE, { kind: 'APIService', spec: { service: { name: 'webhook' } } });
    wellLooked(await world.keeper().look());
    const ca = world.fingerprint(AUTHORITY, 'ca.crt');
    assert.deepEqual([world.trusted(CRD), world.trusted(API_SERVICE)], [[[ca]], [[ca]]]);
  });

  test('five that start at once end with one authority and one certificate', async () => {
    const world = new World();
    const looks = await Promise.all(Array.from({ length: 5 }, () => world.keeper().look()));
    assert.equal(new Set(looks.map(servedBy)).size, 1);
    assert.equal(new Set(looks.map(({ bundle }) => bundle)).size, 1);
    assert.equal(world.generation(), 1);
    for (const look of looks) wellLooked(look);
  });

  test('a quiet look reads each object once and writes nothing', async () => {
    const world = new World();
    const keeper = world.keeper();
    await keeper.look();
    world.api.calls.length = 0;
    await keeper.look();
    assert.equal(world.api.calls.length, 8);
    assert.ok(world.api.calls.every((call) => call.startsWith('GET ')));
  });
});

suite('a rotation', () => {
  test('goes in stages; at each of them what is served is trusted by whoever calls', async () => {
    const world = new World();
    const keeper = world.keeper();
    wellLooked(await keeper.look());
    const old = world.fingerprint(AUTHORITY, 'ca.crt');
    const firstLeaf = world.fingerprint(LEAF, 'tls.crt');

    world.now += (TERMS.authorityLife * 2) / 3 + DAY;
    let look = wellLooked(await keeper.look());
    const next = world.fingerprint(AUTHORITY, 'next.crt');
    assert.deepEqual(world.trusted(VALIDATING), [
      [old, next],
      [old, next],
    ]);
    assert.equal(world.fingerprint(AUTHORITY, 'ca.crt'), old);
    assert.notEqual(servedBy(look), firstLeaf, 'the certificate was due, too, and is of the old authority');
    const secondLeaf = servedBy(look);
    assert.equal(look.upcoming[0]?.at, world.now + TERMS.propagation);

    world.now += TERMS.propagation - 1;
    assert.equal(servedBy(wellLooked(await keeper.look())), secondLeaf);
    world.now += 1;
    look = wellLooked(await keeper.look());
    assert.equal(world.fingerprint(AUTHORITY, 'ca.crt'), next);
    assert.equal(world.fingerprint(AUTHORITY, 'previous.crt'), old);
    assert.equal(world.api.secret(AUTHORITY, 'next.key'), '');
    assert.doesNotMatch(JSON.stringify(world.api.get(AUTHORITY)), /previous\.key/);
    assert.notEqual(servedBy(look), secondLeaf);
    assert.equal(look.serving?.inspected.certificate.certificate, world.api.secret(LEAF, 'tls.crt'));
    assert.deepEqual(world.trusted(CONNECT)[0]?.toSorted(), [next, old].toSorted());

    world.now += TERMS.leafLife + TERMS.propagation - MINUTE;
    wellLooked(await keeper.look());
    assert.equal(world.trusted(CONNECT)[0]?.length, 2);
    world.now += MINUTE;
    wellLooked(await keeper.look());
    assert.deepEqual(world.trusted(VALIDATING), [[next], [next]]);
    assert.deepEqual(world.trusted(CONNECT), [[next]]);
    assert.equal(world.api.secret(AUTHORITY, 'previous.crt'), '');
    assert.equal(look.upcoming.length > 0, true);
  });

  test('any replica goes on with it, whichever was killed at whichever write', async () => {
    const founded = new World();
    wellLooked(await founded.keeper().look());
    for (const writes of [0, 1, 3, 5, 7, 9, 11]) {
      const world = founded.copy();
      world.now += (TERMS.authorityLife * 2) / 3;
      let left = writes;
      // Killed: nothing that it sends arrives from then on.
      world.api.fail = ({ method = 'GET', query }) => {
        if (method !== 'GET' && query?.dryRun === undefined) left -= 1;
        return left < 0 ? silence() : undefined;
      };
      const victim = world.keeper();
      const others = [world.keeper(), world.keeper()];
      await victim.look();
      world.now += TERMS.propagation;
      await victim.look();
      world.api.fail = () => undefined;
      for (let step = 0; step < 3; step += 1) {
        for (const other of others) {
          const look = wellLooked(await other.look());
          assertServedIsTrusted(world, look.serving?.inspected.certificate.certificate);
        }
        world.now += TERMS.propagation;
      }
      assert.equal(world.trusted(CONNECT)[0]?.length, 2, `after ${writes} writes`);
      assert.notEqual(world.api.secret(AUTHORITY, 'previous.crt'), '', `after ${writes} writes`);
    }
  });

  test('two that rotate at once make one new authority', async () => {
    const world = new World();
    const keepers = [world.keeper(), world.keeper(), world.keeper()];
    for (const keeper of keepers) await keeper.look();
    world.now += (TERMS.authorityLife * 2) / 3;
    const looks = await Promise.all(keepers.map((keeper) => keeper.look()));
    for (const look of looks) wellLooked(look);
    assert.equal(world.trusted(CONNECT)[0]?.length, 2);
    assert.equal(new Set(looks.map(({ bundle }) => bundle)).size, 1);
  });

  test('waits while one object cannot be told, and nobody is served what it does not trust', async () => {
    const world = new World();
    const keeper = world.keeper();
    await keeper.look();
    const old = world.fingerprint(AUTHORITY, 'ca.crt');
    world.now += (TERMS.authorityLife * 2) / 3;
    world.forbid(['PATCH', CONNECT]);
    await keeper.look();
    world.now += DAY;
    const look = await keeper.look();
    assert.equal(world.fingerprint(AUTHORITY, 'ca.crt'), old);
    assert.match(
      look.problems.get('ValidatingWebhookConfiguration checkpoint-warden-connect') ?? '',
      /^ValidatingWebhookConfiguration checkpoint-warden-connect cannot be written: .* was answered 403/,
    );
    assert.notEqual(look.serving, null);
    world.forbid();
    wellLooked(await keeper.look());
    world.now += TERMS.propagation;
    wellLooked(await keeper.look());
    assert.notEqual(world.fingerprint(AUTHORITY, 'ca.crt'), old);
  });

  test('is begun by an annotation, once', async () => {
    const world = new World();
    const keeper = world.keeper();
    await keeper.look();
    const old = world.fingerprint(AUTHORITY, 'ca.crt');
    world.annotate(AUTHORITY, { 'checkpoint.criu.org/rotate': 'please' });
    wellLooked(await keeper.look());
    world.now += TERMS.propagation;
    wellLooked(await keeper.look());
    const next = world.fingerprint(AUTHORITY, 'ca.crt');
    assert.notEqual(next, old);
    world.now += 2 * TERMS.propagation;
    wellLooked(await keeper.look());
    assert.equal(world.fingerprint(AUTHORITY, 'ca.crt'), next);
    assert.equal(world.api.secret(AUTHORITY, 'next.crt'), '');
  });

  test('never are more than two trusted, over two years of looks, and none is served that is not', async () => {
    const world = new World();
    const keeper = world.keeper();
    let most = 0;
    const authorities = new Set<string>();
    for (const end = world.now + 2 * 365 * DAY; world.now < end; world.now += 9 * DAY) {
      const look = wellLooked(await keeper.look());
      assertServedIsTrusted(world, look.serving?.inspected.certificate.certificate);
      most = Math.max(most, ...world.trusted(VALIDATING).map((each) => each.length));
      authorities.add(world.fingerprint(AUTHORITY, 'ca.crt'));
    }
    assert.equal(most, 2);
    assert.equal(authorities.size, 3);
  });
});

function assertServedIsTrusted(world: World, certificate: string | undefined): void {
  assert.ok(certificate, 'nothing is served');
  const leaf = new X509Certificate(certificate);
  const bundle = [
    world.api.secret(AUTHORITY, 'ca.crt'),
    world.api.secret(AUTHORITY, 'next.crt'),
    world.api.secret(AUTHORITY, 'previous.crt'),
  ].filter((each) => each !== '');
  const signer = bundle.map((each) => new X509Certificate(each)).find((ca) => leaf.checkIssued(ca));
  assert.ok(signer, 'no authority of the Secret has signed it');
  for (const path of [MUTATING, VALIDATING, CONNECT]) {
    for (const trusted of world.trusted(path)) assert.ok(trusted.includes(signer.fingerprint256), path);
  }
}

suite('what others do', () => {
  test('a caBundle that was changed by hand is mended, and nothing else of its object', async () => {
    const world = new World();
    const keeper = world.keeper();
    await keeper.look();
    const ca = world.fingerprint(AUTHORITY, 'ca.crt');
    world.api.put(CONNECT, {
      webhooks: [
        { name: 'connect', timeoutSeconds: 7, clientConfig: { url: 'https://x', caBundle: 'cnViYmlzaA==' } },
        { name: 'added', clientConfig: {} },
      ],
    });
    world.api.calls.length = 0;
    wellLooked(await keeper.look());
    assert.deepEqual(world.trusted(CONNECT), [[ca], [ca]]);
    assert.match(JSON.stringify(world.api.get(CONNECT)), /"timeoutSeconds":7.*"url":"https:\/\/x"/);
    assert.equal(world.api.calls.filter((call) => !call.startsWith('GET ')).length, 1);
  });

  for (const annotation of ['inject-ca-from', 'inject-ca-from-secret', 'inject-apiserver-ca']) {
    test(`hands off what cert-manager fills in (${annotation}), and it is told`, async () => {
      const world = new World();
      world.annotate(CONNECT, { [`cert-manager.io/${annotation}`]: 'somewhere' });
      const look = await world.keeper().look();
      assert.deepEqual(world.trusted(CONNECT), [[]]);
      assert.notEqual(look.serving, null);
      assert.deepEqual(
        [...look.problems],
        [
          [
            'ValidatingWebhookConfiguration checkpoint-warden-connect',
            `ValidatingWebhookConfiguration checkpoint-warden-connect is filled in by cert-manager (cert-manager.io/${annotation}) with another authority than the one that signs here; take the annotation away, or serve cert-manager's certificate`,
          ],
        ],
      );
    });
  }

  test('objects that are not there are no problem, and are told when they come', async () => {
    const world = new World();
    for (const path of [MUTATING, VALIDATING, CONNECT]) world.api.remove(path);
    const keeper = world.keeper();
    wellLooked(await keeper.look());
    world.api.put(CONNECT, { webhooks: [{ name: 'connect', clientConfig: {} }] });
    wellLooked(await keeper.look());
    assert.equal(world.trusted(CONNECT)[0]?.length, 1);
  });

  test('an object that changes under the pen is read again', async () => {
    const world = new World();
    let interfered = 0;
    world.api.fail = ({ method, path }) => {
      if (method === 'PATCH' && path === CONNECT && interfered++ < 2)
        world.annotate(CONNECT, { by: `${interfered}` });
      return undefined;
    };
    wellLooked(await world.keeper().look());
    assert.equal(world.trusted(CONNECT)[0]?.length, 1);
    assert.equal(interfered, 3);
  });

  test('an authority that somebody brings is rotated in', async () => {
    const world = new World();
    const keeper = world.keeper();
    const first = servedBy(await keeper.look());
    const old = world.fingerprint(AUTHORITY, 'ca.crt');
    const own = await createAuthority(world.now, 100 * DAY, createKey);
    world.api.edit(AUTHORITY, { 'ca.crt': own.certificate, 'ca.key': own.key });
    const look = wellLooked(await keeper.look());
    assert.equal(servedBy(look), first);
    const brought = new X509Certificate(own.certificate).fingerprint256;
    assert.deepEqual(world.trusted(CONNECT)[0], [old, brought]);
    world.now += TERMS.propagation;
    wellLooked(await keeper.look());
    assert.equal(world.fingerprint(AUTHORITY, 'ca.crt'), brought);
  });
});
