import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { type CollectorOptions, collectOnce, startCollector } from '../../gc/main.ts';
import type { Audit } from '../../observe/audit.ts';
import type { Finding } from '../../policy/types.ts';
import { ARCHIVES } from './archives.ts';
import { FakeLog, FakeSource, policy } from './collector-bench.ts';

const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-gc-'));
after(() => rmSync(scratch, { recursive: true }));
let made = 0;
let directory = '';
const HOUR_AGO = Date.now() / 1_000 - 3_600;

/** On the machine's own file system and clock. */
function options(
  spec: object,
  more: Partial<CollectorOptions> = {},
): CollectorOptions & { readonly log: FakeLog } {
  const source = new FakeSource([policy(spec)]);
  return {
    directory,
    source,
    pods: null,
    lenientDirectory: true,
    dryRun: false,
    log: new FakeLog(),
    ...more,
  } as CollectorOptions & { readonly log: FakeLog };
}

const archives = () =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.tar'))
    .sort();
const SMALL = { namespacePolicies: [{ namespace: 'shop', maxCheckpointSize: '290Ki' }] };

describe('gc on real archives', () => {
  beforeEach(() => {
    directory = join(scratch, String(++made));
    cpSync(ARCHIVES, directory, { recursive: true });
    // An hour old, and so no longer written to; the half-written one would want a second look all the same.
    for (const name of readdirSync(directory)) utimesSync(join(directory, name), HOUR_AGO, HOUR_AGO);
    rmSync(join(directory, 'checkpoint-notes3_shop-main-2026-11-21T06:01:19+05:30.tar'));
  });

  it('--once deletes what the policy asks for, and says what it did', async () => {
    const before = archives().length;
    const summary = await collectOnce(
      options({ namespacePolicies: [{ namespace: 'shop', maxCheckpointSize: '285Ki' }] }),
    );
    assert.equal(summary.deleted, 2);
    assert.deepEqual(summary.problems, []);
    assert.ok(summary.freedBytes >= 1_449_984);
    assert.equal(archives().length, before - 2);
    assert.ok(!archives().some((name) => name.includes('cache') || name.includes('slow-start')));
  });

  it('--once --dry-run says the same and changes nothing', async () => {
    const before = archives();
    const given = options(SMALL, { dryRun: true, stateDirectory: join(scratch, 'never') });
    const summary = await collectOnce(given);
    assert.equal(summary.deleted, 0);
    assert.equal(summary.wouldDelete, 1);
    assert.deepEqual(archives(), before);
    assert.equal(given.log.matching(/would be deleted/).length, 1);
    assert.ok(!readdirSync(scratch).includes('never'));
  });

  it('--once says what kept it from its work', async () => {
    const breaker = { circuitBreaker: { maxShare: '10%', minArchives: 2 } };
    const held = await collectOnce(options({ ...breaker, globalPolicy: { maxCheckpointSize: '1Ki' } }));
    assert.equal(held.deleted, 0);
    assert.match(held.problems.join(), /quotas waits for confirmation: kubectl annotate/);
    const confirm = held.held.map(({ digest }) => digest);
    const confirmed = await collectOnce(
      options({ ...breaker, globalPolicy: { maxCheckpointSize: '1Ki' } }, { confirm }),
    );
    assert.equal(confirmed.deleted, 8);
    const nothing = await collectOnce({ ...options({}), source: new FakeSource([]) });
    assert.deepEqual(nothing.problems, []);
    assert.match(nothing.notes.join(), /no policy acts on/);
    directory = join(scratch, 'missing');
    assert.match((await collectOnce(options(SMALL))).problems.join(), /missing does not exist/);
  });

  it('--once that is stopped in the midst says what was done, and what was not', async () => {
    const before = archives().length;
    const stopping = new AbortController();
    const audit: Audit = {
      lost: 0,
      record: ({ operation }) => operation === 'delete' && stopping.abort(),
    };
    const given = options({ globalPolicy: { maxCheckpointSize: '1Ki' } }, { audit });
    const summary = await collectOnce(given, stopping.signal);
    // Two are deleted at a time.
    assert.ok(summary.deleted >= 1 && summary.deleted <= 2, `${summary.deleted}`);
    assert.equal(archives().length, before - summary.deleted);
    assert.ok(summary.freedBytes > 0);
    assert.deepEqual(summary.problems, [
      `stopped before its work was done: ${8 - summary.deleted} archives still to go; run it again`,
    ]);
  });

  it('--once ends where the directory goes away in the midst', async () => {
    const home = directory;
    const away = `${directory}-away`;
    const audit: Audit = { lost: 0, record: () => existsSync(home) && renameSync(home, away) };
    const summary = await collectOnce(options({ globalPolicy: { maxCheckpointSize: '1Ki' } }, { audit }));
    assert.ok(summary.deleted >= 1);
    assert.match(summary.problems.join(), /does not exist/);
  });

  it('--once tells errors in policies and lost audit records', async () => {
    const finding: Finding = {
      ...{ code: 'notOneOf', severity: 'error', field: 'spec.tainted', value: 'Burn' },
      ...{ message: 'is none of Keep, Delete', remedy: 'write one of them' },
    };
    const given = options(SMALL, { audit: { lost: 2, record: () => {} } });
    const source = new FakeSource(given.source.resources());
    source.found = Array.from({ length: 7 }, () => ({
      file: 'quotas.yaml',
      resource: 'ops/quotas',
      finding,
    }));
    const { problems } = await collectOnce({ ...given, source });
    assert.equal(problems.length, 7);
    assert.match(problems[0] ?? '', /^a policy has errors: quotas\.yaml ops\/quotas: spec\.tainted/);
    assert.match(problems[5] ?? '', /^policies have 2 more errors/);
    assert.match(problems[6] ?? '', /^2 audit records could not be written/);
  });

  it('--once obeys the budget of one pass', async () => {
    const spec = { deletionBudget: { maxArchivesPerPass: 1 }, globalPolicy: { maxCheckpointSize: '1Ki' } };
    const summary = await collectOnce(options(spec));
    assert.equal(summary.deleted, 1);
    assert.equal(summary.overBudget, 7);
  });

  it('runs, and sees what comes', async () => {
    const running = await startCollector(
      options(SMALL, { stateDirectory: join(scratch, 'state'), nodeName: 'worker-1' }),
    );
    assert.ok(!archives().some((name) => name.includes('cache')));
    const cache = 'checkpoint-cache_shop-main-2026-11-21T00:30:52Z.tar';
    cpSync(join(ARCHIVES, cache), join(directory, cache));
    const deadline = Date.now() + 5_000;
    while (archives().includes(cache) && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(!archives().includes(cache));
    await assert.rejects(startCollector(options(SMALL, { stateDirectory: join(scratch, 'state') })), {
      message: /another collector has this directory/,
    });
    for (const other of [{ stateDirectory: join(scratch, 'other') }, {}])
      await assert.rejects(startCollector(options(SMALL, other)), /\(process \d+ on worker-1, since/);
    const began = Date.now();
    await running.stop();
    assert.ok(Date.now() - began < 2_000);
    await running.ended;
    const again = await startCollector(options(SMALL, { stateDirectory: join(scratch, 'state') }));
    await again.stop();
  });

  it('does not start with policies that cannot be had, and gives its lock back', async () => {
    const stateDirectory = join(scratch, 'state');
    const source = new FakeSource();
    source.started = Promise.reject(new Error('quotas.yaml does not exist; name another file'));
    await assert.rejects(
      startCollector({ ...options(SMALL, { stateDirectory }), source }),
      /quotas.yaml does not exist/,
    );
    await (await startCollector(options(SMALL, { stateDirectory }))).stop();
  });

  it('can be stopped while it waits for its policies', async () => {
    const source = new FakeSource();
    source.started = new Promise(() => {});
    const stopping = new AbortController();
    setTimeout(() => stopping.abort(), 50);
    const running = await startCollector({ ...options(SMALL), source }, stopping.signal);
    await running.ended;
    const once = new AbortController();
    setTimeout(() => once.abort(), 50);
    const summary = await collectOnce({ ...options(SMALL), source }, once.signal);
    assert.match(summary.problems.join(), /the policies are not known/);
  });

  it('says so where the state directory cannot be made', async () => {
    const stateDirectory = join(directory, 'MANIFEST.json', 'state');
    await assert.rejects(startCollector(options(SMALL, { stateDirectory })), {
      message: /^the state directory .* cannot be made: .*; name another$/,
    });
  });

  it('tells the two tenants of one file name apart, and does not touch what is not an archive', async () => {
    writeFileSync(join(directory, 'checkpoint-notes.txt'), 'x'.repeat(9_999));
    await collectOnce(options({ namespacePolicies: [{ namespace: 'a', maxCheckpointSize: '1Ki' }] }));
    const left = readdirSync(directory);
    assert.ok(!left.includes('checkpoint-twin_a-b-c-2026-11-21T00:10:26Z.tar'));
    assert.ok(left.includes('checkpoint-twin_a-b-c-2026-11-21T00:10:27Z.tar'));
    assert.ok(left.includes('checkpoint-notes.txt'));
  });
});
