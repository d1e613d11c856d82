import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ArchiveSet, type ArchiveTotals, type Known } from '../../../gc/inventory/archive-set.ts';
import type { Archive } from '../../../policy/types.ts';

function archiveNamed(file: string, more: Partial<Archive> = {}): Archive {
  return {
    file,
    bytes: 100,
    allocatedBytes: 4096,
    modifiedAt: 1,
    state: 'complete',
    pinned: false,
    identity: { namespace: 'shop', pod: 'cart', container: 'main', podUid: null },
    staleTailBytes: 0,
    orphan: null,
    ...more,
  };
}

function knownAs(archive: Archive): Known {
  return {
    archive,
    inode: 1,
    modifiedUs: 1,
    stillSince: 0,
    seenIn: 1,
    runtime: null,
    hint: null,
    early: null,
    readAgain: false,
    changedUs: null,
    isSettled: false,
    isWhole: false,
    isRecalled: false,
    isAsSeen: () => true,
    isTouched: () => false,
    told: undefined,
    at: 0,
  };
}

/** What the totals must be, counted anew. */
function counted(set: ArchiveSet): ArchiveTotals {
  const all = Array.from(set.values(), ({ archive }) => archive);
  const count = (of: (archive: Archive) => boolean) => all.filter(of).length;
  return {
    archives: all.length,
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    growing: count(({ state }) => state === 'growing'),
    pinned: count(({ pinned }) => pinned),
    unidentified: count(({ state, identity }) => state === 'complete' && identity === null),
    tainted: count(({ staleTailBytes }) => staleTailBytes > 0),
  };
}

function isOdd({ state, identity, staleTailBytes }: Archive): boolean {
  return state === 'complete' && (identity === null || staleTailBytes > 0);
}

describe('archive-set: changes', () => {
  it('tells what came, changed and went, once', () => {
    const set = new ArchiveSet();
    const known = knownAs(archiveNamed('a'));
    set.add(known);
    const first = set.takeChanges();
    assert.deepEqual(
      first.added.map(({ file }) => file),
      ['a'],
    );
    assert.deepEqual([...first.pods.keys()], ['shop']);
    assert.equal(first.unidentified, false);
    assert.deepEqual(set.takeChanges().added, []);

    const before = known.archive;
    set.put(known, { ...before, pinned: true });
    assert.deepEqual(set.takeChanges().modified, [{ before, after: known.archive }]);

    set.remove('a');
    assert.deepEqual(set.takeChanges().removed, [known.archive]);
    set.remove('a');
    assert.deepEqual(set.takeChanges().removed, []);
  });

  it('several changes of one are one change, from first to last', () => {
    const set = new ArchiveSet();
    const known = knownAs(archiveNamed('a', { state: 'growing', identity: null }));
    set.add(known);
    set.put(known, archiveNamed('a'));
    const { added, modified } = set.takeChanges();
    assert.deepEqual([added, modified], [[known.archive], []]);

    set.remove('a');
    const again = knownAs(archiveNamed('a', { bytes: 7 }));
    set.add(again);
    assert.deepEqual(set.takeChanges().modified, [{ before: known.archive, after: again.archive }]);
  });

  it('one that came and went was never there', () => {
    const set = new ArchiveSet();
    set.add(knownAs(archiveNamed('a')));
    set.remove('a');
    const { added, removed, pods } = set.takeChanges();
    assert.deepEqual([added, removed, [...pods.keys()]], [[], [], []]);
  });

  it('names the namespace it left and the one it came to, and those without', () => {
    const set = new ArchiveSet();
    set.add(knownAs(archiveNamed('a')));
    set.takeChanges();
    const identity = { namespace: 'other', pod: 'p', container: 'c', podUid: null };
    set.add(knownAs(archiveNamed('a', { identity })));
    set.add(knownAs(archiveNamed('b', { identity: null })));
    const { pods, unidentified } = set.takeChanges();
    assert.deepEqual([...pods.keys()].sort(), ['other', 'shop']);
    assert.equal(unidentified, true);
  });

  it('one that grows is of no namespace, and not unidentified', () => {
    const set = new ArchiveSet();
    set.add(knownAs(archiveNamed('a', { state: 'growing', identity: null })));
    const { pods, unidentified } = set.takeChanges();
    assert.deepEqual([[...pods.keys()], unidentified], [[], false]);
    assert.deepEqual([...set.odd], []);
    assert.equal([...set.growing].length, 1);
  });

  it('refuses what is not in it', () => {
    const set = new ArchiveSet();
    assert.throws(() => set.put(knownAs(archiveNamed('a')), archiveNamed('a')), /not in the set/);
  });
});

describe('archive-set: invariants', () => {
  const archive = fc.record({
    file: fc.constantFrom('a', 'b', 'c', 'd'),
    bytes: fc.nat(1000),
    pinned: fc.boolean(),
    state: fc.constantFrom('growing' as const, 'complete' as const),
    namespace: fc.constantFrom('x', 'y', null),
    staleTailBytes: fc.constantFrom(0, 5),
    modifiedAt: fc.nat(3),
  });
  const step = fc.oneof(
    archive.map((given) => ({ does: 'add' as const, given })),
    archive.map((given) => ({ does: 'put' as const, given })),
    fc.constantFrom('a', 'b', 'c', 'd').map((file) => ({ does: 'remove' as const, file })),
    fc.constant({ does: 'clear' as const }),
  );

  it('totals, groups and changes are what counting anew says, whatever happened', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const set = new ArchiveSet();
        const told = new Map<string, Archive>();
        for (const each of steps) {
          if (each.does === 'remove') set.remove(each.file);
          if (each.does === 'clear') set.clear();
          if (each.does === 'add' || each.does === 'put') {
            const { namespace, ...rest } = each.given;
            const named = rest.state === 'complete' && namespace !== null;
            const identity = named ? { namespace, pod: 'p', container: 'c', podUid: null } : null;
            const given = archiveNamed(rest.file, { ...rest, identity });
            const old = set.get(rest.file);
            if (each.does === 'put' && old !== undefined) set.put(old, given);
            else set.add(knownAs(given));
          }
          assert.deepEqual(set.totals, counted(set));
          const all = Array.from(set.values(), ({ archive }) => archive);
          const odd = Array.from(set.odd, ({ archive }) => archive);
          assert.deepEqual(new Set(odd), new Set(all.filter(isOdd)));
          for (const { modifiedAt } of all) assert.ok(modifiedAt <= set.newest);
          for (const namespace of ['x', 'y']) {
            const expected = all.filter(({ identity }) => identity?.namespace === namespace);
            assert.deepEqual(new Set(set.of(namespace)), new Set(expected));
            assert.deepEqual(new Set(set.of(namespace, 'p')), new Set(expected));
            assert.deepEqual([...set.podsOf(namespace)], expected.length > 0 ? ['p'] : []);
            const bytes = expected.reduce((sum, each) => sum + each.bytes, 0);
            assert.deepEqual(set.holding(namespace), { archives: expected.length, bytes });
          }
          if (steps.indexOf(each) % 3 !== 0) continue;
          const { added, modified, removed } = set.takeChanges();
          for (const one of added) told.set(one.file, one);
          for (const { before, after } of modified) {
            assert.equal(told.get(before.file), before);
            told.set(after.file, after);
          }
          for (const one of removed) told.delete(one.file);
          const now = new Map(Array.from(set.values(), (known) => [known.archive.file, known.archive]));
          assert.deepEqual(told, now);
        }
      }),
    );
  });
});
