import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PolicySet } from '../../policy/govern.ts';
import { plan } from '../../policy/plan.ts';
import type { Archive, PolicyResource } from '../../policy/types.ts';
import { CollectorBench, HOUR, MINUTE, policy } from './collector-bench.ts';
import { seeded } from './random.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 25);
const EVENTS = 40;
const NAMESPACES = ['shop', 'shop-prod', 'a'];
const PODS = ['cart', 'till'];

interface Made {
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
}

/** What is really there, as opposed to what the collector has seen. */
class Truth {
  readonly bench: CollectorBench;
  readonly random: (below: number) => number;
  readonly made = new Map<string, Made>();
  readonly goneSince = new Map<string, number>();
  resources: readonly PolicyResource[] = [];
  deletions = 0;
  fault: unknown = null;
  readonly history: string[] = [];
  #numbers = 0;

  constructor(seed: number) {
    this.random = seeded(seed);
    this.bench = new CollectorBench([]);
    this.bench.files.before = (operation, path) => {
      const file = String(path).split('/').at(-1) ?? '';
      if (operation !== 'rename') return;
      try {
        this.judge(file);
      } catch (error) {
        // The collector would take it for a failure of the disk.
        this.fault ??= error;
      }
    };
  }

  of<T>(list: readonly T[]): T {
    const chosen = list[this.random(list.length)];
    if (chosen === undefined) throw new Error('nothing to choose from');
    return chosen;
  }

  /** The collector is about to delete this: the truth must ask for it too. */
  judge(file: string): void {
    const { bench } = this;
    const now = bench.clock.now();
    const names = new Set(bench.rawNames);
    const archives = [...this.made.keys()]
      .filter((name) => names.has(name))
      .map((name) => this.archive(name));
    const { decisions } = plan({ archives }, new PolicySet(this.resources), now);
    const decision = decisions.find(({ archive }) => archive.file === file);
    const context = `${file}: ${decision?.reason}\n${this.history.join('\n')}`;
    assert.equal(decision?.action, 'delete', context);
    if (decision?.rule === 'orphan') {
      const { namespace, pod, uid } = this.made.get(file) ?? { namespace: '', pod: '', uid: '' };
      assert.equal(bench.pods.away, null, context);
      assert.notEqual(bench.pods.pods.get(`${namespace}/${pod}`)?.uid, uid, context);
      const since = this.goneSince.get(`${namespace}/${pod}/${uid}`) ?? Number.POSITIVE_INFINITY;
      assert.ok(now >= since + 10 * MINUTE, context);
    }
    this.deletions += 1;
  }

  archive(file: string): Archive {
    const { bench } = this;
    const facts = bench.files.real.lstat(bench.at(file));
    const { namespace, pod, uid } = this.made.get(file) ?? { namespace: '', pod: '', uid: '' };
    return {
      file,
      bytes: facts?.bytes ?? 0,
      allocatedBytes: facts?.allocatedBytes ?? 0,
      modifiedAt: Number((facts?.modifiedNs ?? 0n) / 1_000_000n),
      state: 'complete',
      pinned: bench.rawNames.includes(`${file}.keep`),
      identity: { namespace, pod, container: 'main', podUid: uid },
      staleTailBytes: 0,
      // A proof takes time to be found; what was found is judged by itself.
      orphan: bench.parts.inventory.get(file)?.orphan ?? null,
    };
  }

  act(): void {
    const { bench, random } = this;
    const here = [...this.made.keys()].filter((name) => bench.rawNames.includes(name));
    const pod = `${this.of(NAMESPACES)}/${this.of(PODS)}`;
    const what = random(12);
    if (what < 4 || here.length === 0) this.put();
    else if (what === 4) bench.pin(this.told('pin', this.of(here)));
    else if (what === 5) {
      const pin = `${this.of(here)}.keep`;
      if (bench.rawNames.includes(pin)) bench.files.real.remove(bench.at(this.told('unpin', pin)));
    } else if (what === 6) bench.files.real.remove(bench.at(this.told('remove', this.of(here))));
    else if (what === 7) this.setPod(pod, null);
    else if (what === 8) this.setPod(pod, `uid-${random(3)}`);
    else if (what === 9) {
      bench.pods.away = bench.pods.away ? null : new Error(this.told('API', 'away'));
      if (!bench.pods.away) this.told('API', 'back');
    } else this.govern();
  }

  put(): void {
    const made = { namespace: this.of(NAMESPACES), pod: this.of(PODS), uid: `uid-${this.random(3)}` };
    const file = `checkpoint-${++this.#numbers}.tar`;
    this.made.set(file, made);
    const key = `${made.namespace}/${made.pod}`;
    if (this.bench.pods.pods.get(key)?.uid !== made.uid) this.goneSince.set(`${key}/${made.uid}`, 0);
    this.told('put', `${file} ${key}/${made.uid}`);
    this.bench.put(file, { ...made, ageMs: 10_000 + this.random(5 * HOUR) });
  }

  setPod(key: string, uid: string | null): void {
    const { pods } = this.bench.pods;
    const before = pods.get(key)?.uid;
    if (before === uid) return;
    if (before !== undefined) this.goneSince.set(`${key}/${before}`, this.bench.clock.now());
    if (uid === null) pods.delete(this.told('pod gone', key));
    else pods.set(key, { uid: this.told('pod', uid), configHash: null });
    this.goneSince.delete(`${key}/${uid}`);
  }

  govern(): void {
    const { random } = this;
    const rules = NAMESPACES.filter(() => random(2)).map((namespace) => ({
      namespace,
      ...(random(2) && { maxCheckpoints: 1 + random(3) }),
      ...(random(3) === 0 && { timeThreshold: `${1 + random(4)}h` }),
      ...(random(2) && { retainOrphan: false }),
      ...(random(4) === 0 && { keepLast: 1 }),
    }));
    const ok = rules.map((rule) => (rule.keepLast ? { ...rule, maxCheckpoints: 2 } : rule));
    this.told('policies', JSON.stringify(ok));
    const breaker = { circuitBreaker: { maxShare: '100%' } };
    this.resources = random(5) === 0 ? [] : [policy({ ...breaker, namespacePolicies: ok })];
    this.bench.source.set(...this.resources);
  }

  told(what: string, about: string): string {
    this.history.push(`${new Date(this.bench.clock.now()).toISOString()} ${what} ${about}`);
    return about;
  }
}

describe('collector, whatever happens', () => {
  it(`deletes only what the truth asks to delete (${RUNS} runs)`, async () => {
    let deletions = 0;
    for (let seed = 1; seed <= RUNS; seed += 1) {
      const truth = new Truth(seed);
      await truth.bench.start();
      for (let event = 0; event < EVENTS; event += 1) {
        truth.act();
        // At least so long that a hint of the watch arrives.
        await truth.bench.clock.advance(truth.random(3) ? 100 : truth.random(20 * MINUTE) + 100);
      }
      await truth.bench.clock.advance(2 * MINUTE);
      assert.ok(!truth.bench.names.includes('†'), `a tombstone is left, seed ${seed}`);
      await truth.bench.collector.stop();
      if (truth.fault !== null) throw truth.fault;
      const crashed = truth.bench.log.matching(/ended early/);
      assert.deepEqual(crashed, [], `seed ${seed}`);
      deletions += truth.deletions;
    }
    assert.ok(deletions > RUNS, `only ${deletions} deletions were judged`);
  });
});
