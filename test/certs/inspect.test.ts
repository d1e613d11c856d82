import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import forge from 'node-forge';
import { inspect } from '../../certs/inspect.ts';
import { createAuthority, type Issued } from '../../certs/issue.ts';

const NAMES = { certificate: 'tls.crt', key: 'tls.key', ca: 'ca.crt' };
const NOW = Date.UTC(2026, 10, 21);
const DAY = 86_400_000;
let ca: string;
let one: Issued;
let other: Issued;

before(async () => {
  const authority = await createAuthority(NOW, 10 * DAY);
  ca = authority.certificate;
  [one, other] = await Promise.all([
    authority.issue(['warden.svc', '127.0.0.1', '::1'], NOW, DAY),
    authority.issue(['warden.svc'], NOW, DAY),
  ]);
});

test('a good certificate is told with its names and its time', () => {
  const found = inspect({ ...one, ca }, NAMES, NOW);
  assert.deepEqual(found.names, ['warden.svc', '127.0.0.1', '0:0:0:0:0:0:0:1']);
  assert.deepEqual([found.notBefore, found.notAfter], [NOW - 300_000, NOW + DAY]);
});

const encrypted = '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGjMF8=\n-----END ENCRYPTED PRIVATE KEY-----\n';
const BAD: readonly [
  name: string,
  change: () => Partial<{ certificate: string; key: string; ca: string }>,
  at: number,
  sentence: RegExp,
][] = [
  ['another key', () => ({ key: other.key }), NOW, /^tls\.key does not belong to tls\.crt; write both/],
  ['no certificate', () => ({ certificate: '' }), NOW, /^tls\.crt is not a certificate in PEM; write/],
  ['half a certificate', () => ({ certificate: one.certificate.slice(0, 300) }), NOW, /^tls\.crt is not/],
  ['a certificate for a key', () => ({ key: one.certificate }), NOW, /^tls\.key is not a private key in PEM/],
  ['a key with a passphrase', () => ({ key: encrypted }), NOW, /^tls\.key .* without a passphrase$/],
  ['no authority', () => ({ ca: 'none' }), NOW, /^ca\.crt is not a certificate in PEM/],
  ['one that expired', () => ({}), NOW + DAY + 1, /^tls\.crt expired at 2026-11-22T00:00:00Z; put/],
  [
    'one of tomorrow',
    () => ({}),
    NOW - DAY,
    /^tls\.crt is valid only from 2026-11-20T23:55:00Z; look at .* clock/,
  ],
];

test('a key that is too short for OpenSSL is refused with a sentence', () => {
  const { privateKey, publicKey } = forge.pki.rsa.generateKeyPair({ bits: 512 });
  const short = forge.pki.createCertificate();
  short.publicKey = publicKey;
  short.serialNumber = '01';
  short.validity.notBefore = new Date(NOW - DAY);
  short.validity.notAfter = new Date(NOW + DAY);
  short.sign(privateKey, forge.md.sha256.create());
  const pair = {
    certificate: forge.pki.certificateToPem(short),
    key: forge.pki.privateKeyToPem(privateKey),
    ca,
  };
  assert.throws(() => inspect(pair, NAMES, NOW), {
    name: 'BadCertificate',
    message: /^tls\.crt cannot be served \(.*key too small.*\); issue another$/,
  });
});

for (const [name, change, at, sentence] of BAD) {
  test(`${name} is refused with a sentence`, () => {
    assert.throws(() => inspect({ ...one, ca, ...change() }, NAMES, at), {
      name: 'BadCertificate',
      message: sentence,
    });
  });
}
