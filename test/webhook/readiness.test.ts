import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateSource } from '../../certs/source.ts';
import { sharedCertificates, startTestWebhook } from './kit.ts';

/** The shared certificate, with something wrong or long ago. */
async function certificatesWith(change: Partial<ReturnType<CertificateSource['describe']>>) {
  const shared = await sharedCertificates();
  return { ...shared, describe: () => ({ ...shared.describe(), ...change }) };
}

test('a problem with a certificate that is still good is said, and does not take the webhook away', async () => {
  const problem = 'Secret webhook-certificate cannot be read: GET … was answered 403';
  const certificates = await certificatesWith({ problem });
  await using hook = await startTestWebhook({ certificates });
  const { status, body } = await hook.send('/readyz', '', { method: 'GET' });
  assert.deepEqual([status, body], [200, `ok\ncertificate: ${problem}\n`]);
});

test('a certificate that has expired does', async () => {
  const certificates = await certificatesWith({ notAfter: 0, problem: 'the API server is away' });
  await using hook = await startTestWebhook({ certificates });
  const { status, body } = await hook.send('/readyz', '', { method: 'GET' });
  assert.deepEqual([status, body], [503, 'the certificate expired at 1970-01-01T00:00:00Z\n']);
});
