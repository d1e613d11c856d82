import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planDirectory } from '../../gc/plan-directory.ts';
import { planReport } from '../../gc/telling/report.ts';
import { DEFAULT_DIRECTORY } from '../../policy/schema.ts';
import { ARCHIVES } from './archives.ts';
import { policy } from './collector-bench.ts';
import { FakeClock } from './fake-clock.ts';

/** Long after the real archives were copied here, whenever that was. */
const NOW = Date.now() + 3_600_000;
const clock = new FakeClock(NOW);
const PATTERNS = ['checkpoint-*.tar', 'counter.tar*'];

async function planned(resources: Parameters<typeof planDirectory>[0]['resources'], more = {}) {
  // The half-written one wants a second look a second later.
  const timer = setInterval(() => void clock.advance(1_000), 5);
  try {
    return await planDirectory({
      directory: ARCHIVES,
      patterns: PATTERNS,
      resources,
      now: NOW,
      clock,
      ...more,
    });
  } finally {
    clearInterval(timer);
  }
}

describe('the plan of a directory', () => {
  it('is what the interface promises, field by field', async () => {
    const resources = [
      policy({
        containerPolicies: [
          { namespace: 'shop', pod: 'cart', container: 'main', maxCheckpointSize: '100Ki' },
        ],
      }),
    ];
    const { plan, inventory } = await planned(resources);
    const report = planReport(plan, { directory: ARCHIVES, now: NOW, foreign: inventory.foreign() });
    const { decisions, totals, foreign, ...about } = report;
    assert.deepEqual(about, {
      apiVersion: 'checkpoint-warden/v1',
      directory: ARCHIVES,
      now: new Date(NOW).toISOString(),
      unmet: [],
      held: [],
    });
    const cart = decisions.find(({ pod }) => pod === 'cart');
    assert.deepEqual(cart, {
      archive: 'checkpoint-cart_shop-main-2026-11-21T00:19:10Z.tar',
      action: 'delete',
      rule: 'size',
      policy: 'container/shop/cart/main',
      reason: cart?.reason,
      bytes: 289280,
      namespace: 'shop',
      pod: 'cart',
      container: 'main',
      resource: 'ops/quotas',
      modifiedAt: cart?.modifiedAt,
      state: 'complete',
      pinned: false,
      staleTailBytes: 0,
    });
    assert.match(cart?.reason ?? '', /283Ki.*100Ki/);
    const half = decisions.find(({ archive }) => archive.startsWith('checkpoint-notes3'));
    assert.deepEqual(
      { ...half, reason: '', modifiedAt: '' },
      {
        archive: 'checkpoint-notes3_shop-main-2026-11-21T06:01:19+05:30.tar',
        action: 'keep',
        rule: 'unidentified',
        policy: null,
        reason: '',
        bytes: 131072,
        namespace: null,
        pod: null,
        container: null,
        resource: null,
        modifiedAt: '',
        state: 'complete',
        pinned: false,
        staleTailBytes: 0,
      },
    );
    assert.equal(totals.archives, 12);
    assert.equal(totals.delete, 1);
    assert.equal(totals.deleteBytes, 289280);
    assert.equal(totals.keep, 11);
    assert.deepEqual(foreign.map(({ file }) => file).sort(), ['MANIFEST.json', 'README.md']);
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
  });

  it('has its archives in the order of their names', async () => {
    const { plan } = await planned([]);
    const names = plan.decisions.map(({ archive }) => archive.file);
    assert.deepEqual(names, names.toSorted());
  });

  it('takes a policy for the kubelet’s directory as meant, and leaves others out', async () => {
    const here = policy({ globalPolicy: { maxCheckpointSize: '1Ki' } });
    assert.equal(here.directory, DEFAULT_DIRECTORY);
    const elsewhere = policy({ checkpointDirectory: '/data', globalPolicy: { maxCheckpointSize: '1Ki' } });
    assert.ok((await planned([here])).plan.decisions.some(({ action }) => action === 'delete'));
    assert.ok(
      !(await planned([here], { lenientDirectory: false })).plan.decisions.some(
        ({ rule }) => rule === 'size',
      ),
    );
    const other = await planned([elsewhere]);
    assert.ok(other.plan.decisions.every(({ action }) => action === 'keep'));
    assert.deepEqual(other.elsewhere, [elsewhere]);
  });

  it('knows orphans from a list of pods, and none without', async () => {
    const resources = [policy({ namespacePolicies: [{ namespace: 'shop', retainOrphan: false }] })];
    assert.ok((await planned(resources)).plan.decisions.every(({ action }) => action === 'keep'));
    const pods = {
      // The mirror of a static pod has a UID of its own.
      get: async (_: string, name: string) =>
        name === 'edge-node3' ? { uid: 'mirror', configHash: '992180add53933db51fc104194ab5fa0' } : null,
    };
    const { plan } = await planned(resources, { pods });
    const orphans = plan.decisions
      .filter(({ rule }) => rule === 'orphan')
      .map(({ archive }) => archive.identity?.pod);
    assert.deepEqual(orphans.sort(), ['cache', 'cart', 'slow-start', 'spoof-node2']);
  });

  it('does not take a look-up that fails for an orphan', async () => {
    const resources = [policy({ globalPolicy: { retainOrphan: false } })];
    const pods = { get: () => Promise.reject(new Error('HTTP 500')) };
    await assert.rejects(
      planned(resources, { pods }),
      /^Error: the pod [a-z-]+\/[a-z0-9-]+ could not be looked up: HTTP 500$/,
    );
  });

  it('rejects with a sentence where there is nothing to read', async () => {
    const directory = '/no/such/directory';
    await assert.rejects(planDirectory({ directory, resources: [], now: NOW }), {
      message: '/no/such/directory does not exist',
    });
  });
});
