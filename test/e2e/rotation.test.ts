import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { certificatesIn } from '../../certs/bundle.ts';
import { eventually } from '../cluster/eventually.ts';
import { type ReplicaCluster, startReplicaCluster } from './replicas/cluster.ts';
import { type Load, noneFailed } from './replicas/load.ts';
import { servedAt } from './replicas/served.ts';

/** A rotation takes the propagation and then a certificate's life and the propagation again. */
const LIVES = ['--authority-life=1h', '--certificate-life=15s', '--authority-propagation=4s'];

let cluster: ReplicaCluster;
let load: Load;

before(async () => {
  cluster = await startReplicaCluster({ overlay: 'overlays/self-signed', args: LIVES });
  load = await cluster.load();
});
after(async () => {
  await load?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

async function kubectl(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await cluster.plane.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** What every registration trusts; they agree. */
async function trusted(): Promise<readonly X509Certificate[]> {
  const path = 'jsonpath={.items[*].webhooks[*].clientConfig.caBundle}';
  const all = await kubectl(
    'get',
    'mutatingwebhookconfigurations,validatingwebhookconfigurations',
    '-o',
    path,
  );
  const bundles = new Set(all.trim().split(' '));
  assert.equal(bundles.size, 1);
  const [bundle = ''] = bundles;
  return certificatesIn(Buffer.from(bundle, 'base64').toString()).all;
}

const textOf = (authorities: readonly X509Certificate[]) =>
  authorities.map((each) => each.toString()).join('\n');
const served = async (ca: string) => Promise.all(cluster.pods.map((pod) => servedAt(pod.url, ca)));

test('replicas that began at one moment serve one certificate of one authority, which every registration trusts', async (t) => {
  const authorities = await trusted();
  assert.equal(authorities.length, 1);
  const [one, other] = await served(textOf(authorities));
  assert.equal(one, other);
  noneFailed(t, load, 0);
});

test('certificates that are renewed all the time cost no request', async (t) => {
  const seen = new Set<string>();
  await eventually(async () => {
    for (const each of await served(textOf(await trusted()))) seen.add(each);
    assert.ok(seen.size >= 3, `${seen.size} certificates`);
  }, 60_000);
  noneFailed(t, load, 100);
});

test('another authority takes the place of the first, and nobody notices', async (t) => {
  const [first] = await trusted();
  assert.ok(first);
  const counts: number[] = [];
  await kubectl(
    ...['annotate', 'secret', 'checkpoint-warden-authority', '-n', 'checkpoint-warden'],
    'checkpoint.criu.org/rotate=now',
  );
  await eventually(async () => {
    const now = await trusted();
    if (counts.at(-1) !== now.length) counts.push(now.length);
    assert.ok(now.length === 1 && now[0]?.fingerprint256 !== first.fingerprint256, 'the first is trusted');
    await sleep(100);
  }, 90_000);
  assert.deepEqual(counts.slice(-2), [2, 1]);
  await served(textOf(await trusted()));
  noneFailed(t, load, 300);
});

test('Secrets that are deleted come back as they were', async (t) => {
  const before = textOf(await trusted());
  const secrets = ['checkpoint-warden-authority', 'webhook-certificate', 'door-certificate'];
  await kubectl('delete', 'secret', '-n', 'checkpoint-warden', ...secrets);
  await eventually(async () => {
    await kubectl('get', 'secret', '-n', 'checkpoint-warden', ...secrets);
  });
  await load.more(50, 50);
  assert.equal(textOf(await trusted()), before);
  await served(before);
  noneFailed(t, load, 50);
});

test('replicas are replaced while certificates are', async (t) => {
  for (const old of [...cluster.pods]) {
    await cluster.addPod();
    assert.equal((await cluster.deletePod(old)).code, 0);
  }
  noneFailed(t, load, 100);
});
