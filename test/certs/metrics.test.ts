import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { watchCertificate } from '../../certs/metrics.ts';
import { selfSignedCertificates } from '../../certs/self-signed.ts';
import { createLog } from '../../observe/log.ts';

test('the life of what is served, and of the last of its authorities', async (t) => {
  const log = createLog({ level: 'silent' });
  const [one, other] = ['a', 'b'].map((name) => selfSignedCertificates({ names: [name], log }));
  assert.ok(one && other);
  t.after(() => Promise.all([one.stop(), other.stop()]));
  await Promise.all([one.start(), other.start()]);
  const authorities = [one, other].map((each) => each.current().ca);
  let ca = authorities[0] ?? '';
  const registry = new Registry();
  watchCertificate(registry, { describe: () => one.describe(), current: () => ({ ...one.current(), ca }) });
  const gaugeOf = async (name: string) => {
    const metric = await registry.getSingleMetric(`checkpoint_warden_certificate_${name}`)?.get();
    return metric?.values[0]?.value;
  };
  const lastOf = (each: string) => Date.parse(new X509Certificate(each).validTo) / 1_000;
  assert.equal(await gaugeOf('expiry_timestamp_seconds'), one.describe().notAfter / 1_000);
  assert.equal(await gaugeOf('authority_expiry_timestamp_seconds'), lastOf(ca));
  assert.equal(await gaugeOf('problem'), 0);
  ca = authorities.join('');
  assert.equal(await gaugeOf('authority_expiry_timestamp_seconds'), Math.max(...authorities.map(lastOf)));
  ca = 'rubbish';
  assert.equal(await gaugeOf('authority_expiry_timestamp_seconds'), 0);
});
