import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { smallArchive } from './archives.ts';
import { CollectorBench, DIRECTORY, HOUR, MINUTE, named, policy } from './collector-bench.ts';
import { settled } from './fake-clock.ts';

const KEEP_TWO = policy({ namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 2 }] });
const KEEP_THREE = policy({ namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 3 }] });

/** Four archives of one pod, the first the oldest. */
function four(bench: CollectorBench): string[] {
  for (const number of [1, 2, 3, 4]) bench.put(named(number), { ageMs: (10 - number) * HOUR });
  return [named(1), named(2), named(3), named(4)];
}

function fails(bench: CollectorBench, code: string, operation: string, start = ''): void {
  bench.files.before = (each, path) => {
    if (each === operation && String(path).includes(start)) throw Object.assign(new Error(code), { code });
  };
}

describe('collector: what it deletes', () => {
  it('what a policy asks for, and tells it in log, audit and metrics', async () => {
    const bench = new CollectorBench([KEEP_TWO], { nodeName: 'worker-1' });
    four(bench);
    await bench.start();
    assert.deepEqual(bench.names, [named(3), named(4)]);
    // Two at a time: either may be done first.
    const line = bench.log.matching(/^deleted$/).find(({ fields }) => fields.archive === named(1));
    assert.deepEqual(line?.fields, {
      archive: named(1),
      policy: 'namespace/shop',
      resource: 'ops/quotas',
      rule: 'count',
      reason: line?.fields.reason,
      bytes: 9216,
      namespace: 'shop',
      pod: 'cart',
      container: 'main',
    });
    assert.match(String(line?.fields.reason), /has 4 archives, 2 allowed/);
    const record = bench.audit.find(({ resource }) => resource.file === named(1));
    assert.equal(record?.operation, 'delete');
    assert.deepEqual(record?.resource, {
      node: 'worker-1',
      directory: DIRECTORY,
      file: named(1),
      namespace: 'shop',
      pod: 'cart',
      container: 'main',
      podUid: 'uid-1',
    });
    assert.equal(record?.metadata.by, 'checkpoint-warden');
    assert.equal(record?.metadata.rule, 'count');
    const text = await bench.metrics.registry.metrics();
    assert.match(text, /checkpoint_warden_deletions_total\{rule="count"\} 2/);
    assert.match(text, /checkpoint_warden_archives\{state="identified"\} 2/);
    await bench.collector.stop();
  });

  it('nothing without a policy, and says so once', async () => {
    const bench = new CollectorBench([]);
    const all = four(bench);
    await bench.start();
    await bench.clock.advance(3 * MINUTE);
    assert.deepEqual(bench.names, all);
    assert.equal(bench.log.matching(/no policy acts on/).length, 1);
    await bench.collector.stop();
  });

  it('an archive that has come, when the watch hints at it and it stands still', async () => {
    const bench = new CollectorBench([KEEP_THREE]);
    four(bench);
    await bench.start();
    assert.equal(bench.names.length, 3);
    bench.put(named(5), { ageMs: 0 });
    await bench.clock.advance(500);
    assert.equal(bench.names.length, 4);
    await bench.clock.advance(3_000);
    assert.deepEqual(bench.names, [named(3), named(4), named(5)]);
    assert.deepEqual(
      bench.audit.map(({ operation, resource }) => `${operation} ${resource.file}`),
      [`delete ${named(1)}`, `create ${named(5)}`, `delete ${named(2)}`],
    );
    await bench.collector.stop();
  });

  it('an archive that came without a hint, at the next scan', async () => {
    const bench = new CollectorBench([KEEP_THREE]);
    fails(bench, 'ENOSPC', 'watch');
    await bench.start();
    assert.equal(bench.log.matching(/in place of being watched/).length, 1);
    four(bench);
    await bench.clock.advance(12_000);
    assert.deepEqual(bench.names, [named(2), named(3), named(4)]);
    await bench.collector.stop();
  });

  it('an archive whose age limit is reached, at that moment', async () => {
    const bench = new CollectorBench([
      policy({ namespacePolicies: [{ namespace: 'shop', timeThreshold: '2h' }] }),
    ]);
    bench.put(named(1), { ageMs: HOUR });
    await bench.start();
    await bench.clock.advance(HOUR - 1);
    assert.deepEqual(bench.names, [named(1)]);
    await bench.clock.advance(200);
    assert.deepEqual(bench.names, []);
    await bench.collector.stop();
  });

  it('an age limit of a hundred days needs no timer of a hundred days', async () => {
    const bench = new CollectorBench([
      policy({ namespacePolicies: [{ namespace: 'shop', timeThreshold: '100d' }] }),
    ]);
    bench.put(named(1));
    await bench.start();
    await bench.clock.advance(5 * MINUTE);
    assert.deepEqual(bench.names, [named(1)]);
    await bench.collector.stop();
  });

  it('nothing in a dry run, which tells each decision once', async () => {
    const bench = new CollectorBench([KEEP_TWO], { dryRun: true });
    const all = four(bench);
    await bench.start();
    await bench.clock.advance(5 * MINUTE);
    assert.deepEqual(bench.names, all);
    const told = bench.log.matching(/would be deleted/).map(({ fields }) => fields.archive);
    assert.deepEqual(told, [named(1), named(2)]);
    assert.deepEqual(bench.audit, []);
    await bench.collector.stop();
  });

  it('records what others do to archives', async () => {
    const bench = new CollectorBench([]);
    four(bench);
    await bench.start();
    bench.files.real.remove(bench.at(named(1)));
    bench.put(named(2), { ageMs: 0, pod: 'till' });
    await bench.clock.advance(5_000);
    assert.deepEqual(
      bench.audit.map(({ operation, resource, metadata }) => [
        operation,
        resource.file,
        resource.pod,
        metadata.by,
      ]),
      [
        ['delete', named(1), 'cart', 'others'],
        ['modify', named(2), 'till', undefined],
      ],
    );
    await bench.collector.stop();
  });

  it('does not take what was there before the start for a new checkpoint', async () => {
    const lazy = policy({ applyPoliciesImmediately: false, globalPolicy: { maxCheckpointSize: '1Ki' } });
    const bench = new CollectorBench([]);
    // Half-written: it wants a second look before it counts as standing still.
    bench.files.real.write(bench.at(named(1)), 'half an archive', bench.clock.now() - HOUR);
    bench.put(named(2));
    await bench.start();
    bench.source.set(lazy);
    await bench.clock.advance(MINUTE);
    assert.equal(bench.parts.inventory.get(named(1))?.state, 'complete');
    assert.equal(bench.audit.length, 0);
    assert.deepEqual(bench.names, [named(1), named(2)]);
    bench.files.real.write(bench.at(named(1)), 'half another archive', bench.clock.now());
    await bench.clock.advance(5_000);
    assert.deepEqual(
      bench.audit.map(({ operation, resource }) => `${operation} ${resource.file}`),
      [`modify ${named(1)}`, `delete ${named(2)}`],
    );
    await bench.collector.stop();
  });

  it('sees what has changed while it scanned for the first time', async () => {
    const bench = new CollectorBench([KEEP_THREE]);
    four(bench);
    const opened = Promise.withResolvers<void>();
    let late = false;
    bench.files.before = (operation) => {
      if (operation !== 'open' || late) return;
      late = true;
      bench.put(named(5), { ageMs: 30 * MINUTE });
      opened.resolve();
    };
    await bench.start();
    await opened.promise;
    await bench.clock.advance(2_000);
    assert.deepEqual(bench.names, [named(3), named(4), named(5)]);
    await bench.collector.stop();
  });

  it('evicts for disk pressure only while the disk is over its watermark', async () => {
    const bench = new CollectorBench([
      policy({ globalPolicy: { diskPressure: { highWatermark: '90%', lowWatermark: '80%' } } }),
    ]);
    const all = four(bench);
    const disk = { totalBytes: 100 * 12288, totalInodes: 1e6, freeInodes: 1e6 };
    bench.files.real.disk = { ...disk, freeBytes: 11 * 12288 };
    await bench.start();
    assert.deepEqual(bench.names, all);
    bench.files.real.disk = { ...disk, freeBytes: 9 * 12288 };
    const unlinked: string[] = [];
    bench.files.before = (operation, path) => {
      if (operation !== 'unlink') return;
      unlinked.push(String(path));
      bench.files.real.disk = { ...disk, freeBytes: bench.files.real.disk.freeBytes + 12288 };
    };
    await bench.clock.advance(2 * MINUTE);
    assert.deepEqual(bench.names, []);
    assert.equal(bench.log.matching(/no more archives can be evicted/).length, 1);
    await bench.collector.stop();
  });

  it('no more for disk pressure when the file system is late to show what was freed', async () => {
    const bench = new CollectorBench([
      policy({ globalPolicy: { diskPressure: { highWatermark: '90%', lowWatermark: '90%' } } }),
    ]);
    four(bench);
    const full = { totalBytes: 100 * 12288, totalInodes: 1e6, freeInodes: 1e6, freeBytes: 9 * 12288 };
    bench.files.real.disk = full;
    await bench.start();
    bench.put('checkpoint-other.tar', { namespace: 'other' });
    await bench.clock.advance(10_000);
    assert.deepEqual(bench.names, [named(2), named(3), named(4), 'checkpoint-other.tar']);
    bench.files.real.disk = { ...full, freeBytes: 10 * 12288 };
    await bench.clock.advance(5 * MINUTE);
    assert.deepEqual(bench.names, [named(2), named(3), named(4), 'checkpoint-other.tar']);
    await bench.collector.stop();
  });

  it('one by one for disk pressure when deletions give nothing back, and says so once', async () => {
    const bench = new CollectorBench([
      policy({ globalPolicy: { diskPressure: { highWatermark: '90%', lowWatermark: '80%' } } }),
    ]);
    for (let number = 1; number <= 40; number += 1) bench.put(named(number), { ageMs: (60 - number) * HOUR });
    // Another process holds all of them open.
    bench.files.real.disk = { totalBytes: 100 * 12288, totalInodes: 1e6, freeInodes: 1e6, freeBytes: 12288 };
    await bench.start();
    assert.equal(bench.names.length, 21, 'down to the low watermark, as it would seem');
    await bench.clock.advance(10 * MINUTE);
    assert.equal(bench.names.length, 18, 'then one after a minute, after two more, and four');
    const [line, ...others] = bench.log.matching(/should have given .* back to the disk, and it shows 0B/);
    assert.deepEqual([line?.level, others], ['error', []]);
    // It ends.
    bench.files.real.disk = { ...bench.files.real.disk, freeBytes: 50 * 12288 };
    await bench.clock.advance(30 * MINUTE);
    assert.equal(bench.names.length, 18);
    bench.files.real.disk = { ...bench.files.real.disk, freeBytes: 2 * 12288 };
    bench.files.before = (operation) => {
      const { disk } = bench.files.real;
      if (operation === 'unlink') bench.files.real.disk = { ...disk, freeBytes: disk.freeBytes + 12288 };
    };
    await bench.clock.advance(30 * MINUTE);
    assert.equal(bench.names.length, 0);
    assert.equal(bench.log.matching(/deletions give room back to the disk again/).length, 1);
    await bench.collector.stop();
  });

  it('others for disk pressure where an archive cannot be deleted', async () => {
    const bench = new CollectorBench([
      policy({ globalPolicy: { diskPressure: { highWatermark: '90%', lowWatermark: '90%' } } }),
    ]);
    four(bench);
    const disk = { totalBytes: 100 * 12288, totalInodes: 1e6, freeInodes: 1e6 };
    bench.files.real.disk = { ...disk, freeBytes: 9 * 12288 };
    bench.files.before = (operation, path) => {
      const { freeBytes } = bench.files.real.disk;
      if (operation === 'rename' && String(path).endsWith(named(1)))
        throw Object.assign(new Error('immutable'), { code: 'EPERM' });
      if (operation === 'unlink') bench.files.real.disk = { ...disk, freeBytes: freeBytes + 12288 };
    };
    await bench.start();
    await bench.clock.advance(2 * MINUTE);
    assert.deepEqual(bench.names, [named(1), named(3), named(4)]);
    assert.equal(bench.log.matching(/rename failed/).length, 1);
    await bench.collector.stop();
  });

  it('nothing for disk pressure when the disk cannot be measured, and says so once', async () => {
    const bench = new CollectorBench([
      policy({ globalPolicy: { diskPressure: { highWatermark: '1%', lowWatermark: '0%' } } }),
    ]);
    const all = four(bench);
    fails(bench, 'EIO', 'statfs');
    await bench.start();
    await bench.clock.advance(5 * MINUTE);
    assert.deepEqual(bench.names, all);
    assert.equal(bench.log.matching(/the disk cannot be measured/).length, 1);
    await bench.collector.stop();
  });
});

describe('collector: when it must not delete', () => {
  it('while the policies are not known', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    const all = four(bench);
    const started = Promise.withResolvers<void>();
    bench.source.started = started.promise;
    const starting = bench.collector.start();
    await bench.clock.advance(HOUR);
    assert.deepEqual(bench.names, all);
    started.resolve();
    await starting;
    assert.equal(bench.names.length, 2);
    await bench.collector.stop();
  });

  it('while nobody knows whether the first answer is current', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    const all = four(bench);
    bench.source.isFreshNow = false;
    await bench.start();
    await bench.clock.advance(HOUR);
    assert.deepEqual(bench.names, all);
    bench.source.isFreshNow = true;
    await bench.clock.advance(2 * MINUTE);
    assert.equal(bench.names.length, 2);
    await bench.collector.stop();
  });

  it('but it goes on with the last known policies when the source loses contact', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    await bench.start();
    bench.source.isFreshNow = false;
    four(bench);
    await bench.clock.advance(2 * MINUTE);
    assert.equal(bench.names.length, 2);
    assert.equal(bench.log.matching(/whether the policies are current/).length, 1);
    await bench.collector.stop();
  });

  it('when the directory is missing, a file, unreadable: and goes on when it is there', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    await bench.start();
    const { real } = bench.files;
    real.remove(DIRECTORY);
    await bench.clock.advance(2 * MINUTE);
    real.write(DIRECTORY, 'a file');
    await bench.clock.advance(2 * MINUTE);
    real.remove(DIRECTORY);
    real.mkdir(DIRECTORY);
    four(bench);
    fails(bench, 'EACCES', 'list');
    await bench.clock.advance(2 * MINUTE);
    assert.equal(bench.names.length, 4);
    bench.files.before = () => {};
    await bench.clock.advance(2 * MINUTE);
    assert.equal(bench.names.length, 2);
    assert.equal(bench.log.matching(/nothing is deleted until it can be read again/).length, 3);
    await bench.collector.stop();
  });

  it('when the directory is swapped between the plan and the deletion', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    four(bench);
    let swapped = false;
    // The plan is made; the enforcer begins with a look at the directory.
    bench.files.before = (operation) => {
      if (operation !== 'exists' || swapped) return;
      swapped = true;
      bench.files.real.remove(DIRECTORY);
      bench.files.real.mkdir(DIRECTORY);
      for (const number of [1, 2]) bench.put(named(number), { ageMs: 20 * HOUR, uid: 'other' });
    };
    await bench.start();
    await bench.clock.advance(5 * MINUTE);
    assert.deepEqual(bench.names, [named(1), named(2)]);
    await bench.collector.stop();
  });

  it('an archive that changes, is pinned or whose plan changes between two deletions', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    four(bench);
    // When the first is about to be renamed, somebody deletes the youngest: then only one is too many.
    let done = false;
    bench.files.before = (operation) => {
      if (operation !== 'rename' || done) return;
      done = true;
      bench.source.set(KEEP_THREE);
    };
    await bench.start();
    await bench.clock.advance(MINUTE);
    assert.deepEqual(bench.names, [named(2), named(3), named(4)]);
    await bench.collector.stop();
  });

  it('for its age, while the clock may be wrong', async () => {
    const bench = new CollectorBench([
      policy({ namespacePolicies: [{ namespace: 'shop', timeThreshold: '30d', maxCheckpoints: 3 }] }),
    ]);
    four(bench);
    await bench.start();
    assert.equal(bench.names.length, 3);
    const right = bench.clock.now();
    bench.clock.set(right + 365 * 24 * HOUR);
    await bench.clock.advance(3 * MINUTE);
    assert.equal(bench.names.length, 3);
    bench.clock.set(bench.clock.now() - 365 * 24 * HOUR);
    await bench.clock.advance(30 * MINUTE);
    assert.equal(bench.names.length, 3);
    assert.deepEqual(
      bench.log.matching(/the clock/).map(({ message }) => message.split(';')[0]),
      ['the clock was set ahead by 365d', 'the clock was set back by 365d', 'the clock goes as it should'],
    );
    // One that stays there is believed.
    bench.clock.set(right + 365 * 24 * HOUR);
    await bench.clock.advance(9 * MINUTE);
    assert.equal(bench.names.length, 3);
    await bench.clock.advance(3 * MINUTE);
    assert.equal(bench.names.length, 0);
    await bench.collector.stop();
  });

  it('goes on scanning when the clock is set back', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    await bench.start();
    const before = bench.files.real.calls.list;
    bench.clock.set(bench.clock.now() - 24 * HOUR);
    await bench.clock.advance(HOUR);
    assert.ok(bench.files.real.calls.list - before > 50);
    const least = bench.files.real.calls.list;
    bench.clock.set(bench.clock.now() - 119_000);
    await bench.clock.advance(70_000);
    assert.ok(bench.files.real.calls.list > least, 'nor does it wait until the clock has caught up');
    await bench.collector.stop();
  });

  it('takes an archive from the future for no news at each start', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    bench.put(named(1), { ageMs: -HOUR });
    await bench.start();
    await bench.clock.advance(5_000);
    assert.equal(bench.parts.inventory.get(named(1))?.state, 'complete');
    assert.deepEqual(bench.audit, []);
    await bench.collector.stop();
  });

  it('tells once of each archive that is not as it should be, and of no other', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    bench.put(named(1));
    bench.files.real.write(bench.at(named(2)), 'no tar', bench.clock.now() - HOUR);
    const stale = Buffer.concat([smallArchive(), Buffer.alloc(512, 1)]);
    bench.files.real.write(bench.at(named(3)), stale, bench.clock.now() - HOUR);
    await bench.start();
    const told = () =>
      bench.log.lines.flatMap(({ fields, message }) => (fields.archive ? [[fields.archive, message]] : []));
    assert.deepEqual(
      told().map(([file]) => file),
      [named(3)],
    );
    assert.match(String(told()[0]?.[1]), /^512B stand behind its end marker/);
    // What is no archive may still become one.
    await bench.clock.advance(100_000);
    assert.equal(told()[1]?.[0], named(2));
    assert.match(String(told()[1]?.[1]), /^cannot be attributed to a container/);
    assert.equal(told().length, 2);
    await bench.collector.stop();
  });

  it('tells of an archive from the future when it starts, and when one comes', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    bench.put(named(1));
    bench.put(named(2), { ageMs: -HOUR });
    await bench.start();
    const told = () => bench.log.matching(/lies in the future/).map(({ fields }) => fields.archive);
    // It may still be written for as long as any other.
    await bench.clock.advance(5_000);
    assert.deepEqual(told(), [named(2)]);
    bench.put(named(3), { ageMs: -HOUR });
    await bench.clock.advance(10_000);
    assert.deepEqual(told(), [named(2), named(3)]);
    await bench.collector.stop();
  });

  it('waits no longer than ever for another try when the clock is set back', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    four(bench);
    bench.files.before = (operation) => {
      if (operation === 'unlink') throw Object.assign(new Error('EIO'), { code: 'EIO' });
    };
    await bench.start();
    assert.deepEqual(bench.names, [named(3), named(4), '†', '†']);
    bench.files.before = () => {};
    bench.clock.set(bench.clock.now() - 24 * HOUR);
    await bench.clock.advance(14 * MINUTE);
    assert.deepEqual(bench.names, [named(3), named(4)]);
    await bench.collector.stop();
  });

  it('what could not be read for a moment, as if it were nobody’s', async () => {
    const unidentified = { unidentified: { timeThreshold: '30m' } };
    const bench = new CollectorBench([
      policy({ ...unidentified, namespacePolicies: [{ namespace: 'shop' }] }),
    ]);
    four(bench);
    bench.files.real.write(bench.at('checkpoint-half.tar'), 'half', bench.clock.now() - HOUR);
    bench.files.before = (operation, path) => {
      if (operation !== 'open' || String(path).includes('half')) return;
      throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
    };
    await bench.start();
    await bench.clock.advance(30 * MINUTE);
    assert.deepEqual(bench.names, [named(1), named(2), named(3), named(4)]);
    const { unread, unidentifiedBecause } = bench.parts.inventory.get(named(1)) ?? {};
    assert.deepEqual(
      [unread, unidentifiedBecause],
      [true, 'it could not be read: too many files are open (EMFILE)'],
    );
    bench.files.before = () => {};
    await bench.clock.advance(2 * MINUTE);
    assert.equal(bench.parts.inventory.get(named(1))?.identity?.namespace, 'shop');
    await bench.collector.stop();
  });

  it('goes on soon when its directory was another one for a moment', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    await bench.start();
    const { real } = bench.files;
    await real.rename(DIRECTORY, '/away');
    real.mkdir(DIRECTORY);
    await bench.parts.inventory.look(['checkpoint-1.tar']);
    assert.equal(bench.parts.inventory.state.ok, false);
    real.remove(DIRECTORY);
    await real.rename('/away', DIRECTORY);
    await bench.clock.advance(3_000);
    assert.equal(bench.parts.inventory.state.ok, true);
    await bench.collector.stop();
  });

  it('before the scan that the watch asks for, and not more often than every two seconds', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    await bench.start();
    const before = bench.files.real.calls.list;
    for (let time = 0; time < 10_000; time += 100) {
      bench.files.real.disturbWatches('nameless');
      await bench.clock.advance(100);
    }
    const scans = bench.files.real.calls.list - before;
    assert.ok(scans >= 4 && scans <= 6, `${scans} scans in ten seconds`);
    await bench.collector.stop();
  });

  it('nothing after a policy is deleted, at once', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    await bench.start();
    bench.source.set();
    const all = four(bench);
    await bench.clock.advance(HOUR);
    assert.deepEqual(bench.names, all);
    await bench.collector.stop();
  });
});

describe('collector: failures', () => {
  it('a deletion that fails is told once, tried again, and does not hold up the rest', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    four(bench);
    fails(bench, 'EPERM', 'rename', named(1));
    await bench.start();
    await bench.clock.advance(HOUR);
    assert.deepEqual(bench.names, [named(1), named(3), named(4)]);
    assert.equal(bench.log.matching(/rename failed: not permitted/).length, 1);
    assert.match(await bench.metrics.registry.metrics(), /errors_total\{operation="rename"\} \d+/);
    assert.deepEqual(bench.deletions, [named(2)]);
    bench.files.before = () => {};
    await bench.clock.advance(15 * MINUTE);
    assert.deepEqual(bench.names, [named(3), named(4)]);
    assert.equal(bench.log.matching(/fails no more/).length, 1);
    await bench.collector.stop();
  });

  it('a read-only disk is told once for all', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    for (let number = 1; number <= 50; number += 1) bench.put(named(number), { ageMs: number * HOUR });
    fails(bench, 'EROFS', 'rename');
    await bench.start();
    await bench.clock.advance(HOUR);
    assert.equal(bench.names.length, 50);
    assert.equal(bench.log.lines.filter(({ level }) => level === 'error').length, 1);
    assert.deepEqual(bench.deletions, []);
    await bench.collector.stop();
  });

  it('a tombstone that cannot be unlinked is no deletion until it is', async () => {
    const bench = new CollectorBench([KEEP_THREE]);
    four(bench);
    fails(bench, 'EBUSY', 'unlink');
    await bench.start();
    await bench.clock.advance(3 * MINUTE);
    assert.deepEqual(bench.names, [named(2), named(3), named(4), '†'].sort());
    assert.deepEqual(bench.deletions, []);
    assert.doesNotMatch(await bench.metrics.registry.metrics(), /deletions_total\{/);
    assert.match(await bench.metrics.registry.metrics(), /checkpoint_warden_tombstones 1/);
    bench.files.before = () => {};
    await bench.clock.advance(15 * MINUTE);
    assert.deepEqual(bench.names, [named(2), named(3), named(4)]);
    assert.deepEqual(bench.deletions, [named(1)]);
    await bench.collector.stop();
  });

  it('a pin that comes between look and rename brings the archive back', async () => {
    const bench = new CollectorBench([KEEP_THREE]);
    const all = four(bench);
    bench.files.before = (operation, path) => {
      if (operation === 'rename' && String(path).endsWith(named(1))) bench.pin(named(1));
    };
    await bench.start();
    await bench.clock.advance(5 * MINUTE);
    assert.deepEqual(bench.names, [named(1), `${named(1)}.keep`, named(3), named(4)].sort());
    assert.equal(bench.log.matching(/spared at the last look/).length, 1);
    assert.deepEqual(bench.deletions, [named(2)]);
    assert.equal(all.length, 4);
    await bench.collector.stop();
  });

  it('an error that nobody foresaw ends the pass, not the collector', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    four(bench);
    const resources = bench.source.resources;
    bench.source.resources = () => {
      throw new Error('unforeseen');
    };
    await bench.start();
    assert.equal(bench.log.matching(/a pass ended early/).length, 1);
    bench.source.resources = resources;
    await bench.clock.advance(6_000);
    assert.equal(bench.names.length, 2);
    await bench.collector.stop();
  });
});

describe('collector: policies', () => {
  const lazy = (maxCheckpoints: number, metadata: object = {}) =>
    policy(
      { applyPoliciesImmediately: false, namespacePolicies: [{ namespace: 'shop', maxCheckpoints }] },
      metadata,
    );

  it('known at the start act at once, whatever applyPoliciesImmediately says', async () => {
    const bench = new CollectorBench([lazy(2)]);
    four(bench);
    await bench.start();
    assert.equal(bench.names.length, 2);
    await bench.collector.stop();
  });

  it('new ones wait for the next checkpoint with applyPoliciesImmediately: false', async () => {
    const bench = new CollectorBench([]);
    four(bench);
    await bench.start();
    bench.source.set(lazy(2));
    await bench.clock.advance(HOUR);
    assert.equal(bench.names.length, 4);
    assert.equal(bench.log.matching(/acts from the next checkpoint on/).length >= 1, true);
    bench.put(named(5), { ageMs: 0 });
    await bench.clock.advance(5_000);
    assert.deepEqual(bench.names, [named(4), named(5)]);
    await bench.collector.stop();
  });

  it('a changed one waits, and its former version goes on acting', async () => {
    const bench = new CollectorBench([lazy(3)]);
    four(bench);
    await bench.start();
    assert.equal(bench.names.length, 3);
    bench.source.set(lazy(1));
    await bench.clock.advance(HOUR);
    assert.equal(bench.names.length, 3);
    bench.put('checkpoint-other.tar', { namespace: 'other', ageMs: 0 });
    await bench.clock.advance(5_000);
    assert.deepEqual(bench.names, [named(4), 'checkpoint-other.tar']);
    await bench.collector.stop();
  });

  it('a changed one acts at once with applyPoliciesImmediately: true', async () => {
    const bench = new CollectorBench([KEEP_THREE]);
    four(bench);
    await bench.start();
    bench.source.set(KEEP_TWO);
    await bench.clock.advance(0);
    assert.equal(bench.names.length, 2);
    await bench.collector.stop();
  });

  it('for another directory they do nothing, and are named', async () => {
    const bench = new CollectorBench([
      policy({ checkpointDirectory: '/data/other', globalPolicy: { maxCheckpointsPerPod: 1 } }),
    ]);
    four(bench);
    await bench.start();
    assert.equal(bench.names.length, 4);
    assert.equal(bench.log.matching(/for another directory \(\/data\/other\)/).length, 1);
    const [line] = bench.log.matching(/no policy acts on/);
    assert.match(line?.message ?? '', /--directory \/data\/other/);
    await bench.collector.stop();
  });

  it('a budget is for one pass, however often the plan is made in it', async () => {
    const spec = {
      deletionBudget: { maxArchivesPerPass: 2 },
      namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 1 }],
    };
    const bench = new CollectorBench([policy(spec)]);
    for (let number = 1; number <= 8; number += 1) bench.put(named(number), { ageMs: (10 - number) * HOUR });
    await bench.start();
    await bench.clock.advance(10_000);
    assert.equal(bench.names.length, 6);
    bench.put(named(9), { ageMs: 0 });
    await bench.clock.advance(10_000);
    assert.equal(bench.names.length, 7);
    // Another version of it is no other budget.
    bench.source.set(policy(spec, { annotations: { note: 'edited' } }));
    await bench.clock.advance(10_000);
    assert.equal(bench.names.length, 7);
    await bench.clock.advance(MINUTE);
    assert.equal(bench.names.length, 5);
    await bench.clock.advance(10 * MINUTE);
    assert.deepEqual(bench.names, [named(9)]);
    await bench.collector.stop();
  });
});

describe('collector: the end', () => {
  it('stops while a deletion is under way: it is finished, and no other is begun', async () => {
    const bench = new CollectorBench([
      policy({ namespacePolicies: [{ namespace: 'shop', timeThreshold: '1m' }] }),
    ]);
    for (let number = 1; number <= 20; number += 1) bench.put(named(number));
    const begun = Promise.withResolvers<void>();
    bench.files.before = (operation) => {
      if (operation === 'unlink') begun.resolve();
    };
    const starting = bench.start();
    await begun.promise;
    await bench.collector.stop();
    await starting;
    assert.ok(bench.names.length >= 18, `${bench.names.length} are left`);
    assert.ok(!bench.names.includes('†'));
    assert.equal(bench.deletions.length, 20 - bench.names.length);
    assert.equal(bench.source.stopped, true);
  });

  it('ends in time although a deletion hangs: it is left as a tombstone', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    four(bench);
    bench.files.unlink = () => new Promise(() => {});
    void bench.collector.start();
    await settled();
    let ended = false;
    void bench.collector.stop().then(() => {
      ended = true;
    });
    await bench.clock.advance(4_000);
    assert.ok(ended);
    assert.deepEqual(bench.names, [named(3), named(4), '†', '†'].sort());
  });

  it('does nothing any more, and leaves no timer', async () => {
    const bench = new CollectorBench([KEEP_TWO]);
    await bench.start();
    await bench.collector.stop();
    await bench.collector.stop();
    four(bench);
    await bench.clock.advance(HOUR);
    assert.equal(bench.names.length, 4);
    assert.equal(bench.clock.timers, 0);
    await bench.collector.ended;
  });
});
