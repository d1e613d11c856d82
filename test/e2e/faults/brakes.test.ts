import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { call } from '../../cli/call.ts';
import { eventually } from '../../cluster/eventually.ts';
import type { GcProcess } from '../gc-process.ts';
import { resource } from '../policies/row.ts';
import { put, tars } from './archives.ts';
import { deleted, times } from './collecting.ts';
import { type Site, startSite } from './site.ts';

/** Milliseconds. */
const SOON = 30_000;
const HOUR_S = 3_600;
const CONFIRM = 'checkpoint.criu.org/confirm';

let site: Site;
const running: GcProcess[] = [];
const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-brakes-'));

before(async () => {
  site = await startSite(['shop', 'team']);
});

after(async () => {
  await site?.[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

afterEach(async () => {
  for (const gc of running.splice(0)) await gc.kill();
  await site.cluster.clear();
});

function start(directory: string, ...more: readonly string[]): GcProcess {
  const gc = site.collect(directory, more);
  running.push(gc);
  return gc;
}

async function once(
  directory: string,
  ...more: readonly string[]
): Promise<GcProcess & { code: number | null }> {
  const gc = start(directory, '--once', ...more);
  const { code } = await gc.ended;
  return Object.assign(gc, { code });
}

function fill(directory: string, count: number, namespace = 'shop'): string[] {
  return Array.from({ length: count }, (_, number) =>
    put(directory, { namespace, pod: 'cart', memory: 512 }, HOUR_S + 60 * (count - number)),
  );
}

/** Of the policies that a log says wait for confirmation. */
function digests(gc: GcProcess): unknown[] {
  return gc.lines
    .filter(({ message }) => /waits for confirmation/.test(String(message)))
    .map(({ digest }) => digest);
}

/** What it says that it has deleted, or would. */
function decisions(gc: GcProcess): string[] {
  return gc.lines
    .filter(({ message }) => message === 'deleted' || message === 'would be deleted (dry run)')
    .map(({ archive, rule, policy, resource, reason }) =>
      [archive, rule, policy, resource, reason].join(' | '),
    )
    .sort();
}

async function planned(directory: string, ...more: readonly string[]) {
  const file = join(scratch, 'policies.yaml');
  writeFileSync(file, await site.cluster.kubectl('get', 'cro', '-A', '-o', 'yaml'));
  const args = ['plan', '--directory', directory, '--policies', file, '-o', 'json', ...more];
  const { code, out, err } = await call(args);
  assert.equal(code, 0, err);
  return JSON.parse(out);
}

describe('the circuit breaker and the API server', () => {
  it('holds what would delete most of a node, until the digest is confirmed by kubectl, also through restarts', async () => {
    const directory = site.newDirectory();
    const state = site.newDirectory();
    const names = fill(directory, 150);
    await site.govern(directory, 'namespacePolicies: [{namespace: shop, maxCheckpoints: 3}]');
    const gc = start(directory, '--state-directory', state);
    await eventually(async () => assert.equal(digests(gc).length, 1), SOON);
    const [digest] = digests(gc);
    assert.match(String(digest), /^[0-9a-f]{16}$/);
    const { held } = await planned(directory);
    assert.deepEqual(held, [{ resource: 'ops/quotas', deletions: 147, archives: 150, digest }]);
    const dry = await once(directory, '--dry-run', '--state-directory', state);
    assert.deepEqual(digests(dry), [digest]);
    assert.equal(dry.code, 1);
    // Another one confirms nothing, and it is still held, by the same one, after a restart.
    await site.cluster.kubectl('annotate', 'cro', '-n', 'ops', 'quotas', `${CONFIRM}=0123456789abcdef`);
    await sleep(2_000);
    await gc.kill();
    const next = start(directory, '--state-directory', state);
    await eventually(async () => assert.deepEqual(digests(next), [digest]), SOON);
    assert.deepEqual(tars(directory), names);
    // The very command that the log gives: it keeps the digest that is there.
    const { remedy } = next.lines.find(({ message }) => /waits for confirmation/.test(String(message))) ?? {};
    const [program, ...args] = String(remedy).split(' ');
    assert.equal(program, 'kubectl');
    await site.cluster.kubectl(...args);
    await eventually(async () => assert.deepEqual(tars(directory), names.slice(-3)), SOON);
    // The line comes at the end of the pass.
    await eventually(async () => assert.equal(times(next, /a policy is held back no more/), 1), SOON);
    // Accepted for good: the next burst is not asked about.
    await next.kill();
    const more = fill(directory, 150);
    const last = await once(directory, '--state-directory', state);
    assert.equal(last.code, 0, last.out);
    assert.deepEqual(tars(directory), more.slice(-3));
  });

  it('asks again of a policy that was deleted and made anew, whatever was accepted of the one before', async () => {
    const directory = site.newDirectory();
    const state = site.newDirectory();
    const spec = 'namespacePolicies: [{namespace: shop, maxCheckpoints: 3}]';
    fill(directory, 5);
    await site.govern(directory, spec);
    const uid = async () =>
      await site.cluster.kubectl('get', 'cro', 'quotas', '-n', 'ops', '-o', 'jsonpath={.metadata.uid}');
    const former = await uid();
    const gc = start(directory, '--state-directory', state);
    const memory = () => {
      const [own = ''] = readdirSync(state);
      return readFileSync(join(state, own, 'circuit-breaker.json'), 'utf8');
    };
    await eventually(async () => assert.ok(memory().includes(former)), SOON);
    await eventually(async () => assert.equal(tars(directory).length, 3), SOON);
    await site.cluster.kubectl('delete', 'cro', 'quotas', '-n', 'ops');
    await eventually(async () => assert.ok(gc.said(/no policy acts on/)), SOON);
    const names = fill(directory, 150);
    await site.govern(directory, spec);
    await eventually(async () => assert.equal(digests(gc).length, 1), SOON);
    assert.ok(tars(directory).length >= names.length);
    // The one before is forgotten with its protection, a minute later: test/gc/deciding/breaker-state.test.ts.
    assert.ok(memory().includes(await uid()));
  });

  it('is confirmed by administrators only', async () => {
    const directory = site.newDirectory();
    await site.govern(directory, 'namespacePolicies: [{namespace: shop, maxCheckpoints: 3}]');
    const binding = ['create', 'rolebinding', '-n', 'ops', '--user=tina'];
    for (const role of ['edit', 'view'])
      await site.cluster.kubectl(...binding, `tina-${role}`, `--clusterrole=checkpoint-warden-${role}`);
    const kubeconfig = await site.cluster.plane.asUser('tina');
    const annotate = ['annotate', 'cro', '-n', 'ops', 'quotas', `${CONFIRM}=0123456789abcdef`];
    await eventually(async () => {
      const { status, stderr } = await site.cluster.plane.kubectl(annotate, { kubeconfig });
      assert.notEqual(status, 0);
      assert.match(stderr, /denied the request: .*govern/s);
    }, SOON);
  });
});

describe('a change that waits for the next checkpoint', () => {
  it('waits through a restart, and its former version acts until then', async () => {
    const directory = site.newDirectory();
    const state = site.newDirectory();
    const names = fill(directory, 6);
    const allow = async (count: number) => {
      const policies = `namespacePolicies: [{namespace: shop, maxCheckpoints: ${count}}]`;
      await site.cluster.plane.apply(
        resource(`checkpointDirectory: ${directory}\n${policies}`, 'ops/quotas'),
      );
    };
    await allow(5);
    const gc = start(directory, '--state-directory', state);
    await eventually(async () => assert.deepEqual(tars(directory), names.slice(1)), SOON);
    await allow(2);
    const waits = /acts from the next checkpoint on/;
    await eventually(async () => assert.ok(gc.said(waits)), SOON);
    await gc.kill();
    put(directory, { namespace: 'shop', pod: 'cart', memory: 512 }, 10 * HOUR_S);
    const next = start(directory, '--state-directory', state, '--rescan', '1s');
    await eventually(async () => assert.ok(next.said(waits)), SOON);
    // The former one takes back what is too much by it, and only that.
    await eventually(async () => assert.deepEqual(tars(directory), names.slice(1)), SOON);
    await sleep(3_000);
    assert.deepEqual(tars(directory), names.slice(1));
    const visitor = put(directory, { namespace: 'team', pod: 'visitor', memory: 512 }, 0);
    await eventually(
      async () => assert.deepEqual(tars(directory), [...names.slice(-2), visitor].sort()),
      SOON,
    );
  });
});

describe('the deletion budget', () => {
  it('is spread over scans, oldest first, and nothing else renews it', async () => {
    const directory = site.newDirectory();
    const names = fill(directory, 35);
    await site.govern(
      directory,
      'deletionBudget: {maxArchivesPerPass: 10}\nnamespacePolicies: [{namespace: shop, maxCheckpoints: 7}]',
    );
    const dry = await once(directory, '--dry-run');
    assert.equal(decisions(dry).length, 10);
    const gc = start(directory, '--rescan', '5s');
    for (const count of [10, 20, 28]) {
      await eventually(async () => assert.ok(tars(directory).length <= 35 - count), SOON);
      // What comes and goes, and a policy that is touched, begin no pass of the budget.
      const visitor = put(directory, { namespace: 'team', pod: 'visitor', memory: 512 }, 60);
      await site.cluster.kubectl('annotate', 'cro', '-n', 'ops', 'quotas', `note=${count}`, '--overwrite');
      await sleep(1_500);
      rmSync(join(directory, visitor));
      await sleep(500);
      assert.deepEqual(tars(directory), names.slice(count));
    }
    assert.deepEqual(deleted(gc).sort(), names.slice(0, 28));
  });
});

describe('a dry run and a real run', () => {
  it('over the same state decide the same, for the same reasons, and hold the same', async () => {
    const directory = site.newDirectory();
    const state = site.newDirectory();
    const uid = await site.pod('shop', 'till');
    // Count, pin, size, age, an orphan, archives without identity; and in another namespace, what is held.
    const names = fill(directory, 12);
    writeFileSync(join(directory, `${names[0]}.keep`), '');
    put(directory, { namespace: 'shop', pod: 'till', podUid: uid, memory: 300_000 }, 500);
    put(directory, { namespace: 'shop', pod: 'till', podUid: uid, memory: 512 }, 100 * HOUR_S);
    put(directory, { namespace: 'shop', pod: 'gone', podUid: 'uid', memory: 512 }, 700);
    put(directory, { namespace: 'x', pod: 'half', memory: 512 }, 9 * HOUR_S, (path, content) =>
      writeFileSync(path, content.subarray(0, 2_048)),
    );
    fill(directory, 30, 'team');
    await site.govern(
      directory,
      `
orphanGracePeriod: 2s
unidentified: {timeThreshold: 1h}
podPolicies: [{namespace: shop, pod: gone, retainOrphan: false}]
namespacePolicies: [{namespace: shop, maxCheckpoints: 8, maxCheckpointSize: 200Ki, timeThreshold: 3d}]`,
    );
    const breaker = 'circuitBreaker: {maxShare: 50%, minArchives: 10}';
    await site.cluster.plane.apply(
      resource(
        `checkpointDirectory: ${directory}\n${breaker}\nnamespacePolicies: [{namespace: team, maxCheckpoints: 2}]`,
        'ops/team',
      ),
    );
    await site.cluster.known(['ops/quotas', 'ops/team']);
    const first = start(directory, '--state-directory', state, '--dry-run', '--rescan', '2s');
    const rulesOf = (gc: GcProcess) => [...new Set(decisions(gc).map((each) => each.split(' | ')[1]))].sort();
    const rules = ['age', 'count', 'orphan', 'size', 'unidentified'];
    await eventually(async () => assert.deepEqual(rulesOf(first), rules), SOON);
    await sleep(3_000);
    const looping = decisions(first);
    await first.kill();
    assert.equal(tars(directory).length, 46);
    // No rescan in the midst: what is left then is planned anew, and its reasons count fewer archives.
    const real = start(directory, '--state-directory', state, '--rescan', '1m');
    await eventually(async () => assert.equal(decisions(real).length, looping.length), SOON);
    await sleep(3_000);
    // To the letter.
    assert.deepEqual(decisions(real), looping);
    assert.deepEqual(digests(real), digests(first));
    assert.equal(digests(real).length, 1);
    assert.equal(tars(directory).length, 46 - looping.length);
    await real.kill();
    // A single run of each agrees as well: nothing is left to do.
    for (const more of [['--dry-run'], []]) {
      const run = await once(directory, '--state-directory', state, ...more);
      assert.deepEqual([decisions(run), digests(run)], [[], digests(first)]);
    }
  });
});
