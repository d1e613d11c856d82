import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { eventually } from './eventually.ts';
import { processesNaming } from './processes.ts';

const program = join(import.meta.dirname, 'main.ts');

for (const signal of ['SIGKILL', 'SIGINT', 'SIGTERM'] as const) {
  test(`nothing outlives a process that ends by ${signal}`, async (t) => {
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'ignore'] });
    t.after(() => child.kill('SIGKILL'));
    const directory = await announcedDirectory(child);
    assert.equal((await processesNaming(directory)).length, 3);

    child.kill(signal);
    await once(child, 'exit');
    await eventually(async () => {
      assert.deepEqual(await processesNaming(directory), []);
      assert.equal(existsSync(directory), false);
    });
  });
}

async function announcedDirectory(child: ChildProcess): Promise<string> {
  assert.ok(child.stdout);
  for await (const line of createInterface({ input: child.stdout })) {
    const kubeconfig = /^export KUBECONFIG=(.*)$/.exec(line)?.[1];
    if (kubeconfig !== undefined) return dirname(kubeconfig);
  }
  throw new Error('main.ts ended without a control plane');
}
