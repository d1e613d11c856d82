import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { apply } from '../../cli/demo/apply.ts';
import { FakeApiServer } from '../kube/fake-api-server.ts';
import { call, ROOT, scratch } from './call.ts';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

const SERVED = ['--listen', ':9443', '--self-signed', 'localhost', '--write-ca', 'ca.crt'];

suite('webhook', () => {
  test('judges beside a folder of policies, with a certificate of its own', async (context) => {
    const directory = await scratch(context);
    const ca = join(directory, 'ca.crt');
    const policies = join(ROOT, 'examples/team-quota.yaml');
    const port = await freePort();
    const controller = new AbortController();
    const running = call(
      [
        ...['webhook', '--listen', `127.0.0.1:${port}`, '--policies', policies, '--log-level', 'silent'],
        ...['--self-signed', 'localhost,127.0.0.1', '--write-ca', ca],
      ],
      { stop: controller.signal },
    );
    const example = (name: string) => readFile(join(ROOT, 'examples', name), 'utf8');
    const client = async () => ({ url: `https://127.0.0.1:${port}`, ca: await readFile(ca, 'utf8') });
    const sound = await eventually(async () => apply(await client(), await example('default.yaml')));
    assert.equal(sound.admitted, true);
    const rival = (await example('team-quota.yaml')).replace('name: team-shop', 'name: rival');
    const refused = await apply(await client(), rival);
    assert.ok(
      !refused.admitted && refused.message.includes('of checkpoint-warden/team-shop'),
      JSON.stringify(refused),
    );
    controller.abort();
    assert.deepEqual(await running, { code: 0, out: '', err: '' });
  });

  test('a port that is taken', async (context) => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    context.after(() => server.close());
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    const directory = await scratch(context);
    await writeFile(join(directory, 'p.yaml'), '');
    const { code, err } = await call([
      ...['webhook', '--listen', `127.0.0.1:${port}`, '--policies', join(ROOT, 'examples/default.yaml')],
      ...['--self-signed', 'localhost', '--write-ca', join(directory, 'ca.crt'), '--log-level', 'silent'],
    ]);
    assert.equal(code, 1);
    assert.equal(
      err,
      `checkpoint-warden: --listen 127.0.0.1:${port} cannot be listened on: it is in use; choose another address or port\n`,
    );
    const scraped = await call([
      ...['webhook', '--listen', '127.0.0.1:0', '--metrics', `127.0.0.1:${port}`],
      ...['--policies', join(ROOT, 'examples/default.yaml'), '--log-level', 'silent'],
      ...['--self-signed', 'localhost', '--write-ca', join(directory, 'ca.crt')],
    ]);
    assert.equal(scraped.code, 1);
    assert.match(
      scraped.err,
      new RegExp(`^checkpoint-warden: --metrics 127.0.0.1:${port} cannot be listened on`),
    );
  });

  test('a gateway needs a cluster, and the files that it names', async (context) => {
    const directory = await scratch(context);
    const ca = join(directory, 'ca.crt');
    const args = [
      ...['webhook', '--listen', '127.0.0.1:0', '--self-signed', 'localhost', '--write-ca', ca],
      ...['--log-level', 'silent', '--gateway', '127.0.0.1:0', '--door-ca', join(directory, 'none.crt')],
    ];
    const offline = await call([...args, '--policies', join(ROOT, 'examples/default.yaml')]);
    assert.equal(offline.code, 2);
    assert.match(
      offline.err,
      /webhook --gateway needs a cluster that knows callers and pods: give --kubeconfig/,
    );
    await using api = await FakeApiServer.start();
    const missing = await call([...args, '--kubeconfig', await api.kubeconfig()]);
    assert.match(missing.err, /none\.crt cannot be read: it does not exist/);
  });

  test("the gateway's port is taken", async (context) => {
    await using api = await FakeApiServer.start();
    const directory = await scratch(context);
    const doorCa = join(directory, 'doors.crt');
    await writeFile(doorCa, api.authority.certificate);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    context.after(() => server.close());
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    const { code, err } = await call([
      ...['webhook', '--listen', '127.0.0.1:0', '--self-signed', '127.0.0.1'],
      ...['--write-ca', join(directory, 'ca.crt'), '--kubeconfig', await api.kubeconfig()],
      ...['--log-level', 'silent', '--gateway', `127.0.0.1:${port}`, '--door-ca', doorCa],
    ]);
    assert.deepEqual(
      [code, err],
      [
        1,
        `checkpoint-warden: --gateway 127.0.0.1:${port} cannot be listened on: it is in use; choose another address or port\n`,
      ],
    );
  });

  const CERTIFICATES =
    'webhook needs one of --certificate-directory DIR, --authority-namespace NAMESPACE, or --self-signed NAMES with --write-ca FILE';
  for (const [name, args, message] of [
    ['nowhere to listen', [], 'webhook needs --listen ADDRESS:PORT'],
    ['no certificate', ['--listen', ':9443'], CERTIFICATES],
    ['half a certificate', ['--listen', ':9443', '--self-signed', 'localhost'], CERTIFICATES],
    [
      'two certificates',
      ['--listen', ':9443', '--certificate-directory', '/x', '--write-ca', 'y'],
      CERTIFICATES,
    ],
    [
      'an authority and a file',
      ['--listen', ':9443', '--authority-namespace', 'x', '--write-ca', 'y'],
      CERTIFICATES,
    ],
    [
      'an authority in files',
      ['--listen', ':9443', '--authority-namespace', 'x', '--certificate-directory', '/x'],
      CERTIFICATES,
    ],
    [
      'an authority without a cluster',
      [
        ...['--listen', ':9443', '--authority-namespace', 'x', '--log-level', 'silent'],
        ...['--policies', join(ROOT, 'examples/default.yaml')],
      ],
      'webhook --authority-namespace keeps its Secrets in a cluster: give --kubeconfig FILE in the place of --policies',
    ],
    [
      'no namespace',
      ['--listen', ':9443', '--authority-namespace', 'Team A'],
      "option '--authority-namespace NAMESPACE' argument 'Team A' is invalid. Write the name of a namespace, for example checkpoint-warden",
    ],
    [
      'a gateway without doors',
      [...SERVED, '--gateway', ':9444'],
      "webhook --gateway needs --door-ca FILE, the authority of the doors' certificates",
    ],
    [
      'doors without a gateway',
      [...SERVED, '--door-port', '10350'],
      '--door-port is about doors: give --gateway ADDRESS:PORT or --connect-mode Enforce, too',
    ],
    [
      'an audience without a gateway',
      [...SERVED, '--audience', 'x'],
      '--audience is about the gateway: give --gateway ADDRESS:PORT, too',
    ],
    [
      'one port for both',
      [...SERVED, '--gateway', ':9443', '--door-ca', 'x'],
      '--gateway and --listen both name port 9443: give each a port of its own',
    ],
    [
      'verdicts without doors',
      [...SERVED, '--connect-mode', 'Enforce'],
      "webhook --connect-mode Enforce needs --door-ca FILE, the authority of the doors' certificates",
    ],
    [
      'verdicts without a token',
      [...SERVED, '--connect-mode', 'Enforce', '--door-ca', 'x'],
      'webhook --connect-mode Enforce needs --door-token FILE where it does not run in a pod',
    ],
    [
      'a token without verdicts',
      [...SERVED, '--door-token', 'x'],
      '--door-token is for --connect-mode Enforce: give that, too',
    ],
    [
      'an API without a gateway',
      [...SERVED, '--api', ':9445'],
      '--api is served beside the gateway: give --gateway ADDRESS:PORT, too',
    ],
    [
      "an API on the gateway's port",
      [...SERVED, '--gateway', ':9444', '--door-ca', 'x', '--api', ':9444'],
      '--api and --gateway both name port 9444: give each a port of its own',
    ],
    [
      "an API's token without an API",
      [...SERVED, '--api-token', 'x'],
      '--api-token is for the aggregated API: give --api ADDRESS:PORT, too',
    ],
    [
      'a name that is never named',
      [...SERVED, '--connect-mode', 'Enforce', '--gateway-url', 'https://gateway'],
      '--gateway-url is named by --connect-mode Deny alone: leave out one of the two',
    ],
    [
      'another mode',
      [...SERVED, '--connect-mode', 'deny'],
      "option '--connect-mode MODE' argument 'deny' is invalid. Write Deny or Enforce",
    ],
    [
      'an address as the name of all doors',
      [...SERVED, '--door-name', '10.0.0.1:1'],
      "option '--door-name NAME' argument '10.0.0.1:1' is invalid. Write a DNS name, for example checkpoint-warden-door.checkpoint-warden.svc",
    ],
    [
      'a port beyond all',
      [...SERVED, '--door-port', '70000'],
      "option '--door-port PORT' argument '70000' is invalid. Write a port from 1 to 65535",
    ],
    [
      'a gateway without TLS',
      [...SERVED, '--gateway-url', 'http://gateway'],
      "option '--gateway-url URL' argument 'http://gateway' is invalid. Write https://ADDRESS:PORT, for example https://10.1.2.3:10250",
    ],
  ] as const) {
    test(`a wrong call: ${name}`, async () => {
      const outcome = await call(['webhook', ...args]);
      const err = `checkpoint-warden: ${message}; see checkpoint-warden webhook --help\n`;
      assert.deepEqual(outcome, { code: 2, out: '', err });
    });
  }
});

async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  const end = Date.now() + 10_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await wait(50);
    }
  }
}
