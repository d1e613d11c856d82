import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../cluster/eventually.ts';
import { requireForNodes } from '../../cluster/nodes/requirements.ts';
import { makeArchive } from '../../fixtures/make-archive.ts';
import { startGc } from '../gc-process.ts';
import { callsIn, TRACED } from './strace.ts';

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'checkpoint-warden-links-')));
const KEEP_ONE = { globalPolicy: { maxCheckpointsPerContainer: 1 }, circuitBreaker: { maxShare: '100%' } };
const policies = join(scratch, 'policy.yaml');
let sockets: Server[] = [];
let made = 0;

before(async () => {
  await requireForNodes(['strace']);
  const resource = {
    apiVersion: 'criu.org/v1',
    kind: 'CheckpointRestoreOperator',
    metadata: { name: 'quotas', namespace: 'ops' },
    spec: { applyPoliciesImmediately: true, ...KEEP_ONE },
  };
  writeFileSync(policies, JSON.stringify(resource));
});

after(() => {
  for (const socket of sockets) socket.close();
  sockets = [];
  rmSync(scratch, { recursive: true, force: true });
});

/** Between the look at a file and what is done to it pass 20 ms, in which much can happen. */
const CHANGES = 'rename,renameat,renameat2,unlink,unlinkat,link,linkat';
const SLOWLY = [
  // The tracer in the background, so that signals reach the collector.
  ...['strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${CHANGES}`],
  ...['-e', `inject=${CHANGES}:delay_enter=20000`],
];

/** Archives at a time, and how often the directory is swapped while they are deleted. */
const MANY = 40;
const SWAPS = 4;
/** Milliseconds. */
const SOON = 20_000;

interface Site {
  readonly directory: string;
  readonly outside: string;
  readonly state: string;
}

/** Five archives of one container, the first the oldest, and a directory outside with a file of each name. */
function makeSite(): Site {
  const root = join(scratch, String(++made));
  const [directory, outside, state] = [join(root, 'checkpoints'), join(root, 'outside'), join(root, 's')];
  for (const each of [root, directory, outside]) mkdirSync(each);
  for (let number = 1; number <= 5; number += 1) {
    put(directory, `checkpoint-${number}.tar`, 900 - number);
    writeFileSync(join(outside, `checkpoint-${number}.tar`), `not ours ${number}`);
  }
  return { directory, outside, state };
}

function put(directory: string, name: string, ageSeconds: number): void {
  const path = join(directory, name);
  writeFileSync(path, makeArchive({ namespace: 'shop', pod: 'cart' }));
  const time = Date.now() / 1_000 - ageSeconds;
  utimesSync(path, time, time);
}

function stateOf(directory: string): string[] {
  return readdirSync(directory)
    .sort()
    .map((name) => {
      const { ino, mtimeMs } = statSync(join(directory, name));
      return `${name} ${ino} ${mtimeMs} ${readFileSync(join(directory, name)).toString('base64').slice(0, 99)}`;
    });
}

describe('a collector among links', () => {
  it('opens nothing for writing, and renames and unlinks nothing but archives in its directory', async () => {
    const { directory, outside, state } = makeSite();
    const at = (name: string) => join(directory, name);
    // Two that are to go have a second name outside, and of one of these that is the first one.
    linkSync(at('checkpoint-1.tar'), join(outside, 'second-name'));
    put(outside, 'precious', 990);
    linkSync(join(outside, 'precious'), at('checkpoint-0.tar'));
    symlinkSync(join(outside, 'precious'), at('checkpoint-link.tar'));
    symlinkSync('/nowhere', at('checkpoint-dangling.tar'));
    symlinkSync(outside, at('checkpoint-folder.tar'));
    mkdirSync(at('checkpoint-directory.tar'));
    execFileSync('mkfifo', [at('checkpoint-fifo.tar')]);
    execFileSync('mknod', [at('checkpoint-device.tar'), 'c', '1', '3']);
    sockets.push(createServer().listen(at('checkpoint-socket.tar')));
    await sleep(50);
    const before = stateOf(outside);

    const trace = join(scratch, 'trace');
    const strace = ['strace', '-f', '-qq', '-s', '4096', '-e', `trace=${TRACED.join()}`, '-o', trace];
    const args = ['--directory', directory, '--policies', policies, '--state-directory', state, '--once'];
    const gc = startGc(args, strace);
    assert.deepEqual(await gc.ended, { code: 0, signal: null }, JSON.stringify(gc.lines));

    assert.deepEqual(stateOf(outside), before);
    const odd = ['dangling', 'device', 'directory', 'fifo', 'folder', 'link', 'socket'];
    const left = ['5', ...odd].map((each) => `checkpoint-${each}.tar`);
    assert.deepEqual(readdirSync(directory).sort(), left.sort());

    const calls = callsIn(readFileSync(trace, 'utf8'));
    const changes = calls.filter(({ changes }) => changes);
    const inDirectory = changes.filter(({ paths }) => paths.some((path) => path.startsWith(`${directory}/`)));
    const kinds = new Set(inDirectory.map(({ name }) => name.replace(/(at2?)?$/, '')));
    assert.deepEqual([...kinds].sort(), ['rename', 'unlink'], 'nothing in it is opened for writing');
    assert.equal(inDirectory.length, 2 * 5, 'one rename and one unlink for each archive');
    // Its state, and the lock by which collectors of one machine find one another.
    const own = [`${directory}/`, state, '/run/checkpoint-warden', '/dev/'];
    const allowed = (path: string) => own.some((start) => path.startsWith(start));
    const elsewhere = changes.flatMap(({ name, paths }) =>
      paths.filter((path) => !allowed(path)).map((path) => `${name} ${path}`),
    );
    assert.deepEqual(elsewhere, []);
    // What has an archive's name and is none is not even opened.
    const opened = calls.filter(({ name }) => name.startsWith('open')).flatMap(({ paths }) => paths);
    for (const each of odd) assert.ok(!opened.includes(at(`checkpoint-${each}.tar`)), `${each} was opened`);
  });

  it('its directory swapped for a link and back, again and again: what the link leads to is not touched', async () => {
    const { directory, outside, state } = makeSite();
    for (let number = 6; number <= MANY; number += 1)
      writeFileSync(join(outside, `checkpoint-${number}.tar`), `not ours ${number}`);
    const before = stateOf(outside);
    const events: string[] = [];
    const watcher = watch(outside, (kind, name) => void events.push(`${kind} ${name}`));
    const args = ['--directory', directory, '--policies', policies, '--state-directory', state];
    const gc = startGc(args, SLOWLY);
    const deleted = () => gc.lines.filter(({ message }) => message === 'deleted').length;
    try {
      const link = `${directory}-link`;
      const away = `${directory}-away`;
      for (let round = 0; round < SWAPS; round += 1) {
        for (let number = 1; number <= MANY; number += 1)
          put(directory, `checkpoint-${number}.tar`, 600 - number);
        // In the midst of its deletions.
        const before = deleted();
        await eventually(async () => assert.ok(deleted() > before + 2), SOON);
        symlinkSync(outside, link);
        renameSync(directory, away);
        renameSync(link, directory);
        await sleep(60);
        rmSync(directory);
        renameSync(away, directory);
      }
      await sleep(500);
      await gc.stop();
    } finally {
      await gc.kill();
      watcher.close();
    }
    assert.deepEqual(events, []);
    assert.deepEqual(stateOf(outside), before);
  });
});
