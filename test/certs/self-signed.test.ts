import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createAuthority } from '../../certs/issue.ts';
import { selfSignedCertificates } from '../../certs/self-signed.ts';
import { recordedLog, silent } from '../webhook/kit.ts';

const NOW = Date.UTC(2026, 10, 21);
const DAY = 86_400_000;

test('an authority and its certificate are what TLS clients ask for', async () => {
  const authority = await createAuthority(NOW, 10 * DAY);
  const issued = await authority.issue(['warden.ns.svc', '127.0.0.1', '::1'], NOW, DAY);
  const [ca, leaf] = [new X509Certificate(authority.certificate), new X509Certificate(issued.certificate)];
  assert.ok(ca.ca && !leaf.ca);
  assert.ok(leaf.checkIssued(ca) && leaf.verify(ca.publicKey) && ca.verify(ca.publicKey));
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  assert.equal(leaf.checkHost('warden.ns.svc'), 'warden.ns.svc');
  assert.equal(leaf.checkIP('127.0.0.1'), '127.0.0.1');
  assert.equal(leaf.checkIP('::1'), '::1');
  assert.equal(Date.parse(leaf.validFrom), NOW - 300_000);
  assert.match(leaf.serialNumber, /^[4-7][0-9A-F]{31}$/);
  assert.notEqual(leaf.serialNumber, ca.serialNumber);
  assert.notEqual(ca.subject, new X509Certificate((await createAuthority(NOW, DAY)).certificate).subject);
});

test('no certificate outlives its authority', async () => {
  const authority = await createAuthority(NOW, DAY);
  const issued = await authority.issue(['localhost'], NOW, 90 * DAY);
  assert.equal(issued.notAfter, NOW + DAY);
});

test('it is renewed at two thirds of its life, a little earlier by chance', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: NOW });
  const { log, lines } = recordedLog();
  const options = { names: ['localhost'], log, lifetime: 30 * DAY, random: () => 1 };
  const source = selfSignedCertificates(options);
  await source.start();
  const first = source.current();
  let changes = 0;
  source.onChange(() => {
    changes += 1;
  });

  const hours = async (count: number) => {
    for (let hour = 0; hour < count; hour += 1) {
      t.mock.timers.tick(3_600_000);
      await turn();
    }
  };
  await hours(18 * 24);
  assert.equal(changes, 0);
  await hours(24);
  while (changes === 0) await turn();
  const second = source.current();
  assert.notEqual(second.certificate, first.certificate);
  assert.notEqual(second.key, first.key);
  assert.equal(second.ca, first.ca);
  assert.ok(source.describe().notAfter > NOW + 48 * DAY);
  assert.match(JSON.stringify(lines), /has been renewed/);
  await source.stop();
});

test('the authority can be written to a file, whole or not at all', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'warden-certs-'));
  t.after(() => rm(directory, { recursive: true }));
  const writeCa = join(directory, 'ca.pem');
  const source = selfSignedCertificates({ names: ['localhost'], log: silent, writeCa });
  await source.start();
  assert.equal(await readFile(writeCa, 'utf8'), source.current().ca);
  assert.deepEqual(await readdir(directory), ['ca.pem']);
  await source.stop();
  const nowhere = join(directory, 'none', 'ca.pem');
  await assert.rejects(
    selfSignedCertificates({ names: ['localhost'], log: silent, writeCa: nowhere }).start(),
    /^Error: the authority's certificate cannot be written to .*ca\.pem: ENOENT/,
  );
});

for (const [names, sentence] of [
  [[], /needs a name; give for example localhost,127\.0\.0\.1/],
  [['local host'], /^Error: "local host" is neither a DNS name nor an address/],
  [['localhost', ''], /"" is neither/],
  [['127.0.0.1:443'], /"127\.0\.0\.1:443" is neither/],
  [['a'.repeat(254)], /is neither/],
] as const) {
  test(`the names ${JSON.stringify(names).slice(0, 40)} are refused`, async () => {
    await assert.rejects(selfSignedCertificates({ names, log: silent }).start(), sentence);
  });
}

test('before the start there is nothing to serve', () => {
  assert.throws(
    () => selfSignedCertificates({ names: ['localhost'], log: silent }).current(),
    /no certificate/,
  );
});
