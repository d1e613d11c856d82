import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatCount } from '../policy/count.ts';
import { makeArchives, range } from './gc/archives.ts';
import type { Answers } from './gc/caller.ts';
import type { Cost } from './gc/gauge.ts';
import type { Work } from './gc/metered-files.ts';
import { type Shipped, shipped } from './gc/shipped.ts';
import { median } from './quantiles.ts';

// `npm run bench:gc [-- --idle] [-- DIRECTORY]`: what the collector costs, as it is built into dist/, beside `find` in
// the same run. Archives are made in the directory, by default in memory (tmpfs): 5 GB of them. Takes three minutes; with
// --idle ten more. `pause` is how long a timer was kept waiting, whoever had the processor; `turn` the most that the
// event loop's thread has computed in one go, which is the pause on a machine that does nothing else.

const MANY = 100_000;
const FEW = 1_000;
const ROUNDS = 9;
/** Two rescans at least: they come up to five minutes apart. */
const IDLE_MS = 620_000;
const WORKER = join(import.meta.dirname, 'gc', 'worker.ts');
const BARE = join(import.meta.dirname, 'gc', 'bare.ts');
/** Far more than a worker takes. */
const TIMEOUT_MS = 300_000;

type Figures = Cost & Work & { readonly door: Answers | null };
type Measured = Readonly<Record<string, Figures>>;

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

const policies = join(scratch, 'policies');
mkdirSync(policies);
writeFileSync(
  join(policies, 'quotas.yaml'),
  `apiVersion: criu.org/v1
kind: CheckpointRestoreOperator
metadata: {name: quotas, namespace: ops}
spec:
  globalPolicy: {maxCheckpointsPerContainer: 1000000, maxCheckpointsPerNamespace: 1000000}
`,
);

const load = loadavg()[0]?.toFixed(1);
const finds: number[] = [];
const bares: number[] = [];
const cold: Figures[] = [];
const warm: Figures[] = [];
const commands: { cold: Shipped[]; warm: Shipped[] } = { cold: [], warm: [] };
for (let round = 0; round < ROUNDS; round += 1) {
  if (round < 2) cold.push(startOf('start', many, `cold-${round}`, MANY));
  finds.push(find());
  bares.push(bare());
  warm.push(startOf('start', many, 'cold-0', MANY));
  if (round < 2) commands.cold.push(await shipped(many, policies, join(scratch, `shipped-${round}`), 0));
  commands.warm.push(await shipped(many, policies, join(scratch, 'shipped-0'), 0));
}
const longs = startOf('start', long, 'long', FEW);
const coldDoor = startOf('door', many, 'cold-door', MANY).door;
const small = run('one', few, 'few', FEW);
const isIdle = args.includes('--idle');
const idle = isIdle ? await shipped(many, policies, join(scratch, 'shipped-0'), IDLE_MS) : null;
const large = run('one', many, 'cold-0', MANY);
const live = run('live', many, 'cold-0', MANY + 1_000);

const floor = median(finds);
const [oneOfFew, oneOfMany] = [medianOf(singlesOf(small), 'cpuMs'), medianOf(singlesOf(large), 'cpuMs')];
const floorCpu = floorCpuMs();

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, node ${process.version}, ${parent}`,
);
console.log(
  `${formatCount(MANY)} archives in 20 namespaces, 2,000 pods; medians; load before ${load}, after ${loadavg()[0]?.toFixed(1)}\n`,
);
row('what', 'measured', 'goal');
row('find -printf', `${ms(floor)}; CPU ${ms(floorCpu)}`, '');
row('a bare loop of Node', besideFind(bares), '');
row('warm start', besideFind(wallsOf(warm)), '2.5 × find');
row('  least of all rounds', leastOf(warm), '2.5 × find');
row('  CPU', cpuBeside(warm), '');
row('  of the command', ms(median(commands.warm.map(({ readyMs }) => readyMs))), '');
row('  archives opened', String(Math.max(...warm.map(({ opens }) => opens))), '0');
row('first start', besideFind(wallsOf(cold)), '30 × find');
row('  least of all rounds', leastOf(cold), '30 × find');
row('  CPU', cpuBeside(cold), '');
row('  of the command', ms(median(commands.cold.map(({ readyMs }) => readyMs))), '');
row('  most read of an archive', kib(Math.max(...cold.map((each) => each.mostBytesRead))), '');
row('  of 1,000 of 1 MiB', `${ms(longs.wallMs)}, ${kib(longs.mostBytesRead)} of each`, '');
row('  turn', ms(Math.max(...cold.map(({ turnMs }) => turnMs))), '');
row('  the door', answersOf(coldDoor), 'it answers');
row('one new archive, of 100,000', `${ms(oneOfMany)} of CPU`, '20 ms');
row('  of 1,000', `${ms(oneOfFew)} of CPU, ratio ${(oneOfMany / oneOfFew).toFixed(1)}`, 'ratio 1.5');
row(
  '  most read, also of 4 GiB',
  kib(Math.max(...singlesOf(large).map((each) => each.mostBytesRead))),
  '64 KiB',
);
for (const [name, label] of Object.entries({
  burst: 'burst of 10,000',
  policy: 'policy for all',
  due: '1,000 due',
  deletions: '10,000 deletions',
})) {
  const cost = live[name];
  if (cost === undefined) continue;
  row(label, `turn ${ms(cost.turnMs)}, pause ${ms(cost.pauseMs)}; CPU ${ms(cost.cpuMs)}`, '20 ms');
  row('  the door', answersOf(cost.door), name === 'deletions' ? '50 ms' : 'it answers');
}
row('  archives opened in the burst', String(live.burst?.opens), '10000');
row('most resident, warm', mib(commands.warm), '150 MB');
row('  first start', mib(commands.cold), '150 MB');
if (idle?.idle != null) row('idle', `${(100 * idle.idle).toFixed(2)} % of a core`, '0.5 %');

/** Milliseconds that the floor takes. */
function find(): number {
  const began = performance.now();
  execFileSync('find', [many, '-type', 'f', '-printf', '%s %T@ %f\n'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return performance.now() - began;
}

/** What the language takes of it. */
function bare(): number {
  return Number(execFileSync(process.execPath, [BARE, many], { encoding: 'utf8' }));
}

/** What find takes in CPU, of its last run. */
function floorCpuMs(): number {
  const command =
    'exec 3>&2; TIMEFORMAT="%U %S"; time find "$0" -type f -printf "%s %T@ %f\\n" > /dev/null 2>&3';
  const { stderr } = spawnSync('bash', ['-c', command, many], { encoding: 'utf8' });
  const [user = 0, system = 0] = stderr.trim().split(' ').map(Number);
  return (user + system) * 1_000;
}

/** The ratio is the median of the rounds' own: how fast a machine is changes within minutes. */
function besideFind(walls: readonly number[]): string {
  const ratios = walls.map((wallMs, round) => wallMs / (finds[round] ?? Number.NaN));
  return `${ms(median(walls))}, ${times(median(ratios))} find`;
}

function wallsOf(figures: readonly Figures[]): number[] {
  return figures.map(({ wallMs }) => wallMs);
}

/** What a busy machine shows least of itself in. */
function leastOf(figures: readonly Figures[]): string {
  const [own, floor] = [Math.min(...wallsOf(figures)), Math.min(...finds)];
  return `${ms(own)}, ${times(own / floor)} find's least, ${ms(floor)}`;
}

function cpuBeside(figures: readonly Figures[]): string {
  const cpu = medianOf(figures, 'cpuMs');
  return `${ms(cpu)}, ${times(cpu / floorCpu)} find's`;
}

function answersOf(answers: Answers | null): string {
  if (answers === null) return 'nobody asked';
  const statuses = Object.entries(answers.statuses).map(([status, count]) => `${count} × ${status}`);
  const { tookMs } = answers;
  if (tookMs.length === 0) return 'no answer in that time';
  return `longest answer ${ms(Math.max(...tookMs))}, median ${ms(median(tookMs))} (${statuses.join(', ')})`;
}

function mib(commands: readonly Shipped[]): string {
  const most = Math.max(...commands.map(({ residentMiB }) => residentMiB));
  return `${most.toFixed(0)} MiB (${((most * 2 ** 20) / 1e6).toFixed(0)} MB)`;
}

function medianOf(figures: readonly Figures[], name: keyof Cost): number {
  return median(figures.map((each) => each[name]));
}

function startOf(scenario: string, directory: string, state: string, first: number): Figures {
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

function singlesOf(measured: Measured): Figures[] {
  return Object.entries(measured).flatMap(([name, cost]) => (name.startsWith('one ') ? [cost] : []));
}

function row(...[what, measured, goal]: readonly [string, string, string]): void {
  console.log(`${what.padEnd(30)} ${measured.padEnd(54)} ${goal}`.trimEnd());
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
