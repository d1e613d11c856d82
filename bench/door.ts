import { readFile } from 'node:fs/promises';
import { startCluster } from '../test/cluster/nodes/cluster.ts';
import { container } from '../test/cluster/nodes/pods.ts';
import { request } from '../test/cluster/nodes/request.ts';
import { startCollector } from '../test/node/door/collector.ts';
import { callerWithRight, install } from '../test/node/door/install.ts';
import { at } from './quantiles.ts';

// `node bench/door.ts [PAIRS]`: what the door adds to a checkpoint, measured side by side on a real node.

const PODS = 6;
const QUICK_PAIRS = 300;
const wholePairs = Number(process.argv[2] ?? 120);

type Way = 'bare' | 'door';
type Series = Readonly<Record<Way, number[]>>;

await using cluster = await startCluster({ nodes: 1 });
const installed = await install(cluster);
const token = await callerWithRight(cluster, 'caller');
const node = cluster.node('node1');
const metrics = `${node.address}:9101`;
const gc = await startCollector(installed, { node, args: ['--metrics', metrics] });
const kubeletToken = await readFile(installed.token, 'utf8');
const spec = { initContainers: [container('done', 'true')], containers: [container('main')] };
await Promise.all(
  Array.from({ length: PODS }, (_, index) => cluster.runPod({ name: `pod-${index}`, node: 'node1', spec })),
);

await measure('a container that does not run: the kubelet answers at once', QUICK_PAIRS, () => 'pod-0/done', {
  bare: 500,
  door: 409,
});
// The door waits where a name had its turn in this second: each pod has some time between its two ways.
await measure(
  'a checkpoint of some 280 KiB',
  wholePairs,
  (index, way) => `pod-${(index + (way === 'door' ? PODS / 2 : 0)) % PODS}/main`,
  { bare: 200, door: 200 },
);
await gc.stop();

/** Pairs of requests by both ways, which take turns in being first; tells what came of it. */
async function measure(
  what: string,
  pairs: number,
  containerOf: (index: number, way: Way) => string,
  expected: Readonly<Record<Way, number>>,
): Promise<void> {
  const series: Series = { bare: [], door: [] };
  const before = await ownFigures();
  for (let index = 0; index < pairs; index += 1) {
    const order: readonly Way[] = index % 2 === 0 ? ['bare', 'door'] : ['door', 'bare'];
    for (const way of order)
      series[way].push(await timed(way, `/checkpoint/default/${containerOf(index, way)}`, expected[way]));
  }
  const after = await ownFigures();
  console.log(`\n${what}; ${pairs} pairs, ${new Date().toISOString().slice(0, 10)}`);
  for (const way of ['bare', 'door'] as const) {
    console.log(`${way}  median ${ms(at(series[way], 0.5))}  p90 ${ms(at(series[way], 0.9))}`);
  }
  const differences = series.bare.map((each, index) => (series.door[index] ?? 0) - each);
  const ofMedians = at(series.door, 0.5) - at(series.bare, 0.5);
  console.log(
    `door − bare: of the medians ${ms(ofMedians)}, median of the pairs ${ms(at(differences, 0.5))}`,
  );
  const own = (after.own - before.own) / (after.requests - before.requests);
  const waited = (after.total - before.total) / (after.requests - before.requests);
  console.log(`by the door's own clock, in the mean: kubelet ${ms(waited)}, the rest ${ms(own)}`);
}

/** Milliseconds of one request by a connection of its own. */
async function timed(way: Way, path: string, expected: number): Promise<number> {
  const began = performance.now();
  const { status, body } =
    way === 'door'
      ? await gc.ask(path, { token })
      : await request(`${node.kubeletUrl}${path}`, { method: 'POST', ca: cluster.ca, token: kubeletToken });
  const took = performance.now() - began;
  if (status === expected) return took;
  const errors = (await gc.log()).filter(({ level }) => level === 'error');
  throw new Error(`${path}: ${status} instead of ${expected}: ${body}\n${JSON.stringify(errors)}`);
}

/** Milliseconds that the kubelet and the door itself have taken so far. */
async function ownFigures(): Promise<{ total: number; own: number; requests: number }> {
  const text = await (await fetch(`http://${metrics}/metrics`)).text();
  const figure = (name: string) =>
    Number(new RegExp(`^checkpoint_warden_door_${name} (.*)$`, 'm').exec(text)?.[1] ?? 0);
  return {
    total: 1_000 * figure('kubelet_duration_seconds_sum'),
    own: 1_000 * figure('own_duration_seconds_sum'),
    requests: figure('own_duration_seconds_count'),
  };
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`.padStart(9);
}
