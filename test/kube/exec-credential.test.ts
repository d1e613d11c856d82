import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { type ExecProgram, readExec, runExec } from '../../kube/exec-credential.ts';

const V1 = 'client.authentication.k8s.io/v1';
const beside = (path: string) => join('/home/u/.kube', path);

suite('what a kubeconfig says of a program', () => {
  test('is read, and a path is one beside the kubeconfig', () => {
    const exec = {
      apiVersion: V1,
      command: './bin/get',
      args: ['token'],
      env: [{ name: 'REGION', value: 'north' }],
      interactiveMode: 'IfAvailable',
    };
    assert.deepEqual(readExec(exec, beside), {
      command: '/home/u/.kube/bin/get',
      args: ['token'],
      env: { REGION: 'north' },
      apiVersion: V1,
    });
    assert.equal(readExec({ apiVersion: V1, command: 'get-token' }, beside).command, 'get-token');
  });

  const refused: readonly (readonly [name: string, exec: Record<string, unknown>, message: RegExp])[] = [
    ['no command', { command: undefined }, /no command; name the program/],
    ['another group', { apiVersion: 'v1' }, /the apiVersion "v1"; write client\.authentication\.k8s\.io\/v1/],
    ['a person to ask', { interactiveMode: 'Always' }, /nobody can be asked here/],
    ['args of numbers', { args: [1] }, /args that are no list of texts/],
    ['an env that is a mapping', { env: { a: 'b' } }, /env that is no list of \{name, value\}/],
  ];
  for (const [name, exec, message] of refused) {
    test(`with ${name} is refused`, () => {
      assert.throws(() => readExec({ apiVersion: V1, command: 'get', ...exec }, beside), { message });
    });
  }
});

async function program(t: TestContext, script: string): Promise<ExecProgram> {
  const folder = await mkdtemp(join(tmpdir(), 'checkpoint-warden-exec-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const command = join(folder, 'get');
  await writeFile(command, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { command, args: ['a b'], env: { REGION: 'north' }, apiVersion: V1 };
}

const credential = (status: object, rest: object = {}) =>
  `cat <<'END'\n${JSON.stringify({ apiVersion: V1, kind: 'ExecCredential', status, ...rest })}\nEND`;

suite('the program', () => {
  test('is given its arguments, its environment and what is asked of it', async (t) => {
    const info = '$(echo "$KUBERNETES_EXEC_INFO" | tr -d \'"{}\')';
    const script = `echo "{\\"apiVersion\\":\\"${V1}\\",\\"kind\\":\\"ExecCredential\\",\\"status\\":{\\"token\\":\\"$1 $REGION ${info}\\"}}"`;
    assert.deepEqual(await runExec(await program(t, script), 5_000), {
      token: `a b north apiVersion:${V1},kind:ExecCredential,spec:interactive:false`,
    });
  });

  test('gives a certificate with its key, and until when', async (t) => {
    const status = {
      clientCertificateData: 'C',
      clientKeyData: 'K',
      expirationTimestamp: '2026-11-21T10:00:00Z',
    };
    assert.deepEqual(await runExec(await program(t, credential(status)), 5_000), {
      certificate: 'C',
      key: 'K',
      expiresAt: Date.parse('2026-11-21T10:00:00Z'),
    });
  });

  const refused: readonly (readonly [name: string, script: string, message: RegExp])[] = [
    ['that fails', 'echo no login >&2; exit 3', /get failed \(3\): no login$/],
    ['that says nothing', '', /get gave no JSON; it has to print an ExecCredential$/],
    ['that gives something else', 'echo "[]"', /no ExecCredential$/],
    ['of another version', credential({ token: 't' }, { apiVersion: 'x' }), /write the same in both$/],
    ['that gives neither', credential({ clientKeyData: 'K' }), /neither a token nor a certificate/],
    ['that never ends', 'exec sleep 600', /gave no credentials within 0\.3 s$/],
    ['that never stops talking', 'while :; do echo 0123456789; done', /gave more than 1048576 characters$/],
  ];
  for (const [name, script, message] of refused) {
    test(`${name} is refused`, async (t) => {
      const ms = name === 'that never ends' ? 300 : 20_000;
      await assert.rejects(runExec(await program(t, script), ms), { message });
    });
  }

  test('that is not there is named', async () => {
    const missing = { command: '/nowhere/get', args: [], env: {}, apiVersion: V1 };
    await assert.rejects(runExec(missing, 5_000), { message: /^\/nowhere\/get cannot be run: .*ENOENT/ });
  });
});
