import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { stateDirectoryOf } from '../../../gc/assemble.ts';
import { collectOnce } from '../../../gc/main.ts';
import type { PolicyResource } from '../../../policy/types.ts';
import {
  CollectorBench,
  DIRECTORY,
  HOUR,
  type HookedFiles,
  MINUTE,
  named,
  policy,
} from '../collector-bench.ts';

const SECOND = 1_000;

const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-waiting-'));
after(() => rmSync(scratch, { recursive: true }));

function lazy(maxCheckpoints: number, metadata: object = {}): PolicyResource {
  const spec = {
    applyPoliciesImmediately: false,
    namespacePolicies: [{ namespace: 'shop', maxCheckpoints }],
  };
  return policy(spec, { uid: 'quotas-1', ...metadata });
}

/** A broader one, which acts at once wherever nothing narrower does. */
const FLEET = policy(
  { applyPoliciesImmediately: true, globalPolicy: { maxCheckpointsPerContainer: 1 } },
  { name: 'fleet', uid: 'fleet-1' },
);

/** Six archives, one process after the other over them, with one state directory. */
class Node {
  readonly #state = mkdtempSync(join(scratch, 'state-'));
  #files: HookedFiles | undefined;
  #bench: CollectorBench | null = null;

  get bench(): CollectorBench {
    assert.ok(this.#bench);
    return this.#bench;
  }

  get document(): string {
    return join(stateDirectoryOf(this.#state, DIRECTORY), 'waiting-policies.json');
  }

  async start(...resources: readonly PolicyResource[]): Promise<void> {
    await this.#bench?.collector.stop();
    const clock = this.#bench?.clock;
    this.#bench = new CollectorBench(
      resources,
      { stateDirectory: this.#state, ...(clock && { clock }) },
      this.#files,
    );
    if (this.#files === undefined)
      for (let number = 1; number <= 6; number += 1)
        this.#bench.put(named(number), { ageMs: (10 - number) * HOUR });
    this.#files = this.#bench.files;
    await this.#bench.start();
    await this.#bench.clock.advance(10 * SECOND);
  }

  async once(resource: PolicyResource): Promise<void> {
    await this.bench.collector.stop();
    const { source, files, clock, log, pods } = new CollectorBench([resource], {}, this.#files);
    const options = { source, files, clock, log, pods, directory: DIRECTORY, dryRun: false };
    const done = collectOnce({ ...options, stateDirectory: this.#state, lockDirectory: null });
    await clock.advance(MINUTE);
    await done;
  }

  async checkpoint(number: number): Promise<void> {
    this.bench.put(named(number), { ageMs: 0 });
    await this.bench.clock.advance(5_000);
  }

  count(): number {
    return this.bench.names.length;
  }
}

describe('a version that waits for the next checkpoint', () => {
  it('waits through a restart, in which its former one goes on acting', async () => {
    const node = new Node();
    await node.start(lazy(5));
    node.bench.source.set(lazy(1));
    await node.start(lazy(1));
    assert.equal(node.count(), 5);
    assert.equal(node.bench.log.matching(/acts from the next checkpoint on/).length, 1);
    await node.start(lazy(1));
    assert.equal(node.count(), 5);
    await node.checkpoint(7);
    assert.deepEqual(node.bench.names, [named(7)]);
    await node.bench.collector.stop();
  });

  it('has acted once a checkpoint came, also for the next process', async () => {
    const node = new Node();
    await node.start(lazy(5));
    node.bench.source.set(lazy(4));
    await node.checkpoint(7);
    assert.equal(node.count(), 4);
    assert.deepEqual(JSON.parse(readFileSync(node.document, 'utf8')), { version: 1, waiting: [] });
    node.bench.source.set(lazy(3));
    await node.start(lazy(4));
    assert.equal(node.count(), 4);
    await node.bench.collector.stop();
  });

  it('leaves what the former one shields to no broader policy', async () => {
    const node = new Node();
    await node.start(FLEET, lazy(6));
    node.bench.source.set(FLEET, lazy(5));
    await node.start(FLEET, lazy(5));
    assert.equal(node.count(), 6);
    await node.checkpoint(7);
    assert.equal(node.count(), 5);
    await node.bench.collector.stop();
  });

  it('waits where the resource itself is new, and so does one that is edited while no collector runs', async () => {
    const node = new Node();
    await node.start();
    node.bench.source.set(lazy(3));
    await node.start(lazy(3));
    assert.equal(node.count(), 6);
    await node.start(lazy(2));
    assert.equal(node.count(), 6);
    await node.start(lazy(2, { uid: 'made anew' }));
    assert.equal(node.count(), 6);
    await node.checkpoint(7);
    assert.equal(node.count(), 2);
    await node.bench.collector.stop();
  });

  it('is no news where the author took it back, or wants it at once', async () => {
    const node = new Node();
    await node.start(lazy(5));
    node.bench.source.set(lazy(1));
    await node.start(lazy(5));
    assert.deepEqual(node.bench.log.matching(/acts from the next checkpoint on/), []);
    assert.equal(node.count(), 5);
    node.bench.source.set(lazy(1));
    const spec = {
      applyPoliciesImmediately: true,
      namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 3 }],
    };
    await node.start(policy(spec, { uid: 'quotas-1' }));
    assert.equal(node.count(), 3);
    await node.bench.collector.stop();
  });

  it('is removed while no collector runs: what its former one shields stays for a minute', async () => {
    const node = new Node();
    await node.start(FLEET, lazy(6));
    node.bench.source.set(FLEET, lazy(5));
    await node.start(FLEET);
    assert.equal(node.count(), 6);
    await node.bench.clock.advance(2 * MINUTE);
    assert.equal(node.count(), 1);
    await node.bench.collector.stop();
  });

  it('acts in a single run, which lives to see no checkpoint', async () => {
    const node = new Node();
    await node.start(lazy(5));
    node.bench.source.set(lazy(2));
    await node.once(lazy(2));
    assert.equal(node.count(), 2);
  });

  for (const content of [
    '',
    '{',
    'null',
    '[1]',
    '{"version":1,"waiting":[7,{"key":7}]}',
    '{"version":2,"waiting":[]}',
  ])
    it(`waits no more when its state is spoilt: ${JSON.stringify(content)}`, async () => {
      const node = new Node();
      await node.start(lazy(5));
      node.bench.source.set(lazy(2));
      writeFileSync(node.document, content);
      await node.start(lazy(2));
      assert.equal(node.count(), 2);
      await node.bench.collector.stop();
    });

  it('writes down nothing while nothing waits, and once what does', async () => {
    const node = new Node();
    await node.start(lazy(5));
    assert.throws(() => readFileSync(node.document), { code: 'ENOENT' });
    node.bench.source.set(lazy(2));
    rmSync(node.document);
    await node.bench.clock.advance(HOUR);
    assert.throws(() => readFileSync(node.document), { code: 'ENOENT' });
    await node.bench.collector.stop();
  });
});
