import { parseArgs } from 'node:util';
import { own } from '../policy/json.ts';
import { at, median } from './quantiles.ts';
import {
  build,
  cpuOf,
  memoryOf,
  type Served,
  startFloor,
  startHelper,
  startOurs,
  startPeer,
  told,
} from './webhook/servers.ts';

/**
 * What a review costs: a bare Node server that parses it and says yes (the floor), our webhook as it is shipped, and
 * a Go controller-runtime webhook (the peer), in one run, in rounds that take turns; one core for the server, one for
 * the client. Linux, two cores, `taskset`. Beside the medians stands the least CPU of all rounds: where other work shares
 * the machine, its caches are what the medians measure. A p99 is each round's own, and ratios are of rounds that follow
 * each other: of all requests together, one pause of the machine, a tenth of a second long, would make the p99.
 */
const { values } = parseArgs({
  options: {
    /** Odd: the median is one of them. */
    rounds: { type: 'string', default: '15' },
    seconds: { type: 'string', default: '1' },
    /** Of saturation, after which memory is looked at; 0 leaves it out. */
    minutes: { type: 'string', default: '0' },
    /** Rows by name, as a regular expression. */
    only: { type: 'string', default: '' },
    /** The table as docs/guide/webhook.md has it. */
    markdown: { type: 'boolean', default: false },
  },
});
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
const KB = 1_024;
const CONNECTIONS = 25;

interface Row {
  readonly name: string;
  readonly server: Served | null;
  readonly path: string;
  readonly bytes: number;
  /** Requests a second; 0 for as many as there can be. */
  readonly rate: number;
  /** The name of the row that its ratio is to. */
  readonly to: string;
}

interface Figures {
  readonly cpu: number;
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly memory: number;
}

await build();
const client = startHelper('client.ts', []);
const floor = await startFloor();
const ours = await startOurs(200);
const idle = await memoryOf(ours.pid);
const few = await startOurs(50);
const many = await startOurs(5_000);
const peer = await startPeer();

const FLOOR = 'floor, 4 KB';
const row = (
  name: string,
  server: Served | null,
  path: string,
  to: string,
  bytes = 4 * KB,
  rate = 0,
): Row => ({
  name,
  server,
  path,
  bytes,
  rate,
  to,
});
const rows = [
  row(FLOOR, floor, '/validate', FLOOR),
  row('/validate, 4 KB', ours, '/validate', FLOOR),
  row('/mutate, 4 KB', ours, '/mutate', FLOOR),
  row('/connect, 4 KB', ours, '/connect', FLOOR),
  row('peer /validate, 4 KB', peer, '/validate', FLOOR),
  row('peer /mutate, 4 KB', peer, '/mutate', FLOOR),
  row('floor, 52 KB', floor, '/validate', 'floor, 52 KB', 52 * KB),
  row('/validate, 52 KB', ours, '/validate', 'floor, 52 KB', 52 * KB),
  row('/validate, 50 policies', few, '/validate', '/validate, 50 policies'),
  row('/validate, 5,000 policies', many, '/validate', '/validate, 50 policies'),
  row('floor, 1,000/s', floor, '/validate', 'floor, 1,000/s', 4 * KB, 1_000),
  row('/validate, 1,000/s', ours, '/validate', 'floor, 1,000/s', 4 * KB, 1_000),
  row('/mutate, 1,000/s', ours, '/mutate', 'floor, 1,000/s', 4 * KB, 1_000),
].filter(({ server, name }) => server !== null && new RegExp(values.only).test(name));

const figures = new Map<string, Figures[]>(rows.map(({ name }) => [name, []]));
for (const each of rows) await measure(each, 2);
for (let round = 0; round < rounds; round += 1) {
  for (const each of rows) figures.get(each.name)?.push(await measure(each, seconds));
}

print([
  ['', 'CPU µs/request', 'ratio', 'median', 'ratio', 'requests/s', 'p50 ms', 'p99 ms', 'ratio', 'RSS MB'],
  ...rows.map(({ name, to }) => {
    const all = (each: string, key: keyof Figures) => (figures.get(each) ?? []).map((round) => round[key]);
    const least = (each: string) => Math.min(...all(each, 'cpu'));
    const typical = (key: keyof Figures) => median(all(name, key));
    const ratio = (key: keyof Figures) => {
      const floors = all(to, key);
      return median(all(name, key).map((value, index) => value / (floors[index] ?? Number.NaN))).toFixed(2);
    };
    return [
      name,
      ...[least(name).toFixed(0), (least(name) / least(to)).toFixed(2)],
      ...[typical('cpu').toFixed(0), ratio('cpu'), typical('rate').toFixed(0)],
      ...[typical('p50').toFixed(2), typical('p99').toFixed(2), ratio('p99')],
      typical('memory').toFixed(0),
    ];
  }),
]);
process.stdout.write(`\nidle, 200 policies: ${idle.toFixed(0)} MB\n`);
if (Number(values.minutes) > 0) await soak(Number(values.minutes));
client.disconnect();
for (const each of [floor, ours, few, many, peer]) await each?.[Symbol.asyncDispose]();

async function measure({ server, path, bytes, rate, name }: Row, time: number): Promise<Figures> {
  if (server === null) throw new Error(`${name} has no server`);
  const { pid, port, ca } = server;
  const before = await cpuOf(pid);
  const answer = told(client);
  client.send({ port, ca, path, bytes, connections: CONNECTIONS, seconds: time, rate });
  const result = await answer;
  const number = (key: string) => Number(own(result, key));
  if (number('errors') > 0)
    throw new Error(`${name}: ${number('errors')} requests were not answered with 200`);
  const times = numbersIn(own(result, 'times'));
  return {
    cpu: ((await cpuOf(pid)) - before) * (1_000_000 / number('requests')),
    rate: number('requests') / number('seconds'),
    p50: at(times, 0.5),
    p99: at(times, 0.99),
    memory: await memoryOf(pid),
  };
}

/** Memory under saturation, minute by minute. */
async function soak(minutes: number): Promise<void> {
  const found: string[] = [];
  for (let minute = 0; minute < minutes; minute += 1) {
    const path = minute % 2 === 0 ? '/validate' : '/mutate';
    const { memory } = await measure({ ...row('soak', ours, path, ''), bytes: 4 * KB }, 60);
    found.push(memory.toFixed(0));
  }
  process.stdout.write(`saturated, MB after each minute: ${found.join(' ')}\n`);
}

function numbersIn(value: unknown): number[] {
  return Array.isArray(value) ? value.map(Number) : [];
}

function print(table: readonly (readonly string[])[]): void {
  const widths =
    table[0]?.map((_, column) => Math.max(...table.map((each) => each[column]?.length ?? 0))) ?? [];
  if (values.markdown) {
    const line = (cells: readonly string[]) => process.stdout.write(`| ${cells.join(' | ')} |\n`);
    for (const [index, each] of table.entries()) {
      line(each);
      if (index === 0) line(each.map((_, column) => (column === 0 ? '---' : '--:')));
    }
    return;
  }
  for (const each of table) {
    const cells = each.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    process.stdout.write(`${cells.join('  ')}\n`);
  }
}
