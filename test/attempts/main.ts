import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

/*
 * Runs node's test runner with the arguments given, and what failed once more where ATTEMPTS=2 says so: in CI, beside
 * other work, real servers miss a deadline now and then, and that must be told from what a change broke. Files that
 * needed the second attempt are named at the end; each is owed a look.
 */
const [attempts, args] = [Number(process.env.ATTEMPTS ?? 1), process.argv.slice(2)];
const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-attempts-'));
try {
  const failed = attempt(args);
  if (failed === null) process.exitCode = 0;
  else if (attempts < 2 || failed.length === 0) process.exitCode = 1;
  else {
    process.stdout.write(`\nsecond attempt: ${named(failed)}\n\n`);
    const options = args.filter((each) => each.startsWith('--'));
    const again = attempt([...options, ...failed]);
    const outcome = again
      ? `failed twice: ${named(again)}`
      : `passed at the second attempt: ${named(failed)}`;
    process.stdout.write(`\n${outcome}\n`);
    process.exitCode = again ? 1 : 0;
  }
} finally {
  rmSync(scratch, { recursive: true });
}

function named(files: readonly string[]): string {
  return files.map((file) => relative('.', file)).join(', ');
}

/** The files that failed, null when none did; empty when the runner itself failed. */
function attempt(each: readonly string[]): readonly string[] | null {
  const record = join(scratch, 'failed');
  const reporters = [
    ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
    ...[
      `--test-reporter=${join(import.meta.dirname, 'failed-files.ts')}`,
      `--test-reporter-destination=${record}`,
    ],
  ];
  const { status } = spawnSync(process.execPath, ['--test', ...reporters, ...each], { stdio: 'inherit' });
  if (status === 0) return null;
  return [...new Set(readFileSync(record, 'utf8').split('\n').filter(Boolean))];
}
