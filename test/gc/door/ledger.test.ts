import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Ledger } from '../../../gc/door/ledger.ts';
import { fileLedgerStore } from '../../../gc/door/ledger-store.ts';
import { Settler } from '../../../gc/door/settler.ts';
import { FakeClock } from '../fake-clock.ts';
import { archiveAt, FakeDirectory, fileOf } from './fake-directory.ts';
import { MemoryJournal } from './memory-store.ts';

const CART = { namespace: 'shop', pod: 'cart', container: 'main' };
const TILL = { namespace: 'shop', pod: 'till', container: 'main' };
const DISK = { totalBytes: 1e9, freeBytes: 1e9, totalInodes: 1e6, freeInodes: 1e6 };

class Bench {
  readonly clock = new FakeClock();
  readonly directory = new FakeDirectory();
  readonly journal = new MemoryJournal();
  readonly warnings: string[] = [];
  ledger = this.open();

  open(store = this.journal.store({ alive: true })): Ledger {
    const warn = (_: object, message: string) => void this.warnings.push(message);
    this.ledger = new Ledger({
      store,
      directory: this.directory,
      now: () => this.clock.now(),
      log: { info() {}, warn, error: warn },
    });
    return this.ledger;
  }

  /** How much is counted of the namespace: archives, and promises. */
  counted(): [archives: number, reservations: number] {
    const { archives, reservations } = this.ledger.usage(CART, DISK);
    return [archives.length, reservations.length];
  }

  get now(): number {
    return this.clock.now();
  }
}

test('a promise counts until its archive is seen whole, then the archive does, in one step', () => {
  const bench = new Bench();
  const { id } = bench.ledger.reserve(CART, 'uid', 500);
  assert.deepEqual(bench.counted(), [0, 1]);
  const file = fileOf(CART, bench.now);
  bench.ledger.answered(id, file);
  assert.deepEqual(bench.counted(), [0, 1], 'named, and not there');
  bench.directory.put(archiveAt(CART, bench.now, { state: 'growing', bytes: 700 }));
  assert.deepEqual(bench.counted(), [1, 0], 'there, and the kubelet says it is whole');
  const usage = bench.ledger.usage(CART, DISK);
  assert.deepEqual([...usage.young], [file]);
  assert.equal(usage.archives[0]?.bytes, 700);
  bench.directory.put(archiveAt(CART, bench.now));
  assert.deepEqual(bench.counted(), [1, 0]);
  assert.deepEqual(bench.ledger.reserved(), []);
  assert.equal(bench.ledger.lastBytes(CART), 1_000);
});

test('a directory that was not scanned yet lets no promise go, and no claim', () => {
  const bench = new Bench();
  const { id } = bench.ledger.reserve(CART, 'uid', 500);
  bench.ledger.failed(id);
  const later = bench.now + 1_000;
  bench.directory.put(archiveAt(CART, later));
  bench.ledger.settle();
  // Two hours pass without a process; then one that scans.
  bench.ledger.lost(bench.ledger.reserve(TILL, 'uid', 500).id);
  bench.clock.set(bench.now + 2 * 3_600_000);
  bench.directory.state = { ok: false, reason: 'the directory was not scanned yet' };
  const ledger = bench.open();
  ledger.settle();
  assert.deepEqual(
    ledger.reserved().map(({ pod }) => pod),
    ['till'],
  );
  bench.clock.set(bench.now + 3_600_000);
  ledger.settle();
  assert.deepEqual(ledger.reserved(), [], 'nor for ever');
});

test('an archive of before is nobody’s promise', () => {
  const bench = new Bench();
  bench.directory.put(archiveAt(CART, bench.now - 60_000));
  bench.ledger.lost(bench.ledger.reserve(CART, 'uid', 500).id);
  assert.deepEqual(bench.counted(), [1, 1]);
});

test('an archive that says it is from the future is nobody’s promise', () => {
  const bench = new Bench();
  bench.directory.put(archiveAt(CART, bench.now + 60_000));
  bench.ledger.lost(bench.ledger.reserve(CART, 'uid', 500).id);
  assert.deepEqual(bench.counted(), [1, 1]);
});

test('an archive taken behind the door’s back keeps no promise while the kubelet is at it', () => {
  const bench = new Bench();
  const { id } = bench.ledger.reserve(CART, 'uid', 500);
  bench.directory.put(archiveAt(CART, bench.now + 100));
  assert.deepEqual(bench.counted(), [1, 1]);
  bench.ledger.answered(id, fileOf(CART, bench.now + 5_000));
  assert.deepEqual(bench.counted(), [1, 1], 'the kubelet has named another');
});

test('one archive keeps one promise, of two the older', async () => {
  const bench = new Bench();
  const first = bench.ledger.reserve(CART, 'uid', 500);
  bench.ledger.failed(first.id);
  await bench.clock.advance(2_000);
  const second = bench.ledger.reserve(CART, 'uid', 500);
  bench.ledger.failed(second.id);
  bench.directory.put(archiveAt(CART, bench.now + 100));
  assert.deepEqual(bench.counted(), [1, 1]);
  assert.deepEqual(
    bench.ledger.reserved().map(({ id }) => id),
    [second.id],
  );
  assert.deepEqual(bench.counted(), [1, 1], 'and never the other one too');
  bench.open();
  assert.deepEqual(bench.counted(), [1, 1], 'nor after a restart');
});

test('another container’s archive keeps no promise, not even under the same name', () => {
  const bench = new Bench();
  const [one, other] = [
    { namespace: 'a', pod: 'twin', container: 'b-c' },
    { namespace: 'a-b', pod: 'twin', container: 'c' },
  ];
  const { id } = bench.ledger.reserve(one, 'uid', 500);
  bench.ledger.answered(id, fileOf(one, bench.now));
  assert.equal(fileOf(one, bench.now), fileOf(other, bench.now));
  bench.directory.put(archiveAt(other, bench.now));
  bench.ledger.settle();
  assert.equal(bench.ledger.reserved().length, 1);
});

test('it lapses when after the quiet time a scan has shown nothing, and only then', () => {
  const bench = new Bench();
  bench.ledger.failed(bench.ledger.reserve(CART, 'uid', 500).id);
  const due = bench.ledger.nextLapse() ?? 0;
  assert.equal(due, bench.now + 10_000);
  bench.clock.set(due);
  bench.ledger.settle();
  assert.deepEqual(bench.counted(), [0, 1], 'nobody has looked');
  bench.ledger.settle(due - 1);
  assert.deepEqual(bench.counted(), [0, 1], 'the look began too early');
  bench.directory.put(archiveAt(CART, due, { state: 'growing' }));
  bench.ledger.settle(due);
  assert.deepEqual(bench.counted(), [0, 1], 'one is being written');
  bench.directory.put(archiveAt(CART, due, { state: 'complete', identity: null }));
  bench.directory.state = { ok: false, reason: 'gone' };
  bench.ledger.settle(due);
  assert.equal(bench.ledger.reserved().length, 1, 'the directory is gone');
  bench.directory.state = { ok: true };
  bench.ledger.settle(due);
  assert.deepEqual(bench.ledger.reserved(), [], 'what was written names nobody: a part of an archive');
});

test('a directory that stays unreadable does not hold a promise for ever', () => {
  const bench = new Bench();
  bench.ledger.failed(bench.ledger.reserve(CART, 'uid', 500).id);
  bench.directory.state = { ok: false, reason: 'gone' };
  bench.clock.set((bench.ledger.nextLapse() ?? 0) + 3_600_000);
  bench.ledger.settle();
  assert.deepEqual(bench.ledger.reserved(), []);
});

test('a clock that is set back prolongs no promise', () => {
  const bench = new Bench();
  bench.ledger.failed(bench.ledger.reserve(CART, 'uid', 500).id);
  bench.clock.set(bench.now - 86_400_000);
  assert.equal(bench.ledger.nextLapse(), bench.now, 'it is to be looked at now');
  bench.ledger.settle(bench.now);
  const lapse = bench.ledger.nextLapse() ?? 0;
  assert.equal(lapse - bench.now, 30_000);
  bench.clock.set(lapse);
  bench.ledger.settle(lapse);
  assert.deepEqual(bench.ledger.reserved(), []);
});

test('the more is expected, the longer it is waited for, up to ten minutes', () => {
  const bench = new Bench();
  const waits = [0, 600_000_000, 1e15].map((bytes) => {
    const { id } = bench.ledger.reserve(CART, 'uid', bytes);
    bench.ledger.lost(id);
    return (bench.ledger.reserved().find((each) => each.id === id)?.until ?? 0) - bench.now;
  });
  assert.deepEqual(waits, [30_000, 60_000, 600_000]);
});

test('the settler looks at everything once it may have lapsed: what the watch has missed is found', async () => {
  const bench = new Bench();
  const { ledger, directory, clock } = bench;
  const settler = new Settler({ ledger, directory, clock, log: { info() {}, warn() {}, error() {} } });
  ledger.failed(ledger.reserve(CART, 'uid', 500).id);
  ledger.failed(ledger.reserve(TILL, 'uid', 500).id);
  directory.hidden.push(archiveAt(CART, clock.now() + 3_000));
  settler.wake();
  await clock.advance(9_999);
  assert.equal(directory.scans, 0);
  await clock.advance(1);
  assert.equal(directory.scans, 1);
  assert.deepEqual(bench.counted(), [1, 0]);
  await clock.advance(60_000);
  assert.equal(directory.scans, 1, 'and is quiet again');
  await settler.stop();
});

test('when a container’s checkpoint last began', async () => {
  const bench = new Bench();
  const began = () => bench.ledger.usage(CART, DISK).lastStarted;
  assert.equal(began(), undefined);
  const start = Math.floor(bench.now / 1_000) * 1_000 - 50_000;
  bench.directory.put(archiveAt(CART, start + 700, { file: fileOf(CART, start) }));
  assert.equal(began(), start, 'by the name of its archive');
  const { id } = bench.ledger.reserve(CART, 'uid', 500);
  const reserved = bench.now;
  assert.equal(began(), reserved, 'by what is promised');
  bench.ledger.drop(id);
  assert.equal(began(), start, 'nothing was done');
  const again = bench.ledger.reserve(CART, 'uid', 500);
  bench.ledger.answered(again.id, fileOf(CART, bench.now));
  bench.directory.put(archiveAt(CART, bench.now));
  bench.ledger.settle();
  bench.directory.remove(fileOf(CART, bench.now));
  bench.open();
  assert.equal(began(), reserved, 'by what is remembered');
  bench.clock.set(reserved - 86_400_000);
  assert.equal(began(), undefined, 'a clock that was set back');
});

test('what nobody can read in the journal is left out, and told; an unfinished last line is not worth a word', () => {
  const bench = new Bench();
  bench.ledger.reserve(CART, 'uid', 500);
  bench.journal.text += '{"op":"reserve","id":';
  bench.open();
  assert.deepEqual(bench.warnings, []);
  assert.equal(bench.ledger.reserved().length, 1);
  bench.journal.text = `null\n[]\n{"op":"steal"}\n{"op":"end","id":"x"}\n${bench.journal.text}`;
  bench.open();
  assert.match(bench.warnings.join(), /^4 lines of the door's ledger cannot be read/);
  assert.equal(bench.ledger.reserved().length, 1);
});

test('the journal stays short', () => {
  const bench = new Bench();
  for (let round = 0; round < 5_000; round += 1) {
    bench.ledger.drop(bench.ledger.reserve(CART, 'uid', 500).id);
  }
  assert.ok((bench.journal.text ?? '').split('\n').length < 1_100);
});

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'door-ledger-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'state');
}

test('the journal is a file that only its owner reads', (t) => {
  const state = scratch(t);
  const bench = new Bench();
  bench.open(fileLedgerStore(state));
  bench.ledger.reserve(CART, 'uid', 500);
  const file = join(state, 'door-ledger.jsonl');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  appendFileSync(file, '{"op":"dr');
  bench.open(fileLedgerStore(state));
  assert.deepEqual(
    bench.ledger.reserved().map(({ state }) => state),
    ['ended'],
  );
  assert.doesNotMatch(readFileSync(file, 'utf8'), /"dr$/);
});

test('a ledger that cannot be kept is told in a sentence at the start', (t) => {
  const state = scratch(t);
  writeFileSync(state, '');
  assert.throws(
    () => new Bench().open(fileLedgerStore(state)),
    /ledger cannot be read: it is not a directory/,
  );
});
