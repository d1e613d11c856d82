import assert from 'node:assert/strict';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { makeArchive } from '../../cli/demo/archives.ts';
import { dashboardQueries } from '../../manifests/dashboard.ts';
import { fieldsOf, own } from '../../policy/json.ts';
import { eventually } from '../cluster/eventually.ts';
import { type Guard, startGuard } from '../cluster/guard.ts';
import { requireForNodes } from '../cluster/nodes/requirements.ts';
import { freePort } from '../cluster/port.ts';
import { startServer } from '../cluster/server.ts';

const PROGRAM = fileURLToPath(new URL('../../cli/checkpoint-warden.js', import.meta.url));
/** Of what only a cluster has: the door's, the gateway's and what has not happened here. */
const NOT_HERE = /_door_|errors_total|deletions_total|admission_|> 0$/;

let guard: Guard;
let server: string;

/** A collector and a webhook as they are started by hand, scraped by Prometheus. */
before(async () => {
  await requireForNodes(['prometheus']);
  guard = await startGuard(await mkdtemp(join(tmpdir(), 'checkpoint-warden-prometheus-')));
  const [directory, policies] = ['archives', 'policies'].map((name) => join(guard.directory, name));
  assert.ok(directory && policies);
  await mkdir(directory);
  await mkdir(policies);
  const made = { namespace: 'shop', pod: 'cart', container: 'main', podUid: 'a', memoryBytes: 4_096 };
  await makeArchive(directory, { ...made, runtime: 'containerd', takenAt: new Date() });
  const [collector, webhook, listen, prometheus] = await Promise.all(
    Array.from({ length: 4 }, () => freePort()),
  );
  const gc = ['gc', '--directory', directory, '--policies', policies, '--metrics', `127.0.0.1:${collector}`];
  const hook = [
    'webhook',
    '--listen',
    `127.0.0.1:${listen}`,
    '--policies',
    policies,
    '--self-signed',
    'localhost',
  ];
  const ca = ['--write-ca', join(guard.directory, 'ca.crt'), '--metrics', `127.0.0.1:${webhook}`];
  await startServer(guard, process.execPath, [PROGRAM, ...gc], 'collector');
  await startServer(guard, process.execPath, [PROGRAM, ...hook, ...ca], 'webhook');
  const scraped = (name: string, port: number | undefined) => ({
    job_name: name,
    static_configs: [{ targets: [`127.0.0.1:${port}`], labels: { node: 'n1', pod: `${name}-1` } }],
  });
  const configuration = {
    global: { scrape_interval: '1s' },
    scrape_configs: [scraped('collector', collector), scraped('webhook', webhook)],
  };
  const file = join(guard.directory, 'prometheus.yaml');
  await writeFile(file, stringify(configuration));
  server = `127.0.0.1:${prometheus}`;
  const options = {
    'config.file': file,
    'storage.tsdb.path': join(guard.directory, 'data'),
    'web.listen-address': server,
  };
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  await startServer(guard, 'prometheus', args);
});
after(() => guard?.release());

/** The values of the series that there are now. */
async function query(expression: string): Promise<readonly unknown[]> {
  const url = `http://${server}/api/v1/query?${new URLSearchParams({ query: expression })}`;
  const answer: unknown = await (await fetch(url)).json();
  assert.equal(own(fieldsOf(answer), 'status'), 'success', `${expression}: ${JSON.stringify(answer)}`);
  const result = own(fieldsOf(own(fieldsOf(answer), 'data')), 'result');
  assert.ok(Array.isArray(result));
  return result.map((series) => {
    const value = own(fieldsOf(series), 'value');
    return Array.isArray(value) ? value[1] : undefined;
  });
}

test('Prometheus takes what both serve', async () => {
  await eventually(async () => {
    assert.deepEqual(await query('up'), ['1', '1']);
  });
  await eventually(async () => {
    assert.deepEqual(await query('checkpoint_warden_archives{state="identified"}'), ['1']);
  });
});

test('each query of the dashboard is one, and shows what there is', async () => {
  for (const [panel, expression] of dashboardQueries()) {
    const found = await query(expression);
    if (!NOT_HERE.test(expression)) assert.ok(found.length > 0, `${panel}: ${expression}`);
  }
});
