import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { authorizer } from '../../../gc/door/authorize.ts';
import { createClient } from '../../../kube/client.ts';
import { checkpointReviewer } from '../../../kube/reviews.ts';
import { eventually } from '../../cluster/eventually.ts';
import { freePort } from '../../cluster/port.ts';
import { MIB, put, tars, writeSparse } from '../faults/archives.ts';
import { deleted, times } from '../faults/collecting.ts';
import { makeMounts } from '../faults/mounts.ts';
import { COLLECTOR_RBAC, type Site, startSite } from '../faults/site.ts';
import type { GcProcess } from '../gc-process.ts';
import { resource } from '../policies/row.ts';
import { fill, HOUR_S, holding, left, SOON } from './kit.ts';

let site: Site;
const running: GcProcess[] = [];

before(async () => {
  site = await startSite(['team', 'team-prod', 'shop']);
});

after(async () => {
  await site?.[Symbol.asyncDispose]();
});

afterEach(async () => {
  for (const gc of running.splice(0)) await gc.kill();
  site.way.restore();
  await site.cluster.clear();
});

function start(directory: string, ...more: readonly string[]): GcProcess {
  const gc = site.collect(directory, more);
  running.push(gc);
  return gc;
}

/** The numbers are those of the list of its faults that this project was begun with; each has a name of its own. */
describe('faults of the public operator that this one does not have', () => {
  it('1. an API error counts as "the pod is gone": with retainOrphan: false all archives of living pods are deleted', async () => {
    const directory = site.newDirectory();
    const names: string[] = [];
    for (const [pod, count] of [
      ['cart', 8],
      ['till', 7],
      ['desk', 7],
    ] as const)
      names.push(...fill(directory, count, { pod, podUid: await site.pod('shop', pod) }));
    const gone = fill(directory, 1, { pod: 'gone', podUid: 'no-pod-had-it' });
    await site.govern(directory, 'orphanGracePeriod: 1s\nglobalPolicy: {retainOrphan: false}');
    site.way.cut();
    const gc = start(directory);
    await sleep(4_000);
    assert.equal(tars(directory).length, 23, 'it starts without the API server');
    site.way.restore();
    await left(directory, names);
    for (const outage of ['cut', 'stall'] as const) {
      site.way[outage]();
      await sleep(4_000);
      assert.deepEqual(tars(directory), names.toSorted(), outage);
    }
    site.way.restore();
    // It answers, and with an error: the collector may not look at pods any more.
    await site.cluster.kubectl('delete', '-f', COLLECTOR_RBAC);
    await eventually(async () => assert.ok(gc.said(/could not be looked up .*403/)), SOON);
    await sleep(3_000);
    assert.deepEqual(tars(directory), names.toSorted());
    await site.cluster.kubectl('apply', '-f', COLLECTOR_RBAC);
    assert.equal(gone.length, 1, 'the one whose pod is really gone went as soon as somebody could prove it');
  });

  it('2. globs as identity: a policy for the namespace team counts and deletes what is of team-prod', async () => {
    const directory = site.newDirectory();
    const ours = fill(directory, 5, { namespace: 'team' });
    const theirs = fill(directory, 5, { namespace: 'team-prod' });
    // Two tenants, one file name but for the time: checkpoint-prod-x_team-… and checkpoint-x_prod-team-….
    const twin = fill(directory, 3, { namespace: 'team-prod', pod: 'team_main' });
    await site.govern(directory, 'namespacePolicies: [{namespace: team, maxCheckpoints: 2}]');
    const gc = start(directory);
    await left(directory, [...ours.slice(-2), ...theirs, ...twin]);
    await eventually(async () => assert.equal(deleted(gc).length, 3), SOON);
    const [line] = gc.lines.filter(({ message }) => message === 'deleted');
    assert.match(String(line?.reason), /namespace team has 5 archives, 2 allowed/, 'nor are they counted');
  });

  it('3. built-in limits delete before there is a policy, and without one', async () => {
    const directory = site.newDirectory();
    const names = fill(directory, 60);
    const gc = start(directory);
    await eventually(
      async () => assert.equal(times(gc, /no policy acts on .* so nothing is deleted/), 1),
      SOON,
    );
    names.push(...fill(directory, 60, { pod: 'till' }));
    await sleep(4_000);
    assert.deepEqual(tars(directory), names.toSorted());
    // One that does not speak of a count sets none.
    await site.govern(directory, 'namespacePolicies: [{namespace: shop, maxTotalSize: 1Gi}]');
    await sleep(3_000);
    assert.deepEqual(tars(directory), names.toSorted());
  });

  it("4. one process for the cluster: it sees one node's directory only", async () => {
    const nodes = [await makeMounts(), await makeMounts()];
    const path = site.newDirectory();
    try {
      const collectors = nodes.map(async (mounts, index) => {
        await mounts.run('mount', '-t', 'tmpfs', 'tmpfs', path);
        await mounts.run('mount', '-t', 'tmpfs', 'tmpfs', '/run');
        const names = fill(mounts.outside(path), 4 + index);
        const gc = site.collect(path, ['--node', `worker-${index}`], mounts.enter);
        running.push(gc);
        await holding(gc, names.length);
        return { directory: mounts.outside(path), names };
      });
      const places = await Promise.all(collectors);
      await site.govern(path, 'namespacePolicies: [{namespace: shop, maxCheckpoints: 2}]');
      for (const { directory, names } of places) await left(directory, names.slice(-2));
    } finally {
      for (const gc of running.splice(0)) await gc.kill();
      for (const mounts of nodes) await mounts.end();
    }
  });

  it('5. truncated and corrupt archives are never counted, never deleted, never reported', async () => {
    const directory = site.newDirectory();
    const [whole = '', cut = '', spoilt = ''] = fill(directory, 3);
    truncateSync(join(directory, cut), 4_096);
    writeFileSync(join(directory, spoilt), 'not a tar archive at all');
    const port = await freePort();
    await site.govern(directory, 'namespacePolicies: [{namespace: shop, maxCheckpoints: 1}]');
    const gc = start(directory, '--metrics', `127.0.0.1:${port}`);
    // What was just written may still be growing.
    await eventually(async () => assert.equal(times(gc, /cannot be attributed to a container: /), 2), SOON);
    await eventually(async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      assert.match(metrics, /^checkpoint_warden_archives\{state="unidentified"\} 2$/m);
    }, SOON);
    assert.deepEqual(tars(directory), [whole, cut, spoilt].sort(), 'no rule of a namespace deletes them');
    await gc.kill();
    // An explicit rule does, when they have rested for ten minutes.
    for (const name of [cut, spoilt]) rmSync(join(directory, name));
    for (const name of [cut, spoilt])
      put(directory, { namespace: 'x', pod: name.slice(-12, -4), memory: 1 }, 2 * HOUR_S, (path, content) =>
        writeFileSync(path, content.subarray(0, 2_000)),
      );
    await site.govern(
      directory,
      'unidentified: {timeThreshold: 1h}\nnamespacePolicies: [{namespace: shop, maxCheckpoints: 1}]',
    );
    start(directory);
    await left(directory, [whole]);
  });

  it('6. the sizes go stale between count and total, and a file that vanishes meanwhile ends it in a panic', async () => {
    const directory = site.newDirectory();
    // Ten of 1 MiB, then ten of 64 KiB: 12 are kept by count, and of those as many as fit into 2 MiB.
    const large = fill(directory, 10, { pod: 'large', memory: MIB }).map((name) => name);
    const small = Array.from({ length: 10 }, (_, number) =>
      put(directory, { namespace: 'shop', pod: 'small', memory: 65_536 }, 600 - number),
    );
    await site.govern(
      directory,
      'namespacePolicies: [{namespace: shop, maxCheckpoints: 12, maxTotalSize: 2Mi}]',
    );
    const gc = start(directory);
    await left(directory, [...large.slice(-1), ...small]);
    // Others delete while it evaluates, again and again.
    for (let round = 0; round < 5; round += 1) {
      const more = fill(directory, 60, { pod: `round-${round}` });
      await Promise.all(
        more.map(async (name, index) => {
          await sleep(index * 5);
          rmSync(join(directory, name), { force: true });
        }),
      );
    }
    await left(
      directory,
      tars(directory).filter((name) => !name.includes('round-')),
    );
    const ended = await gc.stop();
    assert.deepEqual({ ...ended, took: 0 }, { code: 0, signal: null, took: 0 });
    assert.equal(gc.lines.filter(({ level }) => level === 'error').length, 0);
  });

  it('7. a burst of 200 with a limit of 100 a namespace leaves 100, 0, 136, 0 and 187 instead of 100 each time', async () => {
    const directory = site.newDirectory();
    await site.govern(
      directory,
      'globalPolicy: {maxCheckpointsPerNamespace: 100}\ncircuitBreaker: {maxShare: "100%"}',
    );
    const gc = start(directory);
    await holding(gc, 0);
    for (let round = 0; round < 5; round += 1) {
      rmSync(directory, { recursive: true });
      mkdirSync(directory);
      const bursts = new Map<string, string[]>();
      for (const namespace of ['shop', 'team']) {
        const made = { namespace, pod: 'cart', memory: 512 };
        bursts.set(
          namespace,
          Array.from({ length: 200 }, (_, number) => put(directory, made, 200 - number)),
        );
      }
      const youngest = [...bursts.values()].flatMap((names) => names.slice(-100));
      await left(directory, youngest);
      await sleep(1_000);
      assert.deepEqual(tars(directory), youngest.toSorted(), `round ${round}`);
    }
  });

  it('7. a deletion that failed counts as one: its bytes count as freed', async () => {
    const mounts = await makeMounts();
    try {
      const disk = await mounts.ext4(16);
      const names = fill(disk.outside, 6, { memory: MIB });
      await mounts.run('chattr', '+i', join(disk.path, names[0] ?? ''));
      await site.govern(disk.path, 'namespacePolicies: [{namespace: shop, maxTotalSize: 3Mi}]');
      const port = await freePort();
      const gc = site.collect(disk.path, ['--metrics', `127.0.0.1:${port}`], mounts.enter);
      running.push(gc);
      await left(disk.outside, [names[0] ?? '', ...names.slice(-2)]);
      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      assert.match(metrics, /^checkpoint_warden_deletions_total\{rule="total"\} 3$/m);
      assert.match(metrics, /^checkpoint_warden_archives\{state="identified"\} 3$/m);
      await gc.kill();
    } finally {
      await mounts.end();
    }
  });

  it('8. init and ephemeral containers are judged orphans, and a pod made anew under its name is the same', async () => {
    const directory = site.newDirectory();
    const uid = await site.pod('shop', 'job', { initContainers: [{ name: 'setup', image: 'none' }] });
    const ephemeral = JSON.stringify({
      spec: { ephemeralContainers: [{ name: 'debugger', image: 'none' }] },
    });
    const patch = ['patch', 'pod', 'job', '-n', 'shop', '--subresource=ephemeralcontainers', '-p', ephemeral];
    await site.cluster.kubectl(...patch);
    const names = ['setup', 'debugger', 'main'].map((container) =>
      put(directory, { namespace: 'shop', pod: 'job', container, podUid: uid }, HOUR_S),
    );
    await site.govern(directory, 'orphanGracePeriod: 1s\nglobalPolicy: {retainOrphan: false}');
    start(directory);
    await sleep(5_000);
    assert.deepEqual(tars(directory), names.toSorted());
    await site.cluster.kubectl('delete', 'pod', 'job', '-n', 'shop', '--force', '--grace-period=0');
    const anew = await site.pod('shop', 'job');
    const own = put(directory, { namespace: 'shop', pod: 'job', podUid: anew }, 60);
    await left(directory, [own]);
  });

  it('9. no scan at the start, none later: what was there, and what the watch missed, is never seen', async () => {
    const directory = site.newDirectory();
    const names = fill(directory, 5);
    await site.govern(directory, 'namespacePolicies: [{namespace: shop, maxCheckpoints: 2}]');
    const first = start(directory);
    await left(directory, names.slice(-2));
    await first.kill();
    const whileDown = put(directory, { namespace: 'shop', pod: 'cart' }, 1_000);
    // And by one that has no watch at all.
    const script = 'echo 0 > /proc/sys/user/max_inotify_watches && exec "$@"';
    const blind = ['unshare', '--user', '--map-root-user', 'sh', '-c', script, 'sh'];
    const gc = site.collect(directory, ['--rescan', '2s'], blind);
    running.push(gc);
    await left(directory, [...names.slice(-1), whileDown]);
    rmSync(directory, { recursive: true });
    mkdirSync(directory);
    const later = fill(directory, 4);
    await left(directory, later.slice(-2));
  });

  it('10. of two resources the last one reconciled wins, and one that was deleted acts on until a restart', async () => {
    const directory = site.newDirectory();
    const [shop, team] = [fill(directory, 5), fill(directory, 5, { namespace: 'team' })];
    await site.govern(directory, 'namespacePolicies: [{namespace: shop, maxCheckpoints: 3}]', 'ops/one');
    await site.govern(directory, 'namespacePolicies: [{namespace: team, maxCheckpoints: 2}]', 'ops/two');
    const gc = start(directory);
    await left(directory, [...shop.slice(-3), ...team.slice(-2)]);
    // What would make one win over the other is refused, and the other is named.
    await site.cluster.known(['ops/one', 'ops/two']);
    const rival = resource(
      `checkpointDirectory: ${directory}\nnamespacePolicies: [{namespace: shop, maxCheckpoints: 1}]`,
      'ops/three',
    );
    const { accepted, stderr } = await site.cluster.apply(rival);
    assert.equal(accepted, false);
    assert.match(stderr, /ops\/one/);
    await site.cluster.plane.kubectl(['delete', 'cro', 'one', '-n', 'ops']);
    await eventually(async () => assert.ok(gc.lines.length > 0 && tars(directory).length === 5), SOON);
    await sleep(1_000);
    const more = fill(directory, 5, { pod: 'till' });
    const others = fill(directory, 1, { namespace: 'team', pod: 'till' });
    await eventually(async () => assert.equal(deleted(gc).length, 6), SOON);
    await sleep(2_000);
    assert.deepEqual(
      tars(directory).filter((name) => name.includes('_shop-')),
      [...shop.slice(-3), ...more].sort(),
    );
    assert.equal(tars(directory).filter((name) => name.includes('_team-')).length, 2);
    assert.equal(others.length, 1);
  });

  for (const [what, spec, says] of [
    ['a negative count', 'namespacePolicies: [{namespace: shop, maxCheckpoints: -1}]', 'maxCheckpoints'],
    ['100m of bytes', 'globalPolicy: {maxCheckpointSize: 100m}', 'spec.globalPolicy.maxCheckpointSize'],
    ['ten bytes, as in its sample', 'globalPolicy: {maxCheckpointSize: 10}', 'did you mean 10Mi'],
    ['an empty selector', 'podPolicies: [{namespace: shop, pod: "", maxCheckpoints: 1}]', 'spec.podPolicies'],
    [
      'one target twice',
      'namespacePolicies: [{namespace: shop, maxCheckpoints: 1}, {namespace: shop, maxCheckpoints: 9}]',
      'shop',
    ],
    [
      'one archive larger than all',
      'globalPolicy: {maxCheckpointSize: 2Gi, maxTotalSizePerPod: 1Gi}',
      'maxTotalSizePerPod',
    ],
    [
      'a relative directory',
      'checkpointDirectory: checkpoints\nglobalPolicy: {maxCheckpointsPerPod: 1}',
      'spec.checkpointDirectory',
    ],
  ] as const) {
    it(`11. nothing is validated beyond types: ${what}`, async () => {
      const { accepted, stderr } = await site.cluster.apply(resource(spec, 'ops/wrong'));
      assert.equal(accepted, false);
      assert.ok(stderr.includes(says), stderr);
    });
  }

  it('12. every event reads every byte of every archive', async () => {
    const directory = site.newDirectory();
    for (let number = 0; number < 300; number += 1)
      put(directory, { namespace: 'shop', pod: 'cart', memory: MIB }, HOUR_S + number, writeSparse);
    await site.govern(
      directory,
      'globalPolicy: {maxCheckpointsPerPod: 1000, maxTotalSizePerNamespace: 900Gi}',
    );
    const gc = start(directory);
    await holding(gc, 300);
    await sleep(2_000);
    // All that the process has read, from files, sockets and pipes.
    const bytesRead = () => Number(/^rchar: (\d+)/m.exec(readFileSync(`/proc/${gc.pid}/io`, 'utf8'))?.[1]);
    const before = bytesRead();
    put(directory, { namespace: 'shop', pod: 'till', memory: 64 * MIB }, 60, writeSparse);
    await sleep(3_000);
    const read = bytesRead() - before;
    assert.ok(read > 512, 'it has read the new one');
    assert.ok(read < 65_536, `${read} bytes`);
  });

  it('13. no metrics, no words, no admission, and nothing says who may take a checkpoint or how often', async () => {
    const directory = site.newDirectory();
    fill(directory, 3);
    const port = await freePort();
    await site.govern(
      directory,
      'namespacePolicies: [{namespace: shop, maxCheckpoints: 2, minInterval: 10m, maxConcurrent: 1}]',
    );
    const gc = start(directory, '--metrics', `127.0.0.1:${port}`);
    await eventually(async () => assert.equal(deleted(gc).length, 1), SOON);
    const [line] = gc.lines.filter(({ message }) => message === 'deleted');
    assert.equal(line?.resource, 'ops/quotas');
    assert.equal(
      line?.reason,
      'namespace shop has 3 archives, 2 allowed (maxCheckpoints); the oldest go first',
    );
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    assert.match(metrics, /^checkpoint_warden_deletions_total\{rule="count"\} 1$/m);
    // What the door makes of minInterval and maxConcurrent: test/node/door/limits.test.ts, with a real kubelet.
    const { stderr } = await site.cluster.apply(resource('globalPolicy: {whenFull: Explode}', 'ops/wrong'));
    assert.match(stderr, /denied the request|Unsupported value/);
  });

  it('14. who may create its schedule in one namespace can checkpoint any other', async () => {
    const { plane, kubectl } = site.cluster;
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { namespace: 'team', name: 'checkpointer' },
      rules: [{ apiGroups: ['checkpoint.criu.org'], resources: ['pods/checkpoint'], verbs: ['create'] }],
    };
    await plane.apply(JSON.stringify(role));
    const binding = ['create', 'rolebinding', '-n', 'team', '--user=tina'];
    await kubectl(...binding, 'tina-checkpoints', '--role=checkpointer');
    for (const role of ['edit', 'view'])
      await kubectl(...binding, `tina-${role}`, `--clusterrole=checkpoint-warden-${role}`);
    const client = await createClient({ kubeconfig: plane.kubeconfig });
    try {
      const door = authorizer(checkpointReviewer(client));
      const tina = { username: 'tina' };
      const container = (namespace: string) => ({ namespace, pod: 'cart', container: 'main' });
      await eventually(() => door.authorize(tina, container('team')), SOON);
      await assert.rejects(
        door.authorize(tina, container('team-prod')),
        /tina may not checkpoint team-prod\/cart/,
      );
      await assert.rejects(door.authorize(tina, container('shop')), /tina may not checkpoint shop\/cart/);
    } finally {
      client.close();
    }
    // Nor does a policy reach beyond the namespace that its author may write to.
    const kubeconfig = await plane.asUser('tina');
    const reaching = resource(
      'namespacePolicies: [{namespace: team-prod, maxCheckpoints: 1}]',
      'team/reaching',
    );
    const own = resource('namespacePolicies: [{namespace: team, maxCheckpoints: 1}]', 'team/own');
    await eventually(async () => assert.ok((await site.cluster.apply(own, { kubeconfig })).accepted), SOON);
    const refused = await site.cluster.apply(reaching, { kubeconfig });
    assert.equal(refused.accepted, false);
    assert.match(
      refused.stderr,
      /reaches beyond the namespace of the resource, and tina may not govern there/,
    );
  });
});
