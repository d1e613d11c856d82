import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { call, scratch } from './call.ts';

const NAME = 'checkpoint-cart_shop-main-2026-11-21T00:19:10Z.tar';
const NOW = Date.parse('2026-11-21T12:00:00Z');
const PUBLIC_OPERATOR =
  '{"managedBy":"checkpoint-restore-operator/podrestore","podRestoreOwners":["default/redis-restore"]}';

async function archiveIn(test: Parameters<typeof scratch>[0]): Promise<string> {
  const archive = join(await scratch(test), NAME);
  await writeFile(archive, 'an archive');
  return archive;
}

suite('pin', () => {
  test('writes a pin that the public operator takes for one', async (context) => {
    const archive = await archiveIn(context);
    const outcome = await call(['pin', archive, '--reason', 'incident 42'], { now: NOW });
    assert.deepEqual(outcome, { code: 0, out: `pinned ${archive}\n`, err: '' });
    assert.deepEqual(JSON.parse(await readFile(`${archive}.keep`, 'utf8')), {
      managedBy: 'checkpoint-warden',
      reason: 'incident 42',
      createdAt: '2026-11-21T12:00:00.000Z',
    });
    assert.deepEqual(await readdir(join(archive, '..')), [NAME, `${NAME}.keep`]);
  });

  test('twice is once', async (context) => {
    const archive = await archiveIn(context);
    await call(['pin', archive], { now: NOW });
    const before = await readFile(`${archive}.keep`, 'utf8');
    const again = await call(['pin', archive], { now: NOW + 1000 });
    assert.equal(again.code, 0);
    assert.match(again.out, /is pinned already, by checkpoint-warden/);
    assert.equal(await readFile(`${archive}.keep`, 'utf8'), before);
  });

  for (const [whose, content] of [
    ['an empty one', ''],
    ['notes', 'wanted by the auditors\n'],
    ["another program's", PUBLIC_OPERATOR],
    ['no JSON', '{"managedBy":'],
  ] as const) {
    test(`leaves a pin as it is: ${whose}`, async (context) => {
      const archive = await archiveIn(context);
      await writeFile(`${archive}.keep`, content);
      assert.equal((await call(['pin', archive, '--reason', 'mine'])).code, 0);
      assert.equal(await readFile(`${archive}.keep`, 'utf8'), content);
    });
  }

  test('a former pin of ours takes a new reason', async (context) => {
    const archive = await archiveIn(context);
    await call(['pin', archive, '--reason', 'one']);
    await call(['pin', archive, '--reason', 'other']);
    assert.match(await readFile(`${archive}.keep`, 'utf8'), /"reason":"other"/);
  });

  test('refuses what is no archive, in one sentence', async (context) => {
    const directory = await scratch(context);
    await writeFile(join(directory, 'notes.txt'), '');
    await mkdir(join(directory, 'checkpoint-d.tar'));
    await symlink('/etc/passwd', join(directory, 'checkpoint-l.tar'));
    await writeFile(join(directory, `${NAME}.keep`), '');
    for (const [name, why] of [
      ['notes.txt', 'its name is not that of an archive; --pattern tells other names of archives'],
      ['checkpoint-d.tar', 'it is a directory'],
      ['checkpoint-l.tar', 'it is a symbolic link'],
      [`${NAME}.keep`, 'it is a pin'],
    ] as const) {
      const outcome = await call(['pin', join(directory, name)]);
      assert.equal(outcome.code, 1, name);
      assert.equal(outcome.out, '');
      assert.ok(outcome.err.endsWith(`${why}\n`), outcome.err);
      assert.equal(outcome.err.split('\n').length, 2);
    }
    assert.equal((await readdir(directory)).length, 4);
  });

  test('a name that leaves no room for that of a pin is told so', async (context) => {
    const archive = join(await scratch(context), `checkpoint-${'a'.repeat(235)}.tar`);
    await writeFile(archive, 'an archive');
    assert.deepEqual(await call(['pin', archive]), {
      code: 1,
      out: '',
      err: `checkpoint-warden: ${archive} cannot be pinned: its name has 250 bytes, and a pin beside it needs one of at most 246; rename the archive\n`,
    });
  });

  test('what is not there is a wrong call, for pin, unpin and show alike', async (context) => {
    const directory = await scratch(context);
    for (const command of ['pin', 'unpin', 'show']) {
      for (const path of [join(directory, 'checkpoint-absent.tar'), join(directory, 'absent', NAME)]) {
        const { code, err } = await call([command, path]);
        assert.equal(code, 2, `${command} ${path}`);
        assert.match(err, /^checkpoint-warden: [^\n]+ does not exist\n$/);
      }
    }
  });

  test("pins podman's exports where a pattern names them", async (context) => {
    const archive = join(await scratch(context), 'counter.tar.gz');
    await writeFile(archive, '');
    assert.equal((await call(['pin', archive, '--pattern', '*.tar.gz'])).code, 0);
  });

  test('a write under way is waited for, an abandoned one is not', async (context) => {
    const archive = await archiveIn(context);
    await writeFile(`${archive}.keep.tmp`, 'half');
    const outcome = await call(['pin', archive]);
    assert.equal(outcome.code, 1);
    assert.match(outcome.err, /being pinned by somebody else/);
    await utimes(`${archive}.keep.tmp`, 0, 0);
    assert.equal((await call(['pin', archive])).code, 0);
  });
});

suite('unpin', () => {
  for (const [whose, content] of [
    ['an empty one', ''],
    ['notes', 'wanted by the auditors\n'],
    ['our own', '{"managedBy":"checkpoint-warden"}'],
  ] as const) {
    test(`removes a pin: ${whose}`, async (context) => {
      const archive = await archiveIn(context);
      await writeFile(`${archive}.keep`, content);
      assert.deepEqual(await call(['unpin', archive]), { code: 0, out: `unpinned ${archive}\n`, err: '' });
      assert.deepEqual(await readdir(join(archive, '..')), [NAME]);
    });
  }

  test("leaves another program's alone without --force", async (context) => {
    const archive = await archiveIn(context);
    await writeFile(`${archive}.keep`, PUBLIC_OPERATOR);
    const outcome = await call(['unpin', archive]);
    assert.equal(outcome.code, 1);
    assert.match(
      outcome.err,
      /is kept by checkpoint-restore-operator\/podrestore for default\/redis-restore; end it there, or give --force\n$/,
    );
    assert.equal((await readdir(join(archive, '..'))).length, 2);
    assert.equal((await call(['unpin', archive, '--force'])).code, 0);
    assert.deepEqual(await readdir(join(archive, '..')), [NAME]);
  });

  test('an archive without a pin is told so; a missing one is an error', async (context) => {
    const archive = await archiveIn(context);
    assert.deepEqual(await call(['unpin', archive]), { code: 0, out: `${archive} is not pinned\n`, err: '' });
    await unlink(archive);
    assert.equal((await call(['unpin', archive])).code, 2);
  });
});
