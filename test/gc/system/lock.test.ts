import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { takeLock } from '../../../gc/system/lock.ts';

const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-lock-'));
after(() => rmSync(scratch, { recursive: true }));
let locks = 0;
const fresh = () => join(scratch, `${++locks}.sock`);

describe('the lock', () => {
  it('is held by one, who is named to the other', async () => {
    const path = fresh();
    const lock = await takeLock(path, { node: 'worker-1' });
    assert.equal(lock.isHeld(), true);
    await assert.rejects(takeLock(path, { node: 'worker-1' }), {
      message: new RegExp(
        `^another collector has this directory \\(process ${process.pid} on worker-1, since .*\\); stop it first`,
      ),
    });
    assert.equal(lock.isHeld(), true);
    await lock.release();
    const next = await takeLock(path, { node: 'worker-1' });
    await next.release();
    assert.deepEqual(
      readdirSync(scratch).filter((name) => name.startsWith(`${locks}.sock`)),
      [],
    );
  });

  it('ends with its holder, however that ends', async () => {
    const path = fresh();
    const lockFile = JSON.stringify(join(import.meta.dirname, '../../../gc/system/lock.ts'));
    const program = `const { takeLock } = await import(${lockFile}); await takeLock(${JSON.stringify(path)}, {node: "worker-2"});
      console.log('held'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await assert.rejects(takeLock(path, { node: 'worker-1' }), /another collector has this directory/);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const lock = await takeLock(path, { node: 'worker-1' });
    assert.equal(lock.isHeld(), true);
    await lock.release();
  });

  it('is taken by one of many who find it stale at the same moment', async () => {
    const path = fresh();
    writeFileSync(path, 'not even a socket');
    const taken = await Promise.allSettled(
      Array.from({ length: 8 }, () => takeLock(path, { node: 'worker-1' })),
    );
    const won = taken.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    assert.equal(won.length, 1);
    assert.equal(won[0]?.isHeld(), true);
    await won[0]?.release();
  });

  it('that was taken over is not held any more, and stays with its new holder', async () => {
    const path = fresh();
    const first = await takeLock(path, { node: 'worker-1' });
    rmSync(path);
    const second = await takeLock(path, { node: 'worker-1' });
    assert.equal(first.isHeld(), false);
    await first.release();
    assert.equal(second.isHeld(), true);
    await second.release();
  });

  it('says what to do where its path is too long', async () => {
    await assert.rejects(
      takeLock(join(scratch, 'x'.repeat(120)), { node: 'worker-1' }),
      /too long for a socket in it/,
    );
  });

  it('says why where it cannot be made', async () => {
    await assert.rejects(
      takeLock(join(scratch, 'missing', 'a.sock'), { node: 'worker-1' }),
      /cannot be made: .*\(?E/,
    );
  });
});
