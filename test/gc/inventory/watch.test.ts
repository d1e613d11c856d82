import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  BURST,
  COALESCE_MS,
  DirectoryWatch,
  type Hint,
  POLL_MS,
  type WatchMode,
} from '../../../gc/inventory/watch.ts';
import type { Timers } from '../../../gc/system/timers.ts';
import { FakeFiles } from '../fake-files.ts';
import { realWorld } from '../worlds.ts';

const DIRECTORY = '/checkpoints';

/** Time that passes when the test says so. */
class FakeTimers implements Timers {
  #now = 0;
  readonly #due = new Set<{ readonly at: number; readonly run: () => void }>();

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#due.add(timer);
    return () => this.#due.delete(timer);
  }

  pass(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#due].sort((a, b) => a.at - b.at)) {
      if (timer.at > this.#now || !this.#due.delete(timer)) continue;
      timer.run();
    }
  }

  get pending(): number {
    return this.#due.size;
  }
}

function bench(prepare: (files: FakeFiles) => void = (files) => files.mkdir(DIRECTORY)) {
  const files = new FakeFiles();
  prepare(files);
  const timers = new FakeTimers();
  const hints: Hint[] = [];
  const modes: WatchMode[] = [];
  const watch = new DirectoryWatch({
    files,
    directory: DIRECTORY,
    timers,
    onHint: (hint) => hints.push(hint),
    onMode: (mode) => modes.push(mode),
  });
  watch.start();
  return { files, timers, hints, modes, watch };
}

const WATCHING: WatchMode = { watching: true };

function polling(because: string): WatchMode {
  return { watching: false, because };
}

describe('watch: hints', () => {
  it('come together, each name once', () => {
    const { files, timers, hints, modes } = bench();
    for (const name of ['a', 'b', 'a']) files.write(`${DIRECTORY}/${name}`, name);
    timers.pass(COALESCE_MS - 1);
    assert.deepEqual(hints, []);
    timers.pass(1);
    files.remove(`${DIRECTORY}/a`);
    timers.pass(COALESCE_MS);
    assert.deepEqual(hints, [
      { kind: 'names', names: ['a', 'b'] },
      { kind: 'names', names: ['a'] },
    ]);
    assert.deepEqual(modes, [WATCHING]);
  });

  it('a burst is taken for a loss', () => {
    const { files, timers, hints } = bench();
    files.write(`${DIRECTORY}/a`, '');
    for (let i = 0; i < BURST; i++) files.touch(`${DIRECTORY}/a`, i);
    timers.pass(COALESCE_MS);
    assert.deepEqual(hints, [{ kind: 'all', because: 'more than 8000 events came at once' }]);
    files.touch(`${DIRECTORY}/a`, 1);
    timers.pass(COALESCE_MS);
    assert.deepEqual(hints[1], { kind: 'names', names: ['a'] });
  });

  it('as many as are allowed are none', () => {
    const { files, timers, hints } = bench();
    files.write(`${DIRECTORY}/a`, '');
    for (let i = 1; i < BURST; i++) files.touch(`${DIRECTORY}/a`, i);
    timers.pass(COALESCE_MS);
    assert.deepEqual(hints, [{ kind: 'names', names: ['a'] }]);
  });

  it('an event without a name may be of anything', () => {
    const { files, timers, hints } = bench();
    files.disturbWatches('nameless');
    timers.pass(COALESCE_MS);
    assert.deepEqual(hints, [{ kind: 'all', because: 'an event came without a name' }]);
  });
});

describe('watch: a directory that is not there', () => {
  it('is polled for, and watched when it comes', () => {
    const { files, timers, hints, modes } = bench(() => {});
    const because = `${DIRECTORY} does not exist`;
    timers.pass(POLL_MS);
    timers.pass(POLL_MS);
    assert.deepEqual(hints, [
      { kind: 'all', because },
      { kind: 'all', because },
    ]);
    files.mkdir(DIRECTORY);
    timers.pass(POLL_MS);
    assert.deepEqual(modes, [polling(because), WATCHING]);
    assert.deepEqual(hints[2], { kind: 'all', because: `${DIRECTORY} is watched again` });
    files.write(`${DIRECTORY}/a`, '');
    timers.pass(COALESCE_MS);
    assert.deepEqual(hints[3], { kind: 'names', names: ['a'] });
    timers.pass(POLL_MS);
    assert.equal(hints.length, 4, 'polling has ended');
  });

  it('and comes is watched at once when a scan says so', () => {
    const { files, modes, watch } = bench(() => {});
    files.mkdir(DIRECTORY);
    watch.check();
    assert.deepEqual(modes.at(-1), WATCHING);
    watch.check();
    assert.equal(files.watches, 1);
  });

  it('any more is noticed by the next event', () => {
    const { files, timers, hints, modes } = bench();
    files.write(`${DIRECTORY}/a`, '');
    files.remove(DIRECTORY);
    timers.pass(COALESCE_MS);
    const because = `${DIRECTORY} does not exist`;
    assert.deepEqual(hints, [{ kind: 'all', because }]);
    assert.deepEqual(modes, [WATCHING, polling(because)]);
    assert.equal(files.watches, 0);
  });

  it('but another one is watched instead', () => {
    const { files, timers, hints, modes, watch } = bench();
    files.remove(DIRECTORY);
    files.mkdir(DIRECTORY);
    files.write(`${DIRECTORY}/a`, '');
    timers.pass(COALESCE_MS);
    assert.deepEqual(hints, [], 'the old watch hears nothing');
    watch.check();
    assert.deepEqual(hints, [{ kind: 'all', because: `${DIRECTORY} was replaced by another directory` }]);
    assert.deepEqual(modes, [WATCHING]);
    files.write(`${DIRECTORY}/b`, '');
    timers.pass(COALESCE_MS);
    assert.deepEqual(hints[1], { kind: 'names', names: ['b'] });
    assert.equal(files.watches, 1);
  });

  it('but another one with the inode of the first is watched at once, too', () => {
    const { files, timers, hints, modes } = bench();
    files.remake(DIRECTORY);
    timers.pass(COALESCE_MS);
    const because = `something happened to ${DIRECTORY} itself`;
    assert.deepEqual(hints, [{ kind: 'all', because }]);
    files.write(`${DIRECTORY}/a`, '');
    timers.pass(COALESCE_MS);
    assert.deepEqual(hints[1], { kind: 'names', names: ['a'] });
    assert.deepEqual([modes, files.watches], [[WATCHING], 1]);
  });

  it('and came again while events were lost is watched from the next scan on', () => {
    const { files, timers, hints, watch } = bench();
    files.remake(DIRECTORY, false);
    watch.check();
    files.write(`${DIRECTORY}/a`, '');
    timers.pass(COALESCE_MS);
    assert.deepEqual(hints, [{ kind: 'names', names: ['a'] }]);
    assert.equal(files.watches, 1);
  });
});

describe('watch: failures', () => {
  it('no watch left: polled, said once, tried again', () => {
    const { files, timers, hints, modes } = bench((made) => {
      made.mkdir(DIRECTORY);
      made.fault('watch', DIRECTORY, 'EMFILE');
    });
    const why = 'no inotify instance is left (EMFILE), raise fs.inotify.max_user_instances';
    const because = `${DIRECTORY} cannot be watched: ${why}`;
    timers.pass(POLL_MS);
    timers.pass(POLL_MS);
    assert.deepEqual(modes, [polling(because)]);
    assert.equal(hints.length, 2);
    files.fault('watch', DIRECTORY, null);
    timers.pass(POLL_MS);
    assert.deepEqual(modes[1], WATCHING);
  });

  it('a watch that fails: everything is looked at, and tried again after a while', () => {
    const { files, timers, hints, modes } = bench();
    files.disturbWatches('error');
    const because = `the watch of ${DIRECTORY} failed: input/output error of the disk (EIO)`;
    assert.deepEqual(hints, [{ kind: 'all', because }]);
    assert.deepEqual(modes, [WATCHING, polling(because)]);
    assert.equal(files.watches, 0);
    timers.pass(POLL_MS);
    assert.deepEqual(modes[2], WATCHING);
  });
});

describe('watch: its life', () => {
  it('ends with nothing left behind', () => {
    const { files, timers, hints, watch } = bench();
    files.write(`${DIRECTORY}/a`, '');
    watch.stop();
    assert.deepEqual([files.watches, timers.pending], [0, 0]);
    timers.pass(POLL_MS);
    watch.check();
    assert.deepEqual([hints, files.watches], [[], 0]);
  });

  it('ends while it polls, too, and begins again', () => {
    const { files, timers, modes, watch } = bench(() => {});
    watch.stop();
    assert.equal(timers.pending, 0);
    files.mkdir(DIRECTORY);
    watch.start();
    watch.start();
    assert.deepEqual(modes.at(-1), WATCHING);
    assert.equal(files.watches, 1);
  });

  it('hears a real directory', async () => {
    const world = realWorld();
    const heard = Promise.withResolvers<Hint>();
    const watch = new DirectoryWatch({
      files: world.files,
      directory: world.directory,
      onHint: heard.resolve,
      onMode() {},
      timers: { after: (ms, run) => clearTimeout.bind(null, setTimeout(run, ms)) },
    });
    const alive = setInterval(() => {}, 1000);
    watch.start();
    world.write('checkpoint-a.tar', 'x');
    assert.deepEqual(await heard.promise, { kind: 'names', names: ['checkpoint-a.tar'] });
    clearInterval(alive);
    watch.stop();
    world.end();
  });
});
