import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readTombstone } from '../../gc/deleting/tombstones.ts';
import type { FileName, FileSystem } from '../../gc/system/files.ts';
import { CollectorBench, type FakeSource, HOUR, type HookedFiles, named, policy } from './collector-bench.ts';

const OLD = policy({ namespacePolicies: [{ namespace: 'shop', timeThreshold: '5h' }] });
const KEEP_TWO = policy({ namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 2 }] });

class Crash extends Error {}

/** Of these files 1 to 3 go by either policy, 4 and 5 stay. */
function filled(files?: HookedFiles): CollectorBench {
  const bench = new CollectorBench([OLD], {}, files);
  if (files === undefined) {
    for (const number of [1, 2, 3]) bench.put(named(number), { ageMs: (20 - number) * HOUR });
    for (const number of [4, 5]) bench.put(named(number), { ageMs: HOUR });
    bench.files.real.write(bench.at('notes.txt'), 'not ours');
    bench.put('checkpoint-other.tar', { namespace: 'other', ageMs: 99 * HOUR });
  }
  return bench;
}

const STAYS = [named(4), named(5), 'checkpoint-other.tar', 'notes.txt'].sort();

/** Runs until call number `at`, at which the process dies: that call and all later ones fail. */
async function runAndDie(
  bench: CollectorBench,
  at: number,
  onCall: (n: number, operation: string, path: FileName) => void,
) {
  let calls = 0;
  const dying = (operation: keyof FileSystem, path: FileName) => {
    calls += 1;
    onCall(calls, operation, path);
    if (calls >= at) throw new Crash('crash');
  };
  bench.files.before = dying;
  await bench.collector.start().catch(() => {});
  await bench.collector.stop();
  bench.files.before = () => {};
  return calls;
}

/** A new process over the same directory, until what was just written stands still. */
async function restart(before: CollectorBench): Promise<CollectorBench> {
  const bench = filled(before.files);
  await bench.start();
  await bench.clock.advance(2_000);
  await bench.collector.stop();
  return bench;
}

function isTombstoned(bench: CollectorBench, file: string): boolean {
  return bench.rawNames.some((name) => readTombstone(name)?.file === file);
}

describe('a crash between any two steps', () => {
  it('loses nothing that is kept, and leaves no tombstone after the next start', async () => {
    const whole = filled();
    const calls = await runAndDie(whole, Number.POSITIVE_INFINITY, () => {});
    assert.deepEqual(whole.names, STAYS);
    for (let at = 1; at <= calls; at += 1) {
      const bench = filled();
      await runAndDie(bench, at, () => {});
      for (const name of STAYS) assert.ok(bench.names.includes(name), `${name} is gone, crash at ${at}`);
      const next = await restart(bench);
      assert.deepEqual(next.names, STAYS, `crash at call ${at}`);
    }
  });

  it('keeps an archive that was pinned at any moment before its last look', async () => {
    const doomed = named(2);
    const calls = await runAndDie(filled(), Number.POSITIVE_INFINITY, () => {});
    for (let pinAt = 1; pinAt <= calls; pinAt += 1) {
      for (const crashAt of [pinAt, pinAt + 1, pinAt + 2, pinAt + 3, Number.POSITIVE_INFINITY]) {
        const bench = filled();
        let isLate = false;
        await runAndDie(bench, crashAt, (n, operation, path) => {
          if (n !== pinAt) return;
          // Right before its unlink, or behind it: nothing can be done any more.
          const isUnlink = operation === 'unlink' && String(path).includes(doomed);
          isLate = !bench.names.includes(doomed) && (isUnlink || !isTombstoned(bench, doomed));
          bench.pin(doomed);
        });
        const next = await restart(bench);
        const kept = next.names.includes(doomed);
        assert.ok(kept || isLate, `pinned at call ${pinAt}, crash at ${crashAt}: ${next.names.join(' ')}`);
        assert.ok(!next.names.includes('†'), `a tombstone is left: pinned at ${pinAt}, crash at ${crashAt}`);
      }
    }
  });

  it('keeps what a runtime has put in the place of a doomed archive, at any moment', async () => {
    const doomed = named(1);
    const calls = await runAndDie(filled(), Number.POSITIVE_INFINITY, () => {});
    for (let at = 1; at <= calls; at += 1) {
      for (const crashAt of [at + 1, Number.POSITIVE_INFINITY]) {
        const bench = filled();
        await runAndDie(bench, crashAt, (n) => {
          if (n !== at) return;
          if (bench.names.includes(doomed)) bench.files.real.remove(bench.at(doomed));
          bench.put(doomed, { ageMs: 0 });
        });
        const next = await restart(bench);
        assert.ok(next.names.includes(doomed), `replaced at call ${at}, crash at ${crashAt}`);
        assert.ok(!next.names.includes('†'), `a tombstone is left: replaced at ${at}, crash at ${crashAt}`);
      }
    }
  });

  it('goes on with a count where it stopped: never fewer are left than allowed', async () => {
    const counting = (files?: HookedFiles) => {
      const bench = filled(files);
      (bench.source as FakeSource).set(KEEP_TWO);
      return bench;
    };
    const calls = await runAndDie(counting(), Number.POSITIVE_INFINITY, () => {});
    for (let at = 1; at <= calls; at += 1) {
      const bench = counting();
      await runAndDie(bench, at, () => {});
      const next = counting(bench.files);
      await next.start();
      await next.collector.stop();
      assert.deepEqual(next.names, STAYS, `crash at call ${at}`);
    }
  });
});
