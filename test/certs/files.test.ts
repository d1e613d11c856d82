import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { fileCertificates } from '../../certs/files.ts';
import { createAuthority, type Issued } from '../../certs/issue.ts';
import { eventually } from '../cluster/eventually.ts';
import { admissionReview, policy, recordedLog, silent, startTestWebhook } from '../webhook/kit.ts';

const DAY = 86_400_000;
let ca: string;
let one: Issued;
let other: Issued;

before(async () => {
  const authority = await createAuthority(Date.now(), 10 * DAY);
  ca = authority.certificate;
  [one, other] = await Promise.all([
    authority.issue(['localhost', '127.0.0.1'], Date.now(), DAY),
    authority.issue(['localhost', '127.0.0.1'], Date.now(), 2 * DAY),
  ]);
});

async function write(directory: string, { certificate, key }: Pick<Issued, 'certificate' | 'key'>) {
  await writeFile(join(directory, 'tls.key'), key);
  await writeFile(join(directory, 'tls.crt'), certificate);
  await writeFile(join(directory, 'ca.crt'), ca);
}

async function scratch(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'warden-certs-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

test('a written pair is taken by the watch, and one that does not match is not', async (t) => {
  const directory = await scratch(t);
  await write(directory, one);
  const { log, lines } = recordedLog();
  const source = fileCertificates({ directory, log, compareEvery: 600_000 });
  await source.start();
  t.after(() => source.stop());
  assert.equal(source.current().key, one.key);
  assert.deepEqual(source.describe().names, ['localhost', '127.0.0.1']);
  let changes = 0;
  source.onChange(() => {
    changes += 1;
  });

  await writeFile(join(directory, 'tls.key'), other.key);
  await eventually(async () => assert.match(source.describe().problem ?? '', /tls\.key does not belong to/));
  assert.equal(source.current().key, one.key);
  assert.equal(changes, 0);

  await writeFile(join(directory, 'tls.crt'), other.certificate);
  await eventually(async () => assert.equal(source.current().key, other.key));
  assert.equal(changes, 1);
  assert.equal(source.describe().problem, null);
  assert.equal(source.describe().notAfter, Math.floor(other.notAfter / 1000) * 1000);
  assert.doesNotMatch(JSON.stringify(lines), /PRIVATE KEY/);
});

test('a mounted Secret, swapped by its link, is taken', async (t) => {
  const directory = await scratch(t);
  const version = async (name: string, issued: Issued) => {
    await mkdir(join(directory, name));
    await write(join(directory, name), issued);
    await symlink(name, join(directory, '..data_tmp'));
    await rename(join(directory, '..data_tmp'), join(directory, '..data'));
  };
  await version('..2026_1', one);
  for (const file of ['tls.crt', 'tls.key', 'ca.crt']) {
    await symlink(join('..data', file), join(directory, file));
  }
  const source = fileCertificates({ directory, log: silent, compareEvery: 200 });
  await source.start();
  t.after(() => source.stop());
  await version('..2026_2', other);
  await rm(join(directory, '..2026_1'), { recursive: true });
  await eventually(async () => assert.equal(source.current().key, other.key));
});

test('a directory that goes and comes again is taken up by the comparison', async (t) => {
  const directory = join(await scratch(t), 'tls');
  await mkdir(directory);
  await write(directory, one);
  const { log, lines } = recordedLog();
  const source = fileCertificates({ directory, log, compareEvery: 50 });
  await source.start();
  t.after(() => source.stop());
  await rm(directory, { recursive: true });
  await eventually(async () =>
    assert.match(source.describe().problem ?? '', /cannot be read \(ENOENT\); put/),
  );
  assert.equal(source.current().key, one.key);
  await sleep(100);
  lines.length = 0;
  await sleep(200);
  assert.deepEqual(lines, [], 'one problem is told once');
  await mkdir(directory);
  await write(directory, other);
  await eventually(async () => assert.equal(source.current().key, other.key));
  assert.equal(source.describe().problem, null);
});

const UNUSABLE: readonly [name: string, make: (directory: string) => Promise<unknown>, sentence: RegExp][] = [
  [
    'no directory',
    (directory) => rm(directory, { recursive: true }),
    /cannot be read \(ENOENT\); put it there/,
  ],
  ['an empty one', async () => {}, /cannot be read \(ENOENT\)/],
  [
    'a directory for a key',
    async (directory) => {
      await write(directory, one);
      await rm(join(directory, 'tls.key'));
      await mkdir(join(directory, 'tls.key'));
    },
    /tls\.key is not a file; write a PEM file/,
  ],
  [
    'a huge file',
    async (directory) => {
      await write(directory, one);
      await writeFile(join(directory, 'ca.crt'), Buffer.alloc(1024 * 1024 + 1));
    },
    /ca\.crt has 1048577 bytes; write/,
  ],
  [
    'the key of another',
    (directory) => write(directory, { certificate: one.certificate, key: other.key }),
    /tls\.key does not belong to/,
  ],
];
for (const [name, make, sentence] of UNUSABLE) {
  test(`with ${name} the start is refused with one sentence`, async (t) => {
    const directory = await scratch(t);
    await make(directory);
    const source = fileCertificates({ directory, log: silent });
    await assert.rejects(source.start(), { message: sentence });
    await source.stop();
  });
}

test('an expired certificate is reported, and what was served goes on', async (t) => {
  const directory = await scratch(t);
  await write(directory, one);
  let now = Date.now();
  const source = fileCertificates({ directory, log: silent, compareEvery: 20, now: () => now });
  await source.start();
  t.after(() => source.stop());
  now += 3 * DAY;
  await eventually(async () => assert.match(source.describe().problem ?? '', /expired at .*; put a renewed/));
  assert.equal(source.current().key, one.key);
});

test('a server takes the new certificate without losing the connections there are', async (t) => {
  const directory = await scratch(t);
  await write(directory, one);
  const certificates = fileCertificates({ directory, log: silent, compareEvery: 50 });
  await using hook = await startTestWebhook({ certificates });
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca });
  t.after(() => agent.destroy());
  const review = admissionReview(policy({ namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 1 }] }));
  assert.equal((await hook.send('/validate', review, { agent })).status, 200);
  const [before] = Object.values(agent.freeSockets).flat();
  const shown = async () => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const options = { host: '127.0.0.1', port: hook.webhook.port, ca, servername: 'localhost' };
    const socket = connect(options, () => {
      resolve(`${socket.getProtocol()} ${socket.getPeerX509Certificate()?.toString()}`);
      socket.destroy();
    });
    socket.on('error', reject);
    return promise;
  };
  const first = await shown();
  await write(directory, other);
  await eventually(async () => assert.notEqual(await shown(), first));
  assert.match(await shown(), /^TLSv1\.3 /);
  assert.equal((await hook.send('/validate', review, { agent })).status, 200);
  assert.equal(Object.values(agent.freeSockets).flat()[0], before);
});
