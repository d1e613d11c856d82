import { spawn } from 'node:child_process';
import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditRecord } from '../../observe/audit.ts';
import type { PolicyResource } from '../../policy/types.ts';
import { FakeLog, FakeSource, policy } from '../../test/gc/collector-bench.ts';
import { makeArchives, nameOf, PODS, range } from './archives.ts';
import type { Answers } from './caller.ts';
import { BenchDoor } from './door.ts';
import { type Cost, gauge } from './gauge.ts';
import { meteredFiles, type Work } from './metered-files.ts';

// `node bench/gc/worker.ts start|door|live|one DIRECTORY STATE FROM`: one process of a collector, as it was built into
// dist/, measured from inside. Writes a JSON object: what was measured, by name. FROM is the number of the first
// archive that is not there.

const dist = join(import.meta.dirname, '../../dist/gc');
const { keepHeapSmall }: typeof import('../../gc/system/memory.ts') = await import(
  join(dist, 'system/memory.js')
);
// As the command does.
keepHeapSmall();
const { startCollector }: typeof import('../../gc/main.ts') = await import(join(dist, 'main.js'));

const [scenario = '', directory = '', stateDirectory = '', first = '0'] = process.argv.slice(2);

const SINGLES = 15;
const BURST = 10_000;
const DUE = 1_000;
const DUE_AGE_S = 360_000;
const COARSE_MS = 100;

const measured: Record<string, Cost & Work & { readonly door: Answers | null }> = {};
const { files, work } = meteredFiles();
const log = new FakeLog();
const source = new FakeSource([limits({})]);

/** What is told of archives that came or went. */
class Arrivals {
  #wanted = 0;
  #reached = () => {};

  readonly lost = 0;

  deleted = 0;

  record({ operation }: AuditRecord): void {
    if (operation === 'delete') this.deleted += 1;
    this.#wanted -= 1;
    if (this.#wanted === 0) this.#reached();
  }

  /** Resolves after so many records from now. */
  of(count: number): Promise<void> {
    this.#wanted = count;
    return new Promise((resolve) => {
      this.#reached = resolve;
    });
  }
}
const arrivals = new Arrivals();

const door = scenario === 'door' || scenario === 'live' ? await BenchDoor.open() : null;
const began = measure();
const starting = startCollector({
  ...{ directory, stateDirectory, source, files, log },
  pods: null,
  dryRun: false,
  audit: arrivals,
  nodeName: 'node1',
  onFilling: keepHeapSmall,
  ...(door && { door: door.part }),
});
if (door !== null) door.call(await opened());
const collector = await starting;
await began('start');

let next = Number(first);
if (scenario === 'one' || scenario === 'live') await singles();
if (scenario === 'live') {
  await burst();
  await changeOfPolicy();
  await dueAtOnce();
  await deletions();
}
await collector.stop();
door?.close();
console.log(JSON.stringify(measured));
for (const { level, message, fields } of log.lines)
  if (level === 'error') console.error(level, message, fields);

/** Where the door is, as the log says. */
async function opened(): Promise<string> {
  for (;;) {
    const url = log.matching(/the door is open/)[0]?.fields.url;
    if (typeof url === 'string') return url;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Archives that come one by one, each until it was decided on. */
async function singles(): Promise<void> {
  for (let index = 0; index < SINGLES; index += 1) {
    const number = next++;
    // The last is long, which must make no difference.
    makeArchives(directory, [number], { ageMs: null, pageBytes: index === SINGLES - 1 ? 2 ** 32 : 4_096 });
    const done = arrivals.of(1);
    const end = measure(COARSE_MS);
    await done;
    await collector.idle();
    await end(`one ${index}`);
  }
}

async function burst(): Promise<void> {
  const done = arrivals.of(BURST);
  const writer = spawn(process.execPath, [
    join(import.meta.dirname, 'write.ts'),
    directory,
    String(next),
    String(next + BURST),
  ]);
  next += BURST;
  const end = measure();
  await done;
  await collector.idle();
  await end('burst');
  if (writer.exitCode === null) await new Promise((resolve) => writer.once('exit', resolve));
}

async function changeOfPolicy(): Promise<void> {
  const end = measure();
  source.set(limits({ maxCheckpointsPerContainer: 900_000 }));
  await collector.idle();
  await end('policy');
}

async function dueAtOnce(): Promise<void> {
  const came = arrivals.of(DUE);
  const due = [...range(next, next + DUE)];
  next += DUE;
  makeArchives(directory, due, { ageMs: null });
  const modified = new Date(Math.floor(Date.now() / 1_000) * 1_000 - DUE_AGE_S * 1_000);
  for (const number of due) utimesSync(join(directory, nameOf(number)), modified, modified);
  await came;
  await collector.idle();
  // To make so many here has kept the door waiting.
  await door?.answers();
  const gone = arrivals.of(DUE);
  const age = Math.ceil((Date.now() - modified.getTime()) / 1_000) + 3;
  source.set(limits({ timeThreshold: `${age}s` }));
  await collector.idle();
  const end = measure();
  await gone;
  await collector.idle();
  await end('due');
}

/** So many of each container that ten thousand are too many. */
async function deletions(): Promise<void> {
  const kept = Math.floor(next / PODS) - 5;
  const before = arrivals.deleted;
  const end = measure();
  source.set(limits({ maxCheckpointsPerContainer: kept }));
  await collector.idle();
  await end('deletions');
  if (arrivals.deleted - before < BURST / 2)
    throw new Error(`only ${arrivals.deleted - before} were deleted`);
}

function limits(more: object): PolicyResource {
  return policy({
    checkpointDirectory: directory,
    globalPolicy: {
      maxCheckpointsPerContainer: 1_000_000,
      maxCheckpointsPerPod: 1_000_000,
      maxCheckpointsPerNamespace: 1_000_000,
      ...more,
    },
  });
}

/** @param resolution of pauses; coarse where it is the CPU that counts. */
function measure(resolution = 1): (name: string) => Promise<void> {
  const before = { ...work };
  work.mostBytesRead = 0;
  const end = gauge(resolution);
  return async (name) => {
    const cost = end();
    measured[name] = {
      ...cost,
      door: (await door?.answers()) ?? null,
      looks: work.looks - before.looks,
      opens: work.opens - before.opens,
      reads: work.reads - before.reads,
      bytesRead: work.bytesRead - before.bytesRead,
      mostBytesRead: work.mostBytesRead,
    };
  };
}
