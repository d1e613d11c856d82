import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Failures } from '../../../gc/deleting/failures.ts';
import { fileState, memoryState } from '../../../gc/system/state.ts';
import { Notices } from '../../../gc/telling/notices.ts';
import { FakeLog } from '../collector-bench.ts';

const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-state-'));
after(() => rmSync(scratch, { recursive: true }));
let made = 0;
const fresh = () => join(scratch, String(++made));

describe('the state', () => {
  it('comes back as it was written, for its owner only, and leaves no other file', () => {
    const directory = fresh();
    const log = new FakeLog();
    const document = { version: 1, 'a/b': [1, null, 'ü'] };
    fileState(directory, log).write('x.json', document);
    assert.deepEqual(fileState(directory, log).read('x.json'), document);
    assert.deepEqual(readdirSync(directory), ['x.json']);
    assert.equal(statSync(join(directory, 'x.json')).mode & 0o777, 0o600);
    assert.deepEqual(log.lines, []);
  });

  it('reads as absent when there is none, in silence', () => {
    const log = new FakeLog();
    assert.equal(fileState(fresh(), log).read('x.json'), null);
    assert.deepEqual(log.lines, []);
  });

  for (const [name, content] of [
    ['empty', ''],
    ['cut off', '{"version":1,'],
    ['binary', '\0\xff'],
  ] as const) {
    it(`reads as absent when it is ${name}, and tells it once`, () => {
      const directory = fresh();
      const log = new FakeLog();
      mkdirSync(directory);
      writeFileSync(join(directory, 'x.json'), content);
      const state = fileState(directory, log);
      assert.equal(state.read('x.json'), null);
      assert.equal(state.read('x.json'), null);
      assert.equal(log.matching(/cannot be read/).length, 1);
      state.write('x.json', 7);
      assert.equal(state.read('x.json'), 7);
    });
  }

  it('that cannot be written is told once, and does not stop anybody', () => {
    const directory = fresh();
    const log = new FakeLog();
    writeFileSync(directory, 'a file where a directory should be');
    const state = fileState(directory, log);
    state.write('x.json', 1);
    state.write('x.json', 2);
    assert.equal(log.matching(/cannot be written/).length, 1);
    rmSync(directory);
    state.write('x.json', 3);
    assert.equal(state.read('x.json'), 3);
    chmodSync(directory, 0o700);
  });

  it('that could not be written is written when it can be, the last version of it', () => {
    const directory = fresh();
    const log = new FakeLog();
    let failures = 0;
    writeFileSync(directory, 'a file where a directory should be');
    const state = fileState(directory, log, () => {
      failures += 1;
    });
    state.write('x.json', 1);
    state.write('x.json', 2);
    state.retry();
    assert.equal(failures, 3);
    rmSync(directory);
    state.retry();
    state.retry();
    assert.equal(fileState(directory, log).read('x.json'), 2);
    assert.deepEqual(
      log.lines.map(({ level, message }) => `${level} ${message.split(':')[0]}`),
      ['error the state file cannot be written', 'info the state file can be written again'],
    );
  });

  it('of a dry run reads what there is and writes nothing', () => {
    const directory = fresh();
    const log = new FakeLog();
    fileState(directory, log).write('x.json', 1);
    const state = memoryState(fileState(directory, log));
    assert.equal(state.read('x.json'), 1);
    state.write('x.json', 2);
    assert.equal(state.read('x.json'), 2);
    assert.equal(fileState(directory, log).read('x.json'), 1);
  });
});

describe('failures', () => {
  const error = (code: string) => Object.assign(new Error(code), { code });

  it('are told once by what failed and why, and once when all of them are over', () => {
    const log = new FakeLog();
    const failures = new Failures(log);
    for (const file of ['a', 'b', 'c']) failures.failed(file, 'rename', error('EROFS'), 0, { archive: file });
    failures.failed('d', 'rename', error('EPERM'), 0);
    failures.failed('a', 'rename', error('EROFS'), 9_000);
    assert.deepEqual(
      log.lines.map(({ message }) => message.split(';')[0]),
      [
        'rename failed: the file system is read-only (EROFS)',
        'rename failed: not permitted, as for an immutable file (EPERM)',
      ],
    );
    for (const file of ['a', 'b']) failures.succeeded(file);
    assert.equal(log.lines.length, 2);
    failures.retain((file) => file === 'd');
    assert.deepEqual(log.lines[2]?.fields, { was: 'rename EROFS' });
    assert.equal(failures.size, 1);
  });

  it('are tried again after 5 s, 10 s, 20 s … and every ten minutes at last', () => {
    const failures = new Failures(new FakeLog());
    let now = 0;
    const waits = Array.from({ length: 10 }, () => {
      failures.failed('a', 'unlink', error('EBUSY'), now);
      assert.ok(failures.isWaiting('a', now));
      const next = failures.nextRetry(now) ?? 0;
      assert.ok(!failures.isWaiting('a', next));
      const wait = next - now;
      now = next;
      return wait / 1_000;
    });
    for (const [index, least] of [5, 10, 20, 40, 80, 160, 320, 600, 600, 600].entries()) {
      const wait = waits[index] ?? 0;
      assert.ok(wait >= least && wait <= 1.25 * least, `${wait} s, not ${least}`);
    }
    failures.succeeded('a');
    assert.equal(failures.nextRetry(now), null);
  });

  it('of many at once are tried again together, and not one by one', () => {
    const failures = new Failures(new FakeLog());
    const start = Date.parse('2026-11-21T12:00:00Z');
    // A pass over ten thousand takes a second.
    for (let round = 0; round < 6; round += 1)
      for (let number = 0; number < 10_000; number += 1)
        failures.failed(String(number), 'rename', error('EROFS'), start + round * 600_000 + number / 10);
    const retries: number[] = [];
    for (let now = start + 3_000_000; ; now = retries.at(-1) ?? 0) {
      const next = failures.nextRetry(now);
      if (next === null) break;
      retries.push(next);
    }
    assert.ok(retries.length <= 2, `${retries.length} passes`);
  });
});

describe('notices', () => {
  it('are told when they begin, change and end, and not while they last', () => {
    const log = new FakeLog();
    const notices = new Notices(log);
    const full = (percent: number) => ({
      key: 'disk',
      message: `${percent}% full`,
      essence: 'full',
      level: 'warn' as const,
    });
    notices.update('disk', [full(91)], 'over');
    notices.update('disk', [full(92)], 'over');
    notices.update('disk', [{ ...full(93), essence: 'fuller' }], 'over');
    notices.update('other', [], 'over');
    notices.update('disk', [], 'over');
    notices.update('disk', [], 'over');
    assert.deepEqual(
      log.lines.map(({ message }) => message),
      ['91% full', '93% full', 'over'],
    );
  });
});
