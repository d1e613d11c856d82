import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Authority, createAuthority } from '../cluster/authority.ts';
import { type ReplicaCluster, startReplicaCluster } from './replicas/cluster.ts';
import { type Load, noneFailed, shown } from './replicas/load.ts';
import type { Pod } from './replicas/pod.ts';
import { HOST, servedAt, untilServed } from './replicas/served.ts';

const SECRETS = '/api/v1/namespaces/checkpoint-warden/secrets';
/** Longer than a watch may be lost before a collector would call its view old. */
const AWAY_MS = 12_000;

/** Until a killed pod is found out and its endpoint is gone: some three seconds, and more on a busy machine. */
const FORGOTTEN_MS = 10_000;

let authority: Authority;
let cluster: ReplicaCluster;
let load: Load;

before(async () => {
  authority = await createAuthority('webhook');
  cluster = await startReplicaCluster({
    overlay: 'overlays/cert-manager',
    standIn: {
      ca: authority.certificate,
      secrets: [
        secret('webhook-certificate', HOST),
        secret('door-certificate', 'checkpoint-warden-door.checkpoint-warden.svc'),
      ],
    },
  });
  load = await cluster.load();
});
after(async () => {
  await load?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

/** Of the kind that cert-manager writes, with a certificate that is new each time. */
function secret(name: string, host: string) {
  const { certificate, key } = authority.issue({ name: host, hosts: [host] });
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'checkpoint-warden' },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': certificate, 'tls.key': key, 'ca.crt': authority.certificate },
  };
}

test('both replicas are replaced, twice, and nobody notices', async (t) => {
  for (let round = 0; round < 2; round += 1) {
    const ending: ReturnType<Pod['delete']>[] = [];
    for (const old of [...cluster.pods]) {
      await cluster.addPod();
      ending.push(cluster.deletePod(old));
    }
    for (const { code, took } of await Promise.all(ending)) {
      assert.equal(code, 0);
      assert.ok(took < cluster.template.grace, `${took} ms`);
    }
  }
  noneFailed(t, load, 500);
});

test('a replica that is told to end is unready at once, goes on answering, and ends with 0', async (t) => {
  const [old] = cluster.pods;
  assert.ok(old);
  const ended = cluster.deletePod(old);
  await sleep(100);
  const asked = await old.ask(cluster.template.readiness);
  assert.deepEqual(asked, { status: 503, text: 'the webhook is stopping\n' });
  assert.equal((await ended).code, 0);
  await cluster.addPod();
  noneFailed(t, load, 100);
});

test('a renewed certificate is taken up without a lost connection', async (t) => {
  for (let round = 0; round < 3; round += 1) {
    const renewed = secret('webhook-certificate', HOST);
    await replaceSecret(renewed);
    await Promise.all(
      cluster.pods.map((pod) => untilServed(pod, renewed.stringData['tls.crt'], authority.certificate)),
    );
    await load.more(30, 30);
  }
  noneFailed(t, load, 90);
});

test('a Secret that is deleted costs nothing, and its successor is taken up', async (t) => {
  const served = await Promise.all(cluster.pods.map((pod) => servedAt(pod.url, authority.certificate)));
  await cluster.client.request({ method: 'DELETE', path: `${SECRETS}/webhook-certificate` });
  await load.more(100, 100);
  assert.deepEqual(
    await Promise.all(cluster.pods.map((pod) => servedAt(pod.url, authority.certificate))),
    served,
  );
  const renewed = secret('webhook-certificate', HOST);
  await cluster.client.request({ method: 'POST', path: SECRETS, body: renewed });
  await Promise.all(
    cluster.pods.map((pod) => untilServed(pod, renewed.stringData['tls.crt'], authority.certificate)),
  );
  noneFailed(t, load, 100);
});

test('of a replica that is killed nothing is missed but what it was at, and dials to it', async (t) => {
  // Both, one after the other: the API server's connections may all lead to one of them.
  for (const pod of cluster.pods) {
    const at = Date.now();
    const { restarts } = pod;
    await pod.kill();
    await pod.untilReady(restarts + 1);
    await load.more(50, 50);
    const tally = load.take();
    t.diagnostic(shown(tally));
    const lost = tally.failures.filter(({ message }) => /connection reset|EOF|broken pipe/.test(message));
    const refused = tally.failures.filter(({ message }) => message.includes('connection refused'));
    t.diagnostic(`refused until ${Math.max(0, ...refused.map((each) => each.at - at))} ms after`);
    assert.deepEqual(without(tally.failures, [...lost, ...refused]), []);
    const underWay = lost.filter(({ repeats }) => repeats === 0);
    assert.ok(underWay.length <= 5, 'each writer and connector has one request under way');
    for (const each of tally.failures) assert.ok(each.at - at < FORGOTTEN_MS, JSON.stringify(each));
  }
});

test('a replica that does nothing for two seconds is waited for', async (t) => {
  for (const pod of cluster.pods) {
    await pod.freeze(2_000);
    await load.more(30, 30);
    assert.ok(pod.ready);
  }
  noneFailed(t, load, 60);
});

test('an API server that was away finds them ready, with all they knew', async (t) => {
  await load.pause();
  const stillReady = async () => {
    for (const pod of cluster.pods) {
      assert.deepEqual(await pod.ask(cluster.template.readiness), { status: 200, text: 'ok\n' });
    }
  };
  const restarted = cluster.plane.restartApiServer(AWAY_MS);
  await sleep(AWAY_MS);
  await stillReady();
  await restarted;
  load.resume();
  await load.more(200, 200);
  await stillReady();
  noneFailed(t, load, 200);
});

function without<T>(all: readonly T[], some: readonly T[]): T[] {
  return all.filter((each) => !some.includes(each));
}

async function replaceSecret(body: ReturnType<typeof secret>): Promise<void> {
  const path = `${SECRETS}/${body.metadata.name}`;
  await cluster.client.request({ method: 'PUT', path, body });
}
