import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { isObject, own, text } from '../policy/json.ts';
import { admissionReview, policy } from '../test/webhook/kit.ts';
import { at, median } from './quantiles.ts';

/**
 * What a crowd at the gateway does to the admission of policies, for each place where the gateway may stand. Rounds
 * without and with the crowd take turns. `ROUNDS`, `SECONDS`, `CALLERS` and `MODES` (by commas) in the environment.
 */
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const SECONDS = Number(process.env.SECONDS ?? 4);
const CALLERS = Number(process.env.CALLERS ?? 300);
const MODES = process.env.MODES?.split(';') ?? [
  'same server',
  'own listener',
  'thread',
  'thread, nice',
  'thread, nice, paced',
  // The control: the crowd is at the gateway of another process. What it does then, the machine does.
  'elsewhere',
];
/** Reviews a second: far more than a cluster's policies change. */
const RATE = 100;
const REVIEW = JSON.stringify(
  admissionReview(policy({ namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 5 }] }), {
    dryRun: true,
  }),
);

interface Served {
  readonly port: number;
  readonly gateway: number;
  readonly ca: string;
}

interface Figures {
  readonly p50: number;
  readonly p99: number;
}

const backend = start('backend.ts', []);
const cluster = await told(backend);
const rows: string[][] = [];
for (const mode of MODES) {
  const doors = ['kubeconfig', 'ca', 'doorPort'].map((key) => String(own(cluster, key)));
  const webhook = start('served.ts', [mode, ...doors]);
  const served = servedIn(await told(webhook));
  const other = mode === 'elsewhere' ? start('served.ts', ['thread, nice, paced', ...doors]) : null;
  const target = other === null ? served : servedIn(await told(other));
  const crowd = start('load.ts', [String(target.gateway), target.ca, String(CALLERS)]);
  const agent = new Agent({ keepAlive: true, ca: served.ca, maxSockets: 8 });
  await measure(served, agent, 2);
  const [quiet, loud]: [Figures[], Figures[]] = [[], []];
  let answers: Readonly<Record<string, unknown>> = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    quiet.push(await measure(served, agent, SECONDS));
    crowd.send('go');
    await sleep(1_000);
    loud.push(await measure(served, agent, SECONDS));
    const told = once(crowd, 'message');
    crowd.send('stop');
    const [counts] = await told;
    if (isObject(counts)) answers = counts;
    await sleep(500);
  }
  rows.push([
    mode,
    ...(['p50', 'p99'] as const).flatMap((key) => {
      const [before, during] = [quiet, loud].map((all) => median(all.map((each) => each[key])));
      const ratios = quiet.map((each, index) => (loud[index]?.[key] ?? Number.NaN) / each[key]);
      return [shown(before), shown(during), `${median(ratios).toFixed(2)}`];
    }),
    ...[200, 401, 429, 'handshakes', 'errors'].map((key) => String(answers[key] ?? 0)),
  ]);
  agent.destroy();
  crowd.disconnect();
  webhook.disconnect();
  other?.disconnect();
}
await rm(text(own(cluster, 'directory')), { recursive: true, force: true });
backend.disconnect();
print([
  [
    'gateway',
    'p50 ms',
    'crowd',
    'ratio',
    'p99 ms',
    'crowd',
    'ratio',
    '200',
    '401',
    '429',
    'handshakes',
    'errors',
  ],
  ...rows,
]);

function start(file: string, args: readonly string[]): ChildProcess {
  return fork(new URL(`gateway/${file}`, import.meta.url), [...args], { execArgv: [] });
}

async function told(child: ChildProcess): Promise<Readonly<Record<string, unknown>>> {
  const [message] = await once(child, 'message');
  if (!isObject(message)) throw new Error('a process of the measurement said nothing useful');
  return message;
}

function servedIn(message: Readonly<Record<string, unknown>>): Served {
  const [port, gateway] = [Number(own(message, 'port')), Number(own(message, 'gateway'))];
  return { port, gateway, ca: text(own(message, 'ca')) };
}

/** Reviews at a fixed rate, whether or not earlier ones have their answers. */
async function measure({ port }: Served, agent: Agent, seconds: number): Promise<Figures> {
  const times: number[] = [];
  const pending: Promise<void>[] = [];
  const began = performance.now();
  for (let index = 0; index < RATE * seconds; index += 1) {
    await sleep(Math.max(0, began + (index * 1_000) / RATE - performance.now()));
    pending.push(review(port, agent).then((ms) => void times.push(ms)));
  }
  await Promise.all(pending);
  return { p50: at(times, 0.5), p99: at(times, 0.99) };
}

async function review(port: number, agent: Agent): Promise<number> {
  const began = performance.now();
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(REVIEW) };
  const sent = request({
    host: '127.0.0.1',
    port,
    agent,
    method: 'POST',
    path: '/validate?timeout=10s',
    headers,
  });
  sent.end(REVIEW);
  const [response] = await once(sent, 'response');
  if (response.statusCode !== 200) throw new Error(`a review got ${response.statusCode}`);
  await once(response.resume(), 'end');
  return performance.now() - began;
}

function shown(ms: number | undefined): string {
  return (ms ?? Number.NaN).toFixed(2);
}

function print(table: readonly (readonly string[])[]): void {
  const widths =
    table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of table) {
    process.stdout.write(`${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}\n`);
  }
}
