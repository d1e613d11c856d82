import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');

test("what stays running loads no HTTP client but Node's own", () => {
  const files = ['cli/gc.ts', 'cli/door.ts', 'cli/webhook.ts', 'webhook/gateway/worker.ts'];
  // An import of `node:http`, in whichever file, brings the other one.
  const script = `for (const file of ${JSON.stringify(files.map((file) => join(ROOT, file)))}) {
      await import(file);
      const loaded = process.moduleLoadList.filter((name) => name.includes('undici'));
      if (loaded.length > 0) console.log(file, ...loaded);
    }
    process.exit();`;
  const told = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  assert.equal(told, '');
});
