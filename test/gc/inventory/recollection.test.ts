import assert from 'node:assert/strict';
import {
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type ReadingsStore, readingsFile } from '../../../gc/inventory/readings-file.ts';
import { Recollection } from '../../../gc/inventory/recollection.ts';
import { createMetrics } from '../../../observe/metrics.ts';
import { CONTAINERD_ANNOTATIONS, smallArchive } from '../archives.ts';
import { CollectorBench, FakeLog, HOUR, policy } from '../collector-bench.ts';
import { FakeFiles } from '../fake-files.ts';
import { Bench } from '../inventory-bench.ts';

const A = 'checkpoint-a.tar';
const B = 'checkpoint-b.tar';

/** A store in memory, for the processes of one test. */
class MemoryReadings implements ReadingsStore {
  document: Buffer | null = null;
  saves = 0;
  fault: Error | null = null;

  load(): Buffer | null {
    if (this.fault) throw this.fault;
    return this.document;
  }

  async save(parts: readonly Buffer[]): Promise<void> {
    const document = Buffer.concat(parts);
    if (this.fault) throw this.fault;
    this.document = document;
    this.saves += 1;
  }
}

interface Process {
  readonly bench: Bench;
  readonly log: FakeLog;
  readonly recollection: Recollection;
  scan(): Promise<void>;
}

/** One process after the other has the same directory and the same store. */
function processOver(files: FakeFiles, store: ReadingsStore): Process {
  const log = new FakeLog();
  const metrics = createMetrics({ ofProcess: false });
  const recollection = new Recollection({ store, log, metrics, now: () => bench.now });
  const bench: Bench = new Bench({ recall: (stamp, changed) => recollection.recall(stamp, changed) }, files);
  const scan = async () => {
    assert.equal(await bench.scan(), null);
    await recollection.scanned(bench.inventory);
  };
  return { bench, log, recollection, scan };
}

class World {
  readonly files = new FakeFiles();
  readonly store = new MemoryReadings();

  /** Starts a process; returns it with the number of archives that its first scan opened. */
  async start(): Promise<Process & { readonly opened: number; readonly bytesRead: number }> {
    const { open, bytesRead } = this.files.calls;
    const started = processOver(this.files, this.store);
    await started.scan();
    const { calls } = this.files;
    return { ...started, opened: calls.open - open, bytesRead: calls.bytesRead - bytesRead };
  }
}

/** Two archives, which an earlier process has read. */
async function warm(): Promise<World> {
  const world = new World();
  const seed = new Bench({}, world.files);
  seed.put(A);
  seed.put(B, { namespace: 'bank' });
  assert.equal((await world.start()).opened, 2);
  return world;
}

function archiveOf(namespace: string): Buffer {
  return smallArchive({ ...CONTAINERD_ANNOTATIONS, 'io.kubernetes.cri.sandbox-namespace': namespace });
}

describe('recollection: a warm start', () => {
  it('opens no archive, reads no byte and knows the same', async () => {
    const world = await warm();
    const { bench, opened, bytesRead } = await world.start();
    assert.deepEqual([opened, bytesRead], [0, 0]);
    assert.equal(bench.get(A).identity?.namespace, 'shop');
    assert.equal(bench.get(B).identity?.namespace, 'bank');
    assert.equal(bench.get(A).state, 'complete');
    assert.equal(bench.inventory.details(A).runtime, 'containerd');
    assert.deepEqual(bench.names, [A, B]);
  });

  const changes: [string, (files: FakeFiles, path: string) => void][] = [
    [
      'another file of that name',
      (files, path) => {
        files.remove(path);
        files.write(path, archiveOf('till'));
      },
    ],
    ['one that was overwritten', (files, path) => files.write(path, archiveOf('till'), 1)],
    [
      'one that was overwritten with size and mtime as they were',
      (files, path) => {
        const modifiedMs = (files.lstat(path)?.modifiedUs ?? 0) / 1_000;
        files.write(path, archiveOf('till'), modifiedMs);
      },
    ],
    ['one that was touched', (files, path) => files.touch(path, 1)],
  ];
  for (const [name, change] of changes) {
    it(`reads ${name}, and no other`, async () => {
      const world = await warm();
      change(world.files, `/checkpoints/${A}`);
      const { bench, opened } = await world.start();
      assert.equal(opened, 1);
      assert.equal(bench.get(A).identity?.namespace, name.includes('touched') ? 'shop' : 'till');
    });
  }

  it('forgets what is gone, with the next save', async () => {
    const world = await warm();
    world.files.remove(`/checkpoints/${A}`);
    world.files.write(`/checkpoints/checkpoint-c.tar`, archiveOf('till'));
    const long = world.store.document?.length ?? 0;
    await world.start();
    assert.equal(world.store.document?.length, long);
  });

  it('reads an archive whose change could share its ctime with an earlier one, whatever is remembered', async () => {
    const world = await warm();
    const { bench } = processOver(world.files, world.store);
    world.files.setChanged(`/checkpoints/${A}`, (bench.now - 50) * 1_000);
    assert.equal((await world.start()).opened, 1);
    // The second read it in the same tick, so it did not write it down either.
    assert.equal((await world.start()).opened, 1);
  });

  it('an archive that was seen growing is remembered', async () => {
    const world = new World();
    const first = processOver(world.files, world.store);
    first.bench.put(A, { ageMs: 0 });
    await first.scan();
    first.bench.now += 1_000;
    await first.bench.inventory.look();
    assert.equal(first.bench.get(A).state, 'complete');
    await first.recollection.save(first.bench.inventory);
    const next = processOver(world.files, world.store);
    next.bench.now += 60_000;
    await next.scan();
    assert.equal(world.files.calls.open, 1);
  });

  it('half an archive is read again at each start', async () => {
    const world = new World();
    const seed = new Bench({}, world.files);
    seed.write(A, archiveOf('shop').subarray(0, 2_000));
    for (let start = 0; start < 3; start += 1) assert.equal((await world.start()).opened, 1);
  });
});

describe('recollection: what is damaged or foreign', () => {
  const rows: [string, (document: Buffer) => Buffer][] = [
    [
      'damaged',
      (document) => Buffer.concat([document.subarray(0, 90), Buffer.from('x'), document.subarray(91)]),
    ],
    ['cut off', (document) => document.subarray(0, -5)],
    ['foreign', () => Buffer.from('{"version":1}')],
    ['empty', () => Buffer.alloc(0)],
  ];
  for (const [name, spoil] of rows) {
    it(`${name}: everything is read again, and it is written anew`, async () => {
      const world = await warm();
      const sound = world.store.document ?? Buffer.alloc(0);
      world.store.document = spoil(sound);
      const { opened, log } = await world.start();
      assert.equal(opened, 2);
      assert.equal(log.matching(/is damaged or of another version/).length, 1);
      assert.deepEqual(world.store.document, sound);
      assert.equal((await world.start()).opened, 0);
    });
  }

  it('a store that fails is told of once, and costs time only', async () => {
    const world = await warm();
    world.store.fault = Object.assign(new Error('EIO: read'), { code: 'EIO' });
    const { opened, log, bench, scan } = await world.start();
    assert.equal(opened, 2);
    bench.now += HOUR;
    await scan();
    assert.equal(log.matching(/cannot be/).length, 1);
  });
});

describe('recollection: when it is written', () => {
  it('not when there is no news, nor more often than every ten minutes, but at the end', async () => {
    const world = await warm();
    assert.equal(world.store.saves, 1);
    const { bench, scan, recollection } = await world.start();
    assert.equal(world.store.saves, 1);
    bench.put('checkpoint-c.tar');
    await scan();
    assert.equal(world.store.saves, 2);
    bench.put('checkpoint-d.tar');
    bench.now += 60_000;
    await scan();
    assert.equal(world.store.saves, 2);
    await recollection.save(bench.inventory);
    assert.equal(world.store.saves, 3);
    bench.now += HOUR;
    await scan();
    assert.equal(world.store.saves, 3);
  });

  it('not while the directory cannot be seen: what was known stays', async () => {
    const world = await warm();
    const { bench, recollection } = await world.start();
    bench.put('checkpoint-c.tar');
    await bench.scan();
    bench.files.fault('list', '/checkpoints', 'EIO');
    assert.notEqual(await bench.scan(), null);
    await recollection.save(bench.inventory);
    assert.equal(world.store.saves, 1);
  });
});

describe('recollection: nothing is deleted on its word', () => {
  const limit = { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 1 }] };

  it('an archive is read before it is deleted; where that says otherwise, it stays', async () => {
    const readings = new MemoryReadings();
    const first = new CollectorBench([], { readings });
    for (const [index, file] of [A, B].entries()) first.put(file, { ageMs: (5 - index) * HOUR });
    await first.start();
    await first.collector.stop();
    // No file system does this: other content, and nothing of it shows.
    first.files.real.place(first.at(A), archiveOf('bank'));
    const { files } = first;
    const opens = files.real.calls.open;
    const second = new CollectorBench([policy(limit)], { readings }, files);
    await second.start();
    assert.equal(files.real.calls.open - opens, 1);
    assert.deepEqual(second.names, [A, B]);
    assert.equal(second.parts.inventory.get(A)?.identity?.namespace, 'bank');
    await second.collector.stop();
  });

  it('and is deleted when it says the same', async () => {
    const readings = new MemoryReadings();
    const first = new CollectorBench([], { readings });
    for (const [index, file] of [A, B].entries()) first.put(file, { ageMs: (5 - index) * HOUR });
    await first.start();
    await first.collector.stop();
    const second = new CollectorBench([policy(limit)], { readings }, first.files);
    await second.start();
    assert.deepEqual(second.names, [B]);
    assert.equal(second.audit[0]?.operation, 'delete');
    await second.collector.stop();
  });
});

describe('recollection: a dry run', () => {
  it('goes by what is remembered, and writes nothing', async () => {
    const readings = new MemoryReadings();
    const first = new CollectorBench([], { readings });
    first.put(A);
    await first.start();
    await first.collector.stop();
    assert.equal(readings.saves, 1);
    first.put(B);
    const opens = first.files.real.calls.open;
    const second = new CollectorBench([], { readings, dryRun: true }, first.files);
    await second.start();
    await second.collector.stop();
    assert.equal(first.files.real.calls.open - opens, 1);
    assert.equal(readings.saves, 1);
  });
});

describe('recollection: its file', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-readings-'));
  after(() => rmSync(scratch, { recursive: true }));
  const path = join(scratch, 'readings');

  it('is written whole, for nobody else', async () => {
    const file = readingsFile(path);
    assert.equal(file.load(), null);
    await file.save([Buffer.from('fir'), Buffer.from('st')]);
    await file.save([Buffer.from('second')]);
    assert.equal(file.load()?.toString(), 'second');
    assert.deepEqual(readdirSync(scratch), ['readings']);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it('refuses a link, a directory, and what is too long', () => {
    symlinkSync(path, `${path}.link`);
    assert.throws(() => readingsFile(`${path}.link`).load(), { code: 'ELOOP' });
    assert.throws(() => readingsFile(scratch).load(), /not a file/);
    writeFileSync(`${path}.long`, '');
    truncateSync(`${path}.long`, 2 ** 30);
    assert.throws(() => readingsFile(`${path}.long`).load(), /longer than/);
  });
});
