import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../cluster/eventually.ts';
import { type Cluster, startCluster } from '../../cluster/nodes/cluster.ts';
import { container } from '../../cluster/nodes/pods.ts';
import { type DoorAnswer, type NodeCollector, startCollector } from './collector.ts';
import { archiveIn, archivesOf, countStatuses, readArchives, watchMost } from './directory.ts';
import { applyPolicy, callerWithRight, type Installed, install, kubectl } from './install.ts';
import { filled, LARGE } from './large.ts';

const NAMESPACES = [
  { namespace: 'left', maxCheckpoints: 1, whenFull: 'RejectNew' },
  { namespace: 'hung', maxCheckpoints: 1, whenFull: 'RejectNew' },
  { namespace: 'replaced', maxCheckpoints: 6, whenFull: 'RejectNew' },
];

let cluster: Cluster;
let installed: Installed;
let token: string;

before(async () => {
  cluster = await startCluster();
  installed = await install(cluster);
  await applyPolicy(cluster, 'quotas', { namespacePolicies: NAMESPACES });
  token = await callerWithRight(cluster, 'caller');
});
after(() => cluster?.stop());

suite('each on a node of its own', { concurrency: 2 }, () => {
  suite('a caller, a pod, a disk', { concurrency: 1 }, () => {
    let gc: NodeCollector;
    let directory: string;
    before(async () => {
      const node = cluster.node('node1');
      directory = node.checkpointDirectory;
      gc = await startCollector(installed, { node });
    });

    test('a caller who leaves: his archive comes, and is counted', async () => {
      await cluster.runPod({ name: 'cart', namespace: 'left', node: 'node1', script: LARGE });
      await filled(cluster, 'left', 'cart');
      const leaving = new AbortController();
      const asked = gc.ask('/checkpoint/left/cart/main', { token, signal: leaving.signal });
      asked.catch(() => {});
      await gc.untilReserved('left');
      await sleep(50);
      assert.deepEqual(await archivesOf(directory, 'left'), [], 'it takes longer than that');
      leaving.abort();
      await assert.rejects(asked, { name: 'AbortError' });
      const meanwhile = await gc.ask('/checkpoint/left/cart/main', { token });
      assert.equal(meanwhile.status, 507, meanwhile.body);
      await eventually(async () => {
        const [line] = (await gc.audit()).filter(
          ({ resource }) => resource.namespace === 'left' && resource.file,
        );
        assert.deepEqual([line?.metadata.status, line?.metadata.callerLeft], [200, true]);
      }, 20_000);
      const [archive, ...others] = (await readArchives(directory)).filter(({ file }) =>
        file.includes('_left-'),
      );
      assert.deepEqual(others, []);
      assert.equal(archive?.identity?.namespace, 'left');
      assert.equal((await gc.ask('/checkpoint/left/cart/main', { token })).status, 507);
    });

    test('a pod that is deleted during its checkpoint: the archive is whole', async () => {
      await cluster.runPod({ name: 'cart', namespace: 'deleted', node: 'node1', script: LARGE });
      await filled(cluster, 'deleted', 'cart');
      const asked = gc.ask('/checkpoint/deleted/cart/main', { token });
      await gc.untilReserved('deleted');
      await kubectl(cluster, 'delete', 'pod', 'cart', '-n', 'deleted', '--wait=false');
      const file = archiveIn(await asked);
      const archive = (await readArchives(directory)).find((each) => each.file === file);
      assert.equal(archive?.identity?.namespace, 'deleted');
      await kubectl(cluster, 'wait', 'pod/cart', '-n', 'deleted', '--for=delete', '--timeout=30s');
      assert.equal((await gc.ask('/checkpoint/deleted/cart/main', { token })).status, 404);
    });

    test('a runtime that hangs: SIGTERM ends the door in time, and the room stays promised', async (t) => {
      const node = cluster.node('node1');
      const path = '/checkpoint/hung/cart/main';
      await cluster.runPod({ name: 'cart', namespace: 'hung', node: 'node1' });
      const watch = watchMost(directory, 'hung');
      const signal = (name: string) => node.exec(['/bin/sh', '-c', `kill -${name} $(pidof containerd)`]);
      assert.equal((await signal('STOP')).status, 0);
      const asked = gc.ask(path, { token });
      await gc.untilReserved('hung');
      await sleep(50);
      const { code, took } = await gc.stop();
      const lost = await asked;
      t.diagnostic(`ended after ${took} ms: ${lost.status} ${lost.body}`);
      assert.deepEqual([code, lost.status], [0, 504]);
      assert.ok(took < 5_000, `${took} ms`);

      gc = await startCollector(installed, { node });
      const meanwhile = await gc.ask(path, { token });
      assert.equal(meanwhile.status, 507, meanwhile.body);
      assert.match(meanwhile.body, /1 of them under way/);
      await signal('CONT');
      const began = Date.now();
      // Either the archive comes after all, or there is room again when it has not.
      await eventually(async () => {
        const { status, body } = await gc.ask(path, { token });
        assert.equal((await archivesOf(directory, 'hung')).length, 1, `${status} ${body}`);
      }, 60_000);
      t.diagnostic(`one archive after another ${Date.now() - began} ms`);
      const { most, seen } = await watch.stop();
      assert.deepEqual([most, seen.size], [1, 1]);
    });

    test('a disk that fills up: refused when it is known before, told when it is not', async (t) => {
      await gc.stop();
      const node = cluster.node('node1');
      const mount = ['mount', '-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', '/var/lib/kubelet/checkpoints'];
      assert.equal((await node.exec(mount)).status, 0);
      const small = join(node.root, 'var/lib/kubelet/checkpoints');
      // What was lost in an earlier test still holds its room in the ledger of that one.
      const args = ['--state-directory', join(installed.directory, 'disk', 'state')];
      gc = await startCollector(installed, { node, directory: small, args });
      // Half of a limit is expected, and three times that must be free: 12 MiB.
      const limited = { ...container('main', FILE_OF_24_MIB), resources: { limits: { memory: '8Mi' } } };
      const spec = { containers: [limited] };
      await cluster.runPod({ name: 'large', namespace: 'disk', node: 'node1', spec });
      await filled(cluster, 'disk', 'large');
      await cluster.runPod({ name: 'unknown', namespace: 'disk', node: 'node1' });

      const guessed = await gc.ask('/checkpoint/disk/unknown/main', { token });
      assert.equal(guessed.status, 507, guessed.body);
      assert.match(guessed.body, /does not fit on the disk: 16Mi are free, 300Mi are needed/);

      const failed = await gc.ask('/checkpoint/disk/large/main', { token });
      t.diagnostic(failed.body);
      assert.equal(failed.status, 500, failed.body);
      assert.equal(failed.headers['checkpoint-warden-refusal'], 'failed');
      assert.doesNotMatch(failed.body, /\/var|containerd|no space/);
      const log = await gc.log();
      assert.ok(log.some((line) => /no space left on device/.test(JSON.stringify(line))));

      const full = await gc.ask('/checkpoint/disk/large/main', { token });
      assert.equal(full.status, 507, full.body);
      assert.match(full.body, /does not fit on the disk: 0B are free/);

      const [part] = await archivesOf(small, 'disk');
      await rm(join(small, part ?? ''));
      // The promise of the one that failed is taken back a while after, for something may still have come.
      await eventually(async () => {
        const { status, body } = await gc.ask('/checkpoint/disk/large/main', { token });
        assert.equal(status, 500, body);
      }, 30_000);
    });
  });

  suite('door and kubelet', { concurrency: 1 }, () => {
    let gc: NodeCollector;
    let directory: string;
    before(async () => {
      const node = cluster.node('node2');
      directory = node.checkpointDirectory;
      gc = await startCollector(installed, { node });
    });

    /** As callers do: again, while nobody answers. */
    async function askUntilAnswered(path: string): Promise<DoorAnswer> {
      return eventually(() => gc.ask(path, { token }), 30_000);
    }

    test('50 requests over two doors that are killed: exactly the allowed number, and never one more', async (t) => {
      const pods = ['cart', 'till'];
      await Promise.all(pods.map((name) => cluster.runPod({ name, namespace: 'replaced', node: 'node2' })));
      const watch = watchMost(directory, 'replaced');
      const asked = Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          askUntilAnswered(`/checkpoint/replaced/${pods[index % 2]}/main`),
        ),
      );
      for (let killed = 0; killed < 2; killed += 1) {
        const before = (await archivesOf(directory, 'replaced')).length;
        await eventually(async () => {
          const now = (await archivesOf(directory, 'replaced')).length;
          assert.ok(now > before, `${now} archives`);
        });
        // In the middle of the next.
        await sleep(500);
        await gc.kill();
        gc = await startCollector(installed, { node: cluster.node('node2') });
      }
      const answers = await asked;
      t.diagnostic(
        `${JSON.stringify(countStatuses(answers))}, ${(await archivesOf(directory, 'replaced')).length} archives`,
      );
      for (const { status, body } of answers) assert.ok([200, 507].includes(status), `${status} ${body}`);
      // Room that was promised to what a killed door had asked for is free again when nothing has come of it.
      const began = Date.now();
      await eventually(async () => {
        await gc.ask('/checkpoint/replaced/cart/main', { token });
        assert.equal((await archivesOf(directory, 'replaced')).length, 6);
      }, 60_000);
      t.diagnostic(`all of them after another ${Date.now() - began} ms`);
      assert.equal((await gc.ask('/checkpoint/replaced/till/main', { token })).status, 507);
      const { most, seen } = await watch.stop();
      assert.deepEqual([most, seen.size], [6, 6]);
    });

    test('a kubelet that is away, and one that has just started and knows no pod', async (t) => {
      await cluster.runPod({ name: 'steady', node: 'node2' });
      const path = '/checkpoint/default/steady/main';
      const { kubelet } = cluster.node('node2');
      await kubelet.kill();
      const away = await gc.ask(path, { token });
      assert.deepEqual(
        [away.status, away.headers['checkpoint-warden-refusal'], away.headers['retry-after']],
        [503, 'kubeletAway', '5'],
      );
      await kubelet.restart();
      const seen = new Map<string, number>();
      const end = Date.now() + 120_000;
      for (let status = 0; status !== 200; ) {
        const answer = await gc.ask(path, { token });
        status = answer.status;
        const told = `${status} ${answer.headers['checkpoint-warden-refusal'] ?? ''}`;
        seen.set(told, (seen.get(told) ?? 0) + 1);
        assert.ok(status === 200 || status === 503, `${told} ${answer.body}`);
        assert.ok(Date.now() < end, 'the kubelet does not come back');
        await sleep(50);
      }
      t.diagnostic(JSON.stringify(Object.fromEntries(seen)));
    });
  });
});

const FILE_OF_24_MIB = [
  'dd if=/dev/urandom of=/large bs=1M count=24',
  'touch /filled',
  'while :; do sleep 1; done',
].join('; ');
