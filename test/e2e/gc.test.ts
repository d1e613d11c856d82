import assert from 'node:assert/strict';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { eventually } from '../cluster/eventually.ts';
import { copyKubeconfigToPort } from '../cluster/kubeconfig.ts';
import { type PassThrough, startPassThrough } from '../cluster/pass-through.ts';
import { archiveName, makeArchive } from '../fixtures/make-archive.ts';
import { type GcProcess, startGc } from './gc-process.ts';

const ARCHIVES = join(import.meta.dirname, '../fixtures/archives');
const CRD = join(import.meta.dirname, '../../manifests/base/crd.yaml');
const RBAC = join(import.meta.dirname, '../../manifests/base/collector-rbac.yaml');
const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-e2e-'));

/** Milliseconds; a collector notices within a second or so, but other tests may run beside. */
const SOON = 20_000;
/** After an outage the waits between two attempts have grown to up to a minute. */
const AFTER_OUTAGE = 120_000;

let plane: ControlPlane;
let way: PassThrough;
let kubeconfig: string;

before(async () => {
  plane = await startControlPlane();
  way = await startPassThrough(plane.port);
  kubeconfig = join(plane.directory, 'collector.kubeconfig');
  // With the rights of the collector's service account, and no others.
  const account = await plane.asUser('system:serviceaccount:checkpoint-warden:collector');
  await copyKubeconfigToPort(account, way.port, kubeconfig);
  await kubectl('create', 'namespace', 'checkpoint-warden');
  await kubectl('apply', '-n', 'checkpoint-warden', '-f', RBAC);
  await plane.apply(readFileSync(CRD, 'utf8'));
  await kubectl('wait', '--for=condition=Established', 'crd/checkpointrestoreoperators.criu.org');
  for (const namespace of ['shop', 'a', 'a-b']) await kubectl('create', 'namespace', namespace);
});

after(async () => {
  await way?.close();
  await plane?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

async function kubectl(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await plane.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

const policy = (namespace: string, name: string, spec: string) => `
apiVersion: criu.org/v1
kind: CheckpointRestoreOperator
metadata: {namespace: ${namespace}, name: ${name}}
spec: ${spec}
`;

/** Bare pods: no node runs them, but they have a name and a UID. */
async function createPod(name: string): Promise<string> {
  await kubectl('run', name, '-n', 'shop', '--image=none');
  return await kubectl('get', 'pod', name, '-n', 'shop', '-o', 'jsonpath={.metadata.uid}');
}

async function deletePod(name: string): Promise<void> {
  await kubectl('delete', 'pod', name, '-n', 'shop', '--force', '--grace-period=0');
}

let directories = 0;
function newDirectory(): string {
  const directory = join(scratch, `node-${++directories}`);
  mkdirSync(directory);
  return directory;
}

function fillWithReal(directory: string): void {
  cpSync(ARCHIVES, directory, { recursive: true });
  for (const name of readdirSync(directory)) age(join(directory, name), 3_600);
}

function age(path: string, seconds: number): void {
  const time = Date.now() / 1_000 - seconds;
  utimesSync(path, time, time);
}

function write(directory: string, pod: string, podUid: string, number = 0): string {
  const made = {
    namespace: 'shop',
    pod,
    podUid,
    runtime: number % 2 ? ('cri-o' as const) : ('containerd' as const),
  };
  const name = archiveName(made, new Date(Date.UTC(2026, 10, 21, 0, 0, number)));
  writeFileSync(join(directory, name), makeArchive(made));
  age(join(directory, name), 600 - number);
  return name;
}

/** Without tombstones, which end on the archive's name. */
const tars = (directory: string) =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.tar') && !name.startsWith('.'))
    .sort();
const ofShop = (directory: string) =>
  tars(directory).filter((name) => /_shop-/.test(name) && !name.includes('notes3'));

function collect(directory: string, ...more: string[]): GcProcess {
  const state = join(scratch, 's');
  return startGc(['--directory', directory, '--kubeconfig', kubeconfig, '--state-directory', state, ...more]);
}

const inCluster = (directory: string) =>
  `, checkpointDirectory: ${directory}, applyPoliciesImmediately: true`;

describe('gc against a real API server', () => {
  it('obeys policies as they are applied, changed and deleted', async () => {
    const directory = newDirectory();
    fillWithReal(directory);
    const all = tars(directory);
    const gc = collect(directory);
    try {
      await eventually(async () => assert.ok(gc.said(/no policy acts on/)), SOON);
      assert.deepEqual(tars(directory), all);
      const shop = (count: number) =>
        policy(
          'shop',
          'quotas',
          `{namespacePolicies: [{namespace: shop, maxCheckpoints: ${count}}]${inCluster(directory)}}`,
        );
      await plane.apply(shop(3));
      await eventually(async () => assert.equal(ofShop(directory).length, 3), SOON);
      await plane.apply(shop(2));
      await eventually(async () => assert.equal(ofShop(directory).length, 2), SOON);
      // What the others keep, and what nobody can read.
      assert.equal(tars(directory).length, all.length - 3);
      await kubectl('delete', 'cro', 'quotas', '-n', 'shop');
      await eventually(
        async () =>
          assert.ok(gc.lines.filter(({ message }) => /no policy acts on/.test(String(message))).length > 1),
        SOON,
      );
      fillWithReal(directory);
      await sleep(3_000);
      assert.deepEqual(tars(directory), all);
      const deleted = gc.lines.filter(({ message }) => message === 'deleted');
      assert.equal(deleted.length, 3);
      for (const line of deleted) {
        assert.equal(line.policy, 'namespace/shop');
        assert.equal(line.rule, 'count');
        assert.equal(line.resource, 'shop/quotas');
      }
      const ended = await gc.stop();
      assert.deepEqual({ ...ended, took: 0 }, { code: 0, signal: null, took: 0 });
      assert.ok(ended.took < 5_000, `${ended.took} ms`);
    } finally {
      await gc.kill();
    }
  });

  it('with applyPoliciesImmediately: false a new policy waits for the next checkpoint', async () => {
    const directory = newDirectory();
    const uid = await createPod('waiting');
    for (let number = 0; number < 3; number += 1) write(directory, 'waiting', uid, number);
    const gc = collect(directory);
    try {
      await eventually(async () => assert.ok(gc.said(/no policy acts on/)), SOON);
      const spec = `{namespacePolicies: [{namespace: shop, maxCheckpoints: 2}], checkpointDirectory: ${directory}}`;
      await plane.apply(policy('shop', 'lazy', spec));
      await eventually(async () => assert.ok(gc.said(/acts from the next checkpoint on/)), SOON);
      assert.equal(tars(directory).length, 3);
      write(directory, 'waiting', uid, 3);
      await eventually(async () => assert.equal(tars(directory).length, 2), SOON);
      await gc.stop();
    } finally {
      await gc.kill();
      await kubectl('delete', 'cro', 'lazy', '-n', 'shop');
    }
  });

  it('deletes orphans, and nothing while the API server cannot be reached', async () => {
    const directory = newDirectory();
    const spec = `{orphanGracePeriod: 2s, namespacePolicies: [{namespace: shop, retainOrphan: false}]${inCluster(directory)}}`;
    await plane.apply(policy('shop', 'orphans', spec));
    const [cart, till, desk] = [await createPod('cart'), await createPod('till'), await createPod('desk')];
    const archives = {
      cart: write(directory, 'cart', cart, 1),
      till: write(directory, 'till', till, 2),
      desk: write(directory, 'desk', desk, 3),
    };
    const gc = collect(directory);
    try {
      await sleep(6_000);
      assert.equal(tars(directory).length, 3, 'their pods are there');
      await deletePod('cart');
      await eventually(async () => assert.ok(!tars(directory).includes(archives.cart)), SOON);
      assert.equal(tars(directory).length, 2);

      way.cut();
      await deletePod('till');
      await sleep(8_000);
      assert.equal(tars(directory).length, 2, 'nobody has proved anything');
      way.stall();
      await sleep(4_000);
      assert.equal(tars(directory).length, 2, 'nobody has proved anything');
      way.restore();
      await eventually(async () => assert.ok(!tars(directory).includes(archives.till)), AFTER_OUTAGE);

      // The pod of a name is another one now.
      await deletePod('desk');
      await createPod('desk');
      await eventually(async () => assert.deepEqual(tars(directory), []), SOON);
      // The line comes after the unlink.
      await eventually(async () => {
        const deleted = gc.lines.filter(({ message }) => message === 'deleted');
        assert.deepEqual(
          deleted.map(({ rule, pod }) => `${rule} ${pod}`),
          ['orphan cart', 'orphan till', 'orphan desk'],
        );
      }, SOON);
      const ended = await gc.stop();
      assert.ok(ended.took < 5_000);
    } finally {
      await gc.kill();
      way.restore();
      await kubectl('delete', 'cro', 'orphans', '-n', 'shop');
    }
  });

  it('deletes nothing when it starts while the API server cannot be reached', async () => {
    const directory = newDirectory();
    const spec = `{orphanGracePeriod: 1s, namespacePolicies: [{namespace: shop, retainOrphan: false, maxCheckpoints: 1}]${inCluster(directory)}}`;
    await plane.apply(policy('shop', 'away', spec));
    for (let number = 0; number < 3; number += 1) write(directory, 'gone', 'uid-of-nobody', number);
    way.cut();
    const gc = collect(directory);
    try {
      await sleep(5_000);
      assert.equal(tars(directory).length, 3);
      way.restore();
      await eventually(async () => assert.deepEqual(tars(directory), []), AFTER_OUTAGE);
    } finally {
      await gc.kill();
      way.restore();
      await kubectl('delete', 'cro', 'away', '-n', 'shop');
    }
  });

  it('deletes nothing while kubectl replace --force removes a protecting policy and makes it anew', async () => {
    const directory = newDirectory();
    const uid = await createPod('kept');
    for (let number = 0; number < 6; number += 1) write(directory, 'kept', uid, number);
    const broad = `{namespacePolicies: [{namespace: shop, maxCheckpoints: 2}]${inCluster(directory)}}`;
    const narrow = `{podPolicies: [{namespace: shop, pod: kept, maxCheckpoints: 100}]${inCluster(directory)}}`;
    const file = join(scratch, 'narrow.yaml');
    writeFileSync(file, policy('shop', 'narrow', narrow));
    await kubectl('apply', '-f', file);
    await plane.apply(policy('shop', 'broad', broad));
    const gc = collect(directory);
    try {
      await eventually(async () => assert.ok(gc.said(/holds 6 archives/)), SOON);
      for (let round = 0; round < 3; round += 1) {
        const before = await kubectl('get', 'cro', 'narrow', '-n', 'shop', '-o', 'jsonpath={.metadata.uid}');
        await kubectl('replace', '--force', '-f', file);
        const now = await kubectl('get', 'cro', 'narrow', '-n', 'shop', '-o', 'jsonpath={.metadata.uid}');
        assert.notEqual(now, before);
        await sleep(1_000);
      }
      const of = (pod: string) => tars(directory).filter((name) => name.includes(`-${pod}_`)).length;
      // The broad policy acts all the while.
      for (const number of [7, 8, 9]) write(directory, 'other', uid, number);
      await eventually(async () => assert.equal(of('other'), 2), SOON);
      assert.equal(of('kept'), 6);
      await gc.stop();
    } finally {
      await gc.kill();
      await kubectl('delete', 'cro', 'narrow', 'broad', '-n', 'shop');
    }
  });

  it('holds a policy that would delete most of it, until it is confirmed', async () => {
    const directory = newDirectory();
    const uid = await createPod('many');
    for (let number = 0; number < 30; number += 1) write(directory, 'many', uid, number);
    const gc = collect(directory);
    try {
      const breaker = 'circuitBreaker: {maxShare: "50%", minArchives: 10}';
      const spec = `{${breaker}, namespacePolicies: [{namespace: shop, maxCheckpoints: 3}]${inCluster(directory)}}`;
      await plane.apply(policy('shop', 'too-much', spec));
      await eventually(async () => assert.ok(gc.said(/waits for confirmation/)), SOON);
      assert.equal(tars(directory).length, 30);
      // The very command that the log gives.
      const { remedy } = gc.lines.find(({ message }) => /waits for confirmation/.test(String(message))) ?? {};
      const [program, ...args] = String(remedy).split(' ');
      assert.equal(program, 'kubectl');
      await kubectl(...args);
      await eventually(async () => assert.equal(tars(directory).length, 3), SOON);
      await gc.stop();
    } finally {
      await gc.kill();
      await kubectl('delete', 'cro', 'too-much', '-n', 'shop');
    }
  });
});

describe('an end at any moment', () => {
  const COUNT = 400;
  const KEPT = 50;
  let directory: string;
  let args: readonly string[];
  const sizes = new Map<string, number>();

  before(() => {
    directory = newDirectory();
    const policies = join(scratch, 'policy.yaml');
    const spec = `{circuitBreaker: {maxShare: "100%"}, namespacePolicies: [{namespace: shop, maxCheckpoints: ${KEPT}}]}`;
    writeFileSync(policies, policy('shop', 'quotas', spec));
    args = ['--directory', directory, '--policies', policies, '--state-directory', join(scratch, 't')];
  });

  /** Starts it on a full directory, and resolves in the midst of its deletions, or at any time. */
  async function started(inTheMidst: boolean): Promise<GcProcess> {
    for (let number = 0; number < COUNT; number += 1) write(directory, 'cart', 'uid', number);
    for (const name of tars(directory)) sizes.set(name, readFileSync(join(directory, name)).length);
    const gc = startGc(args);
    const moment = Math.floor(Math.random() * (COUNT - KEPT - 10));
    const deleted = () => gc.lines.filter(({ message }) => message === 'deleted').length;
    if (inTheMidst) while (deleted() <= moment) await sleep(1);
    else await sleep(100 + Math.random() * 900);
    return gc;
  }

  function assertWhole(round: number): void {
    const left = readdirSync(directory);
    const tombstones = left.filter((name) => name.startsWith('.'));
    assert.deepEqual(tombstones, [], `tombstones, round ${round}`);
    const youngest = [...sizes.keys()].sort().slice(-KEPT);
    for (const name of youngest) assert.ok(left.includes(name), `${name} is gone, round ${round}`);
    for (const name of left) assert.equal(readFileSync(join(directory, name)).length, sizes.get(name));
  }

  it('by SIGTERM comes within five seconds, with nothing half done', async () => {
    for (let round = 0; round < 8; round += 1) {
      const gc = await started(round % 2 === 1);
      const ended = await gc.stop();
      assert.ok(ended.took < 5_000, `${ended.took} ms`);
      // Before it has begun to listen, the signal itself ends it.
      assert.ok(ended.code === 0 || ended.signal === 'SIGTERM', JSON.stringify(ended));
      assertWhole(round);
    }
  });

  it('by SIGKILL loses nothing, and the next start finishes what was half done', async () => {
    for (let round = 0; round < 3; round += 1) {
      const gc = await started(true);
      await gc.kill();
      const next = startGc([...args, '--once']);
      assert.deepEqual(await next.ended, { code: 0, signal: null });
      assertWhole(round);
      assert.equal(tars(directory).length, KEPT);
    }
  });
});
