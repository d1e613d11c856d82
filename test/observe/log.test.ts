import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createLog } from '../../observe/log.ts';

function logged(write: (log: ReturnType<typeof createLog>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  write(createLog({ fields: { node: 'worker-1' }, destination: { write: (line) => void lines.push(line) } }));
  return lines.map((line) => JSON.parse(line));
}

// No token of anybody: header and payload are {"alg":"none"} and {"sub":"nobody"}.
const JWT = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"nobody"}').toString('base64url')}.c2lnbmF0dXJl`;

describe('the log', () => {
  it('writes lines of JSON with time, level and message', () => {
    const [line] = logged((log) => log.info({ archive: 'a.tar' }, 'deleted'));
    assert.match(String(line?.time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.deepEqual(
      { ...line, time: '' },
      { level: 'info', time: '', node: 'worker-1', archive: 'a.tar', message: 'deleted' },
    );
  });

  it('shows errors with their causes, and not what else hangs on them', () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const error = Object.assign(new Error('no answer', { cause }), { request: { headers: { secret: 'x' } } });
    const [line] = logged((log) => log.error({ err: error }, 'failed'));
    const { stack, ...shown } = Object(line?.err);
    assert.match(String(stack), /log\.test\.ts/);
    assert.deepEqual(shown, {
      type: 'Error',
      message: 'no answer',
      cause: { type: 'Error', message: 'connect ECONNREFUSED', code: 'ECONNREFUSED' },
    });
  });

  it('cuts endless messages and endless causes', () => {
    const loop = new Error('x'.repeat(9_999));
    loop.cause = loop;
    const [line] = logged((log) => log.error({ err: loop }, 'failed'));
    assert.ok(JSON.stringify(line).length < 9_000);
  });

  const secrets: readonly [string, object, string][] = [
    ['a token by its name', { token: 'abc' }, ''],
    ['a password deep inside', { a: { b: [{ password: 'p"w\\d' }] } }, ''],
    ['an authorization header', { headers: { Authorization: 'Bearer abcdefghijkl' } }, ''],
    ['a bearer token in a message', {}, 'sent Bearer abcdef123456 to it'],
    ['a service account token in an error', { err: new Error(`refused: ${JWT}`) }, ''],
    ['a private key', { pem: '-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----\n' }, ''],
    ['half a private key', { pem: '-----BEGIN EC PRIVATE KEY-----\nMIIabc' }, ''],
    ['client-key-data of a kubeconfig', { 'client-key-data': 'TUlJYWJj' }, ''],
  ];
  for (const [name, fields, message] of secrets) {
    it(`takes out ${name}, and the line stays JSON`, () => {
      const text = JSON.stringify(logged((log) => log.warn(fields, message)));
      assert.match(text, /\[redacted\]/);
      for (const secret of ['"abc"', 'p\\"w', 'abcdef', JWT.slice(10), 'MIIabc', 'TUlJYWJj']) {
        assert.ok(!text.includes(secret), text);
      }
    });
  }

  it('leaves names alone that only look a little like secrets', () => {
    const fields = {
      tokenFile: '/run/token',
      archive: 'checkpoint-password-reset_shop-main.tar',
      bearer: 'none',
    };
    const [line] = logged((log) => log.info(fields, 'the basic idea of a bearer'));
    assert.equal(line?.tokenFile, '/run/token');
    assert.equal(line?.archive, fields.archive);
    assert.equal(line?.message, 'the basic idea of a bearer');
  });

  it('has written everything when the process ends at once', () => {
    const module = JSON.stringify(join(import.meta.dirname, '../../observe/log.ts'));
    const program = `const { createLog } = await import(${module}); const log = createLog({ to: 'stdout' });
      for (let i = 0; i < 5000; i += 1) log.info({ i }, 'line'); process.kill(process.pid, 'SIGKILL');`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      maxBuffer: 1e8,
    });
    assert.equal(stdout.trimEnd().split('\n').length, 5_000);
  });
});

it('lines that came together are written together, scrubbed one by one', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const written: string[] = [];
  const log = createLog({ together: true, destination: { write: (text) => void written.push(text) } });
  log.info({ token: 'abc' }, 'one');
  log.info({ path: '/a' }, 'two');
  assert.deepEqual(written, []);
  t.mock.timers.tick(20);
  assert.equal(written.length, 1);
  const [one, two, rest] = (written[0] ?? '').split('\n');
  assert.equal(JSON.parse(one ?? '').token, '[redacted]');
  assert.equal(JSON.parse(two ?? '').message, 'two');
  assert.equal(rest, '');
  for (let line = 0; line < 2_000; line += 1) log.info({ line }, 'many');
  assert.ok(written.length > 1, 'so many do not wait');
  t.mock.timers.tick(20);
  assert.equal(written.join('').trim().split('\n').length, 2_002);
  t.mock.timers.tick(1_000);
  assert.ok(written.every((text) => text !== ''));
});

it('a warning waits for nothing, and comes behind what was told before it', () => {
  const written: string[] = [];
  const log = createLog({ together: true, destination: { write: (text) => void written.push(text) } });
  log.info({}, 'one');
  log.warn({}, 'two');
  log.error({}, 'three');
  assert.deepEqual(
    written.map((text) => text.match(/(?<="message":")\w+/g)),
    [['one', 'two'], ['three']],
  );
});

it('what was gathered is written when the process ends', () => {
  const url = new URL('../../observe/log.ts', import.meta.url).href;
  const script = `import { createLog } from '${url}'; createLog({ together: true }).info({}, 'last'); process.exit(3);`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  assert.equal(status, 3);
  assert.match(stderr, /"message":"last"/);
});
