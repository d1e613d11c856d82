import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type FileFacts, type FileName, isSameStamp, pathOf } from '../../../gc/system/files.ts';
import type { World } from '../worlds.ts';

/** What the collector relies on, of the machine's file system and of the one that stands in for it. */
export function filesContract(name: string, makeWorld: () => World): void {
  describe(`files: ${name}`, () => {
    let world: World;
    before(() => {
      world = makeWorld();
    });
    after(() => world.end());

    const at = (file: FileName) => pathOf(world.directory, file);
    const factsOf = (file: FileName): FileFacts => {
      const facts = world.files.lstat(at(file));
      assert.ok(facts !== null, `${file} is there`);
      return facts;
    };
    const names = async (directory: string): Promise<FileName[]> => {
      const all: FileName[] = [];
      for await (const some of world.files.list(directory)) all.push(...some);
      return all;
    };

    it('lists all names, and those that are not UTF-8 as bytes', async () => {
      world.mkdir('listed');
      const odd = Buffer.from([0x63, 0xff, 0xfe]);
      const long = 'x'.repeat(254);
      for (const file of ['plain', 'two\nlines', 'ünï-日本', `${long}y`, '.hidden'])
        world.write(`listed/${file}`, '');
      world.write(Buffer.concat([Buffer.from('listed/'), odd]), '');
      const found = await names(`${world.directory}/listed`);
      const asText = found.map((file) => (typeof file === 'string' ? file : `bytes ${file.toString('hex')}`));
      assert.deepEqual(
        asText.sort(),
        ['.hidden', 'bytes 63fffe', 'plain', 'two\nlines', 'ünï-日本', `${long}y`].sort(),
      );
    });

    it('lists more names than are fetched at once, each once', async () => {
      world.mkdir('many');
      const all = Array.from({ length: 4_500 }, (_, index) => `${index}`);
      for (const name of all) world.write(`many/${name}`, '');
      assert.deepEqual((await names(`${world.directory}/many`)).sort(), all.sort());
    });

    it('lists names while others come and go, and ends when nobody asks for more', async () => {
      let count = 0;
      for await (const some of world.files.list(`${world.directory}/many`)) {
        world.write(`many/new-${count}`, '');
        world.remove(`many/${count}`);
        count += some.length;
        if (count >= 4_000) break;
      }
      assert.ok(count >= 4_000);
      assert.equal((await names(`${world.directory}/many`)).length, 4_500);
    });

    it('refuses to list what is no directory', async () => {
      world.write('no-directory', '');
      await assert.rejects(names(`${world.directory}/no-directory`), { code: 'ENOTDIR' });
      await assert.rejects(names(`${world.directory}/absent`), { code: 'ENOENT' });
    });

    it('looks at a file', () => {
      world.write('file', 'twelve bytes');
      world.touch('file', 1_700_000_000_125);
      const facts = factsOf('file');
      assert.equal(facts.kind, 'file');
      assert.equal(facts.bytes, 12);
      assert.equal(facts.modifiedUs, 1_700_000_000_125_000);
      assert.equal(facts.links, 1);
      assert.ok(facts.allocatedBytes > 0);
      assert.equal(facts.device, world.files.stat(world.directory)?.device);
    });

    it('tells an overwritten file from a replaced one', () => {
      world.write('changing', 'one');
      const before = factsOf('changing');
      world.write('changing', 'three');
      const overwritten = factsOf('changing');
      assert.equal(overwritten.inode, before.inode);
      assert.equal(isSameStamp(overwritten, before), false);
      world.write('another', 'three');
      assert.notEqual(factsOf('another').inode, before.inode);
    });

    it('links, counts links, and replaces nothing by them', async () => {
      world.write('linked', '');
      await world.files.link(at('linked'), at('linked-too'));
      assert.equal(factsOf('linked').links, 2);
      assert.ok(isSameStamp(factsOf('linked'), factsOf('linked-too')));
      await assert.rejects(world.files.link(at('linked'), at('linked-too')), { code: 'EEXIST' });
      world.remove('linked-too');
      assert.equal(factsOf('linked').links, 1);
    });

    it('tells kinds apart, and does not follow links unless asked', () => {
      world.mkdir('directory');
      world.symlink('directory', 'link');
      world.symlink('nowhere', 'dangling');
      world.fifo('fifo');
      world.socket('socket');
      const kinds = ['directory', 'link', 'dangling', 'fifo', 'socket'].map((file) => factsOf(file).kind);
      assert.deepEqual(kinds, ['directory', 'link', 'link', 'fifo', 'socket']);
      assert.equal(world.files.stat(at('link'))?.kind, 'directory');
      assert.equal(world.files.stat(at('dangling')), null);
    });

    it('says null of what is not there', () => {
      assert.equal(world.files.lstat(at('absent')), null);
      assert.equal(world.files.stat(at('absent')), null);
      assert.equal(world.files.exists(at('absent')), false);
      world.symlink('nowhere', 'dangling-too');
      assert.equal(world.files.exists(at('dangling-too')), true);
    });

    it('says the same of a name that is too long for any file', () => {
      const name = 'x'.repeat(256);
      assert.equal(world.files.lstat(at(name)), null);
      assert.equal(world.files.stat(at(name)), null);
      assert.equal(world.files.exists(at(name)), false);
    });

    it('reads at positions, and less at the end', () => {
      world.write('content', '0123456789');
      const file = world.files.open(at('content'));
      const into = Buffer.alloc(8, '.');
      assert.equal(file.read(into, 4, 3), 4);
      assert.equal(into.toString(), '3456....');
      assert.equal(file.read(into, 8, 8), 2);
      assert.equal(into.toString(), '8956....');
      assert.equal(file.read(into, 8, 10), 0);
      assert.ok(isSameStamp(file.facts(), factsOf('content')));
      file.close();
    });

    it('opens no link, and waits for no FIFO', () => {
      world.write('target', '');
      world.symlink('target', 'link-to-file');
      world.fifo('empty-fifo');
      world.socket('some-socket');
      assert.throws(() => world.files.open(at('link-to-file')), { code: 'ELOOP' });
      assert.throws(() => world.files.open(at('some-socket')), { code: 'ENXIO' });
      assert.throws(() => world.files.open(at('absent')), { code: 'ENOENT' });
      const fifo = world.files.open(at('empty-fifo'));
      assert.equal(fifo.facts().kind, 'fifo');
      assert.throws(() => fifo.read(Buffer.alloc(1), 1, 0), { code: 'ESPIPE' });
      fifo.close();
    });

    it('renames and unlinks', async () => {
      world.write('old-name', 'x');
      const { inode } = factsOf('old-name');
      await world.files.rename(at('old-name'), at('new-name'));
      assert.equal(world.files.exists(at('old-name')), false);
      assert.equal(factsOf('new-name').inode, inode);
      await world.files.unlink(at('new-name'));
      assert.equal(world.files.exists(at('new-name')), false);
      await assert.rejects(world.files.unlink(at('new-name')), { code: 'ENOENT' });
      await assert.rejects(world.files.rename(at('new-name'), at('old-name')), { code: 'ENOENT' });
    });

    it('renames onto what is there', async () => {
      world.write('moved', 'new');
      world.write('taken', 'previous');
      await world.files.rename(at('moved'), at('taken'));
      assert.equal(factsOf('taken').bytes, 3);
      assert.equal(world.files.exists(at('moved')), false);
    });

    it('renames a file onto itself, or another name of it, without effect', async () => {
      world.write('one-name', 'x');
      await world.files.link(at('one-name'), at('two-names'));
      await world.files.rename(at('one-name'), at('one-name'));
      await world.files.rename(at('one-name'), at('two-names'));
      assert.ok(world.files.exists(at('one-name')) && world.files.exists(at('two-names')));
    });

    it('holds a directory by what it is, whatever takes its name', async () => {
      world.mkdir('held');
      world.write('held/mine', 'mine');
      const anchor = world.files.anchor(`${world.directory}/held`);
      await world.files.rename(at('held'), at('moved-away'));
      world.mkdir('held');
      world.write('held/mine', 'another');
      assert.equal(world.files.lstat(pathOf(anchor.path, 'mine'))?.bytes, 4);
      await world.files.rename(pathOf(anchor.path, 'mine'), pathOf(anchor.path, 'renamed'));
      await world.files.link(pathOf(anchor.path, 'renamed'), pathOf(anchor.path, 'linked'));
      await world.files.unlink(pathOf(anchor.path, 'renamed'));
      assert.deepEqual(await names(anchor.path), ['linked']);
      anchor.close();
      assert.deepEqual(await names(`${world.directory}/held`), ['mine']);
      assert.equal(factsOf('moved-away/linked').bytes, 4);
      assert.throws(() => world.files.anchor(`${world.directory}/absent`), { code: 'ENOENT' });
      assert.throws(() => world.files.anchor(`${world.directory}/held/mine`), { code: 'ENOTDIR' });
    });

    it('measures the disk', async () => {
      const disk = await world.files.statfs(world.directory);
      assert.ok(disk.totalBytes > disk.freeBytes && disk.freeBytes > 0);
      assert.ok(disk.totalInodes >= disk.freeInodes);
      await assert.rejects(world.files.statfs(`${world.directory}/absent`), { code: 'ENOENT' });
    });

    it('watches a directory', async () => {
      world.mkdir('watched');
      const heard = Promise.withResolvers<string | null>();
      const stop = world.files.watch(`${world.directory}/watched`, {
        event: heard.resolve,
        error: heard.reject,
      });
      // A real watch of node's own does not keep the process alive.
      const alive = setInterval(() => {}, 1000);
      world.write('watched/new', '');
      assert.equal(await heard.promise, 'new');
      clearInterval(alive);
      stop();
      const handlers = { event() {}, error() {} };
      assert.throws(() => world.files.watch(`${world.directory}/absent`, handlers), { code: 'ENOENT' });
    });
  });
}
