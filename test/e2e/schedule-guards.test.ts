import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { managerOf } from '../../gc/schedule/reporter.ts';
import { entriesOf, statusOf } from '../../gc/schedule/status.ts';
import { createClient, type KubeClient } from '../../kube/client.ts';
import { scheduleStatusWriter } from '../../kube/schedules.ts';
import type { JsonObject } from '../../policy/json.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { eventually } from '../cluster/eventually.ts';

const BASE = fileURLToPath(new URL('../../manifests/base', import.meta.url));
const SCHEDULE = { namespace: 'default', name: 'nightly' };

let plane: ControlPlane;
const clients: KubeClient[] = [];

before(async () => {
  plane = await startControlPlane();
  await kubectl('apply', '-k', BASE);
  await kubectl('wait', '--for=condition=Established', 'crd/checkpointschedules.criu.org');
  for (const name of ['node1', 'node2']) {
    await plane.apply(JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name } }));
  }
  await plane.apply(
    JSON.stringify({
      ...{ apiVersion: 'criu.org/v1', kind: 'CheckpointSchedule', metadata: SCHEDULE },
      spec: { selector: {}, triggers: { interval: '1h' } },
    }),
  );
});
after(async () => {
  for (const client of clients) client.close();
  await plane.stop();
});

async function kubectl(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await plane.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** What the collector of a node is, by the token of its pod. */
async function collectorOf(node: string): Promise<KubeClient> {
  const bound = ['--bound-object-kind=Node', `--bound-object-name=${node}`];
  const token = await kubectl('create', 'token', 'collector', '-n', 'checkpoint-warden', ...bound);
  const file = join(plane.directory, `${node}.kubeconfig`);
  const ca = Buffer.from(plane.ca).toString('base64');
  const config = {
    clusters: [{ name: 'c', cluster: { server: plane.url, 'certificate-authority-data': ca } }],
    users: [{ name: 'u', user: { token: token.trim() } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  await writeFile(file, stringify(config));
  const client = await createClient({ kubeconfig: file });
  clients.push(client);
  return client;
}

async function entries(): Promise<string[]> {
  const found: JsonObject = JSON.parse(await kubectl('get', 'checkpointschedule', 'nightly', '-o', 'json'));
  return entriesOf(found).map(({ node, taken }) => `${node} ${taken}`);
}

test("each collector writes its own node's entry; it may take another's away, and change none", async () => {
  const [one, other] = [
    scheduleStatusWriter(await collectorOf('node1')),
    scheduleStatusWriter(await collectorOf('node2')),
  ];
  const says = (node: string, taken: number) => ({ nodes: [{ node, taken }], checkpointsCreated: taken });
  // The policy acts a moment after it was made.
  await eventually(async () => {
    await assert.rejects(
      one.write(SCHEDULE, 'stranger', says('node2', 7)),
      /a collector writes the entry of its own node alone/,
    );
  }, 60_000);
  await other.write(SCHEDULE, managerOf('node2'), {});
  await one.write(SCHEDULE, managerOf('node1'), says('node1', 1));
  await other.write(SCHEDULE, managerOf('node2'), says('node2', 2));
  assert.deepEqual(await entries(), ['node1 1', 'node2 2']);
  await one.write(SCHEDULE, managerOf('node1'), says('node1', 3));
  assert.deepEqual(await entries(), ['node1 3', 'node2 2']);
  await assert.rejects(one.write(SCHEDULE, managerOf('node2'), says('node2', 9)), /its own node alone/);
  await one.write(SCHEDULE, managerOf('node2'), {});
  assert.deepEqual(await entries(), ['node1 3']);
  // The last one, with what is written in the place of nothing.
  await one.write(SCHEDULE, managerOf('node1'), statusOf(null, 'node1', [], Date.now()));
  assert.deepEqual(await entries(), []);
});

test('nothing is written of a schedule that is gone', async () => {
  const writer = scheduleStatusWriter(await collectorOf('node1'));
  const status = { nodes: [{ node: 'node1', taken: 1 }] };
  await assert.rejects(writer.write({ ...SCHEDULE, name: 'gone' }, managerOf('node1'), status), {
    status: 404,
  });
});

test('no more nodes have an entry than the schema says', async () => {
  const writer = scheduleStatusWriter(await collectorOf('node1'));
  const nodes = Array.from({ length: 33 }, (_, index) => ({ node: `n-${index}` }));
  await assert.rejects(writer.write(SCHEDULE, 'many', { nodes }), /Too many|too many|own node/);
});

test("without any webhook a tenant's schedule reaches no other namespace, and an administrator's does", async () => {
  await kubectl('create', 'namespace', 'team');
  await kubectl(
    'create',
    'role',
    'schedules',
    '-n',
    'team',
    '--verb=*',
    '--resource=checkpointschedules.criu.org',
  );
  await kubectl('create', 'rolebinding', 'tenant', '-n', 'team', '--role=schedules', '--user=tenant');
  const apply = (name: string, namespace: string | undefined, ...flags: string[]) =>
    plane.kubectl(['create', '-f', '-', ...flags], {
      input: JSON.stringify({
        ...{ apiVersion: 'criu.org/v1', kind: 'CheckpointSchedule', metadata: { name, namespace: 'team' } },
        spec: { selector: {}, triggers: { interval: '1h' }, ...(namespace && { namespace }) },
      }),
    });
  await eventually(async () => {
    const refused = await apply('deputy', 'default', '--as=tenant', '--dry-run=server');
    assert.match(
      refused.stderr,
      /default is not the namespace of the schedule, and tenant may not govern there/,
    );
  }, 60_000);
  for (const [name, namespace] of [
    ['own', undefined],
    ['named', 'team'],
  ] as const) {
    const taken = await apply(name, namespace, '--as=tenant');
    assert.equal(taken.status, 0, taken.stderr);
  }
  const governing = await apply('wide', 'default');
  assert.equal(governing.status, 0, governing.stderr);
  const edited = await plane.kubectl([
    ...['patch', 'checkpointschedule', 'own', '-n', 'team', '--as=tenant', '--type=merge'],
    ...['-p', '{"spec":{"namespace":"default"}}'],
  ]);
  assert.match(edited.stderr, /may not govern there/);
});
