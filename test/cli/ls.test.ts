import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { makeArchive } from '../../cli/demo/archives.ts';
import { call, scratch, scratchArchives } from './call.ts';

interface ListedJson {
  readonly archives: readonly Record<string, unknown>[];
  readonly foreign: readonly { readonly name: string; readonly reason: string }[];
  readonly totals: Readonly<Record<string, number>>;
}

async function listJson(directory: string, ...more: string[]): Promise<ListedJson> {
  const { code, out, err } = await call(['ls', '--directory', directory, '-o', 'json', ...more]);
  assert.deepEqual([code, err], [0, '']);
  return JSON.parse(out);
}

/** What no text on a terminal may hold, newlines aside. */
const CONTROL = /[^\P{Cc}\n]|\p{Cf}/u;

// An archive without its end is looked at for a second: side by side they take one second together.
suite('ls', { concurrency: 4 }, () => {
  test('says of each real archive whose it is', async (context) => {
    const directory = await scratchArchives(context);
    const { archives, foreign, totals } = await listJson(directory);
    const told = archives.map(({ archive, namespace, pod, container, runtime, tainted }) =>
      [String(archive).slice(11, 26), namespace, pod, container, runtime, tainted].join(' '),
    );
    assert.deepEqual(told, [
      'twin_a-b-c-2026 a twin b-c containerd false',
      'pair_a-b-c-2026 a-b pair c containerd true',
      'twin_a-b-c-2026 a-b twin c containerd false',
      'cache_shop-main shop cache main containerd false',
      'cart_shop-main- shop cart main cri-o false',
      'edge-node3_shop shop edge-node3 main containerd false',
      'slow-start_shop shop slow-start prepare containerd false',
      'spoof-node2_sho shop spoof-node2 main cri-o false',
      'notes3_shop-mai     false',
    ]);
    assert.deepEqual(
      foreign.map(({ name }) => name),
      ['counter.tar', 'counter.tar.gz', 'counter.tar.zst'],
    );
    assert.deepEqual([totals.archives, totals.unidentified, totals.foreignFiles], [9, 1, 3]);
  });

  test('knows the archives that it makes for the demonstration', async (context) => {
    const directory = await scratch(context);
    const takenAt = new Date('2026-11-20T00:00:00Z');
    const made = {
      namespace: 'shop',
      pod: 'web',
      container: 'main',
      podUid: 'u-1',
      takenAt,
      memoryBytes: 5000,
    };
    await makeArchive(directory, { runtime: 'containerd', ...made });
    await makeArchive(directory, { runtime: 'cri-o', ...made, pod: 'api' });
    const { archives } = await listJson(directory);
    assert.deepEqual(
      archives.map(({ runtime, namespace, pod, container, podUid, state, tainted }) =>
        [runtime, namespace, pod, container, podUid, state, tainted].join(' '),
      ),
      ['cri-o shop api main u-1 complete false', 'containerd shop web main u-1 complete false'],
    );
  });

  test("lists podman's exports by a pattern, and what they lack", async (context) => {
    const directory = await scratchArchives(context);
    const { archives } = await listJson(directory, '--pattern', 'counter.tar*');
    assert.deepEqual(
      archives.map(({ archive, runtime, podmanName }) => [archive, runtime, podmanName].join(' ')),
      ['counter.tar podman counter', 'counter.tar.gz podman counter', 'counter.tar.zst podman counter'],
    );
  });

  test('a hostile name cannot forge a line', async (context) => {
    const directory = await scratch(context);
    const names = [
      'checkpoint-a\nforged.tar',
      'checkpoint-\u001b[2J\u001b[31m.tar',
      'checkpoint-\u202eexe.tar',
      'checkpoint-two   columns.tar',
      `checkpoint-${'x'.repeat(240)}.tar`,
      'foreign\r\nname',
    ];
    for (const name of names) writeFileSync(join(directory, name), '');
    mkdirSync(join(directory, 'checkpoint-directory.tar'));
    symlinkSync('/etc/passwd', join(directory, 'checkpoint-link.tar'));
    execFileSync('mkfifo', [join(directory, 'checkpoint-fifo.tar')]);
    writeFileSync(
      Buffer.concat([Buffer.from(`${directory}/checkpoint-`), Buffer.from([0xff, 0x0a, 0x1b])]),
      '',
    );
    for (const name of names) utimesSync(join(directory, name), 0, 0);

    const { code, out } = await call(['ls', '--directory', directory]);
    assert.equal(code, 0);
    assert.doesNotMatch(out, CONTROL);
    // Five archives and five others, two headings, two empty lines, the sum.
    assert.equal(out.trimEnd().split('\n').length, 5 + 5 + 2 + 2 + 1);
    for (const shown of [
      'checkpoint-a\\nforged.tar',
      'checkpoint-\\x1b[2J\\x1b[31m.tar',
      'checkpoint-\\u{202e}exe.tar',
      'checkpoint-two\\x20\\x20\\x20columns.tar',
      'foreign\\r\\nname',
      'it is a symbolic link',
      'it is a FIFO',
      'it is a directory',
      'its name is not valid UTF-8',
    ]) {
      assert.ok(out.includes(shown), shown);
    }
  });

  test('fits a narrow terminal without cutting a name', async (context) => {
    const directory = await scratchArchives(context);
    const { out } = await call(['ls', '--directory', directory], { width: 60, isTerminal: true });
    assert.ok(out.includes('checkpoint-edge-node3_shop-main-2026-11-21T06:00:21+05:30.tar'));
  });

  test('an archive written a moment ago is looked at twice', async (context) => {
    const directory = await scratch(context);
    await writeFile(join(directory, 'checkpoint-new.tar'), 'no tar');
    const { archives } = await listJson(directory);
    assert.deepEqual(
      archives.map(({ state, unidentifiedBecause }) => [state, unidentifiedBecause]),
      [['complete', 'truncated: it ends at byte 6 without an end marker']],
    );
  });

  for (const [name, path, why] of [
    ['missing', '/nowhere/at/all', '/nowhere/at/all does not exist'],
    ['no directory', '/etc/passwd', '/etc/passwd is not a directory'],
  ] as const) {
    test(`a directory that is ${name} is a wrong call`, async () => {
      const outcome = await call(['ls', '--directory', path]);
      assert.deepEqual(outcome, { code: 2, out: '', err: `checkpoint-warden: ${why}\n` });
    });
  }

  test('an empty directory has a sum', async (context) => {
    const directory = await scratch(context);
    const { out } = await call(['ls', '--directory', directory]);
    assert.equal(out, `0 archives, 0B in ${directory}\n`);
  });
});
