import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeArchives, range } from './gc/archives.ts';
import type { Cost } from './gc/gauge.ts';
import type { Work } from './gc/metered-files.ts';

// `node bench/gc.ts [--idle] [DIRECTORY]`: what the collector costs, beside `find` in the same run. Archives are made
// in the directory, by default in memory (tmpfs): 5 GB of them. Takes a minute and a half; with --idle two more.

const MANY = 100_000;
const FEW = 1_000;
const ROUNDS = 5;
const WORKER = join(import.meta.dirname, 'gc', 'worker.ts');
/** Far more than a worker takes. */
const TIMEOUT_MS = 300_000;

type Measured = Readonly<Record<string, Cost & Work>>;

const args = process.argv.slice(2);
const parent = args.find((arg) => !arg.startsWith('-')) ?? (existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
const scratch = mkdtempSync(join(parent, 'warden-bench-'));
process.once('SIGINT', () => process.exit(130));
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));

const many = join(scratch, 'many');
const few = join(scratch, 'few');
const long = join(scratch, 'long');
makeArchives(many, range(0, MANY));
makeArchives(few, range(0, FEW));
makeArchives(long, range(0, FEW), { pageBytes: 2 ** 20 });

const load = loadavg()[0]?.toFixed(1);
const finds: number[] = [];
const cold: (Cost & Work)[] = [];
const warm: (Cost & Work)[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  finds.push(find());
  if (round < 2) cold.push(startOf('start', many, `cold-${round}`, MANY));
  warm.push(startOf('start', many, 'cold-0', MANY));
}
const longs = startOf('start', long, 'long', FEW);
const small = run('one', few, 'few', FEW);
const idle = args.includes('--idle') ? run('idle', many, 'cold-0', MANY).idle : undefined;
const live = run('live', many, 'cold-0', MANY);

const floor = median(finds);
const coldMs = median(cold.map(({ wallMs }) => wallMs));
const warmMs = median(warm.map(({ wallMs }) => wallMs));
const oneOfFew = median(singlesOf(small).map(({ cpuMs }) => cpuMs));
const oneOfMany = median(singlesOf(live).map(({ cpuMs }) => cpuMs));
const all = [...cold, ...warm, ...Object.values(live)];

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, node ${process.version}, ${parent}`,
);
console.log(
  `${MANY.toLocaleString('en')} archives in 20 namespaces, 2,000 pods; medians; load before ${load}, after ${loadavg()[0]?.toFixed(1)}\n`,
);
row('what', 'measured', 'goal');
row('find -printf', ms(floor), '');
row('warm start', `${ms(warmMs)}, ${times(warmMs / floor)} find`, '2.5 × find');
row('  CPU', ms(median(warm.map(({ cpuMs }) => cpuMs))), '');
row('  archives opened', String(Math.max(...warm.map(({ opens }) => opens))), '0');
row('first start', `${ms(coldMs)}, ${times(coldMs / floor)} find`, '30 × find');
row('  CPU', ms(median(cold.map(({ cpuMs }) => cpuMs))), '');
row('  most read of an archive', kib(Math.max(...cold.map((each) => each.mostBytesRead))), '64 KiB');
row('  of 1,000 of 1 MiB', `${ms(longs.wallMs)}, ${kib(longs.mostBytesRead)} of each`, '');
row('longest pause, starts', ms(Math.max(...[...cold, ...warm].map(({ pauseMs }) => pauseMs))), '20 ms');
row('one new archive, of 100,000', `${ms(oneOfMany)} of CPU`, '20 ms');
row('  of 1,000', `${ms(oneOfFew)} of CPU, ratio ${(oneOfMany / oneOfFew).toFixed(1)}`, 'ratio 1.5');
row(
  '  most read, also of 4 GiB',
  kib(Math.max(...singlesOf(live).map((each) => each.mostBytesRead))),
  '64 KiB',
);
const acts = {
  burst: 'burst of 10,000',
  policy: 'policy for all',
  due: '1,000 due',
  deletions: '10,000 deletions',
};
for (const [name, label] of Object.entries(acts)) {
  const cost = live[name];
  if (cost)
    row(
      label,
      `${ms(cost.cpuMs)} of CPU, longest pause ${ms(cost.pauseMs)}`,
      name === 'deletions' ? '50 ms' : '20 ms',
    );
}
row('  archives opened in the burst', String(live.burst?.opens), '10000');
for (const [label, costs] of Object.entries({
  'most resident, warm start': warm,
  '  first start': cold,
  '  all in all': all,
}))
  row(label, `${Math.max(...costs.map((each) => each.residentMiB)).toFixed(0)} MiB`, '150 MB');
if (idle) row('idle', `${((100 * idle.cpuMs) / idle.wallMs).toFixed(2)} % of a core`, '0.5 %');

/** Milliseconds that the floor takes. */
function find(): number {
  const began = performance.now();
  execFileSync('find', [many, '-type', 'f', '-printf', '%s %T@ %f\n'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return performance.now() - began;
}

function startOf(scenario: string, directory: string, state: string, first: number): Cost & Work {
  const { start } = run(scenario, directory, state, first);
  if (start === undefined) throw new Error('the worker has not started');
  return start;
}

function run(scenario: string, directory: string, state: string, first: number): Measured {
  const { status, stdout } = spawnSync(
    process.execPath,
    [WORKER, scenario, directory, join(scratch, `state-${state}`), String(first)],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], timeout: TIMEOUT_MS },
  );
  if (status !== 0) throw new Error(`the worker of ${scenario} ended with ${status}`);
  return JSON.parse(stdout);
}

function singlesOf(measured: Measured): (Cost & Work)[] {
  return Object.entries(measured).flatMap(([name, cost]) => (name.startsWith('one ') ? [cost] : []));
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function row(...[what, measured, goal]: readonly [string, string, string]): void {
  console.log(`${what.padEnd(30)} ${measured.padEnd(44)} ${goal}`.trimEnd());
}

function ms(value: number): string {
  return value < 100 ? `${value.toFixed(1)} ms` : `${(value / 1_000).toFixed(2)} s`;
}

function times(ratio: number): string {
  return `${ratio.toFixed(1)} ×`;
}

function kib(bytes: number): string {
  return `${(bytes / 1_024).toFixed(1)} KiB`;
}
