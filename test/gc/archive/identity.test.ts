import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { identify, type Reading, SPEC_LIMIT } from '../../../gc/archive/identity.ts';
import { MeteredFile, walkFile } from '../../../gc/archive/tar-file.ts';
import type { FileSystem } from '../../../gc/system/files.ts';
import { nodeFiles } from '../../../gc/system/node-files.ts';
import { Pace } from '../../../gc/system/pace.ts';
import {
  ARCHIVES,
  archive,
  bytesOf,
  CONTAINERD_ANNOTATIONS,
  entry,
  header,
  type ManifestEntry,
  manifest,
  manifestEntry,
  smallArchive,
  spec,
} from '../archives.ts';
import { FakeFiles } from '../fake-files.ts';
import { fakeWorld, realWorld, type World } from '../worlds.ts';

async function read(files: FileSystem, path: string): Promise<Reading> {
  const seen = files.lstat(path) ?? assert.fail(`${path} is there`);
  return (await identify(files, path, seen, new Pace())) ?? assert.fail('it changed');
}

function readBytes(bytes: Buffer): Promise<Reading> {
  const files = new FakeFiles();
  files.write('/archive', bytes);
  return read(files, '/archive');
}

function identityOf({ namespace, pod, container, podUID, complete }: ManifestEntry) {
  return namespace === null || pod === null || !complete
    ? null
    : { namespace, pod, container, podUid: podUID };
}

/** What was read that is neither a header nor the `spec.dump`. */
async function besideOf(bytes: Buffer, { bytesRead }: Reading): Promise<number> {
  const all = new MeteredFile({
    facts: () => assert.fail(),
    read: (into, length, at) => bytes.copy(into, 0, at, at + length),
    close() {},
  });
  const { headers, specs } = await walkFile(all, bytes.length, new Pace());
  return bytesRead - (headers + 2) * 512 - (specs[0]?.bytes ?? 0);
}

describe('identity: real archives', () => {
  for (const row of manifest) {
    it(row.file, async () => {
      const reading = await read(nodeFiles, join(ARCHIVES, row.file));
      const runtime = /^(containerd|CRI-O|podman)/.exec(row.runtime)?.[0].toLowerCase();
      assert.deepEqual(reading.identity, identityOf(row));
      assert.equal(reading.because === null, reading.identity !== null);
      assert.equal(reading.staleTailBytes, row.staleTailBytes ?? 0);
      assert.equal(reading.complete, row.complete);
      assert.equal(reading.runtime, row.complete ? runtime : null);
      assert.equal(reading.hint, runtime === 'podman' ? 'counter' : null);
      assert.equal(reading.lasting, true);
    });
  }

  it('the traps: forged, half-written, another tenant’s tail, podman', async () => {
    const of = (start: string) => read(nodeFiles, join(ARCHIVES, manifestEntry(start).file));
    assert.equal((await of('checkpoint-spoof-node2')).identity?.namespace, 'shop');
    assert.match((await of('checkpoint-notes3')).because ?? '', /^truncated/);
    const pair = await of('checkpoint-pair');
    assert.equal(pair.staleTailBytes, 247_296);
    assert.deepEqual(
      [pair.identity?.namespace, pair.identity?.pod, pair.identity?.container],
      ['a-b', 'pair', 'c'],
    );
    assert.match((await of('counter.tar')).because ?? '', /podman/);
  });

  it('cost at most 8 KiB beside their headers and their spec.dump', async () => {
    for (const row of manifest.filter(({ complete, namespace }) => complete && namespace !== null)) {
      const cost = await read(nodeFiles, join(ARCHIVES, row.file));
      const beside = await besideOf(bytesOf(row), cost);
      assert.ok(beside >= 0 && beside <= 8_192, `${row.file}: ${beside} bytes`);
      assert.ok(cost.reads <= row.entries + 3, `${row.file}: ${cost.reads} reads of ${row.entries} entries`);
    }
  });

  it('and so do those that are made to cost more', async () => {
    const short = Array.from({ length: 2_000 }, (_, index) => entry(`${index}`, 'x'));
    const baits = short.flatMap((each, index) => [each, each, entry(`long-${index}`, 'x'.repeat(5_000))]);
    for (const parts of [short, baits, [entry('long', Buffer.alloc(10_000_000))]]) {
      const bytes = archive(...parts, entry('spec.dump', spec(CONTAINERD_ANNOTATIONS)));
      const beside = await besideOf(bytes, await readBytes(bytes));
      assert.ok(beside >= 0 && beside <= 8_192, `${beside} bytes`);
    }
  });

  it('podman’s cost their config.dump too', async () => {
    const { bytesRead } = await read(nodeFiles, join(ARCHIVES, 'counter.tar'));
    const exact = (35 + 2) * 512 + 20_927 + 23_504;
    assert.ok(bytesRead >= exact && bytesRead <= exact + 8_192, `${bytesRead} bytes`);
  });
});

describe('identity: headers that lead past the own end marker', () => {
  const pair = manifestEntry('checkpoint-pair_a-b-c');
  const real = bytesOf(pair);
  const [rootfsDiffAt, tailsHeaderAt, specInTailAt] = [272_896, 349_184, 520_704];

  it('over the own spec, to the headers of the archive that was overwritten: whole, and that one’s', async () => {
    const bytes = Buffer.from(real);
    header('hop', { size: tailsHeaderAt - rootfsDiffAt - 512 }).copy(bytes, rootfsDiffAt);
    const { identity, staleTailBytes, complete } = await readBytes(bytes);
    assert.ok(complete);
    assert.equal(staleTailBytes, 0);
    const podUid = '8a6b6415-ff9f-4eac-950b-2900cc60718a';
    assert.deepEqual(identity, { namespace: 'a', pod: 'pair', container: 'b-c', podUid });
  });

  it('behind the own spec there are two, and it is nobody’s', async () => {
    const bytes = Buffer.from(real);
    const statsDumpAt = 278_528;
    header('hop', { size: specInTailAt - statsDumpAt - 512 }).copy(bytes, statsDumpAt);
    const { identity, because } = await readBytes(bytes);
    assert.equal(identity, null);
    assert.match(because ?? '', /more than one spec\.dump/);
  });

  it('to where no header stands, it is nobody’s', async () => {
    const bytes = Buffer.from(real);
    header('hop', { size: tailsHeaderAt - rootfsDiffAt }).copy(bytes, rootfsDiffAt);
    assert.match((await readBytes(bytes)).because ?? '', /^damaged/);
  });
});

describe('identity: cut off', () => {
  it('at every 512 bytes it has none', async () => {
    const bytes = bytesOf(manifestEntry('checkpoint-edge'));
    for (let end = 0; end < bytes.length; end += 512) {
      const reading = await readBytes(bytes.subarray(0, end));
      assert.equal(reading.identity, null, `cut at ${end}`);
      assert.equal(reading.complete, false);
      assert.match(reading.because ?? '', /^truncated/);
    }
  });

  it('at every byte of the end it has none', async () => {
    const bytes = bytesOf(manifestEntry('checkpoint-edge'));
    for (let end = bytes.length - 3000; end < bytes.length; end++) {
      assert.equal((await readBytes(bytes.subarray(0, end))).identity, null, `cut at ${end}`);
    }
    assert.notEqual((await readBytes(bytes)).identity, null);
  });

  it('with zeros in the place of the rest, as after a power failure, it has none', async () => {
    const bytes = bytesOf(manifestEntry('checkpoint-edge'));
    const holed = Buffer.concat([bytes.subarray(0, 100 * 512), Buffer.alloc(bytes.length - 100 * 512)]);
    assert.equal((await readBytes(holed)).identity, null);
  });
});

describe('identity: what an archive can be', () => {
  const named = entry('spec.dump', spec(CONTAINERD_ANNOTATIONS));
  const rows: readonly [string, Buffer, RegExp][] = [
    ['empty', Buffer.alloc(0), /^truncated: it is empty$/],
    ['three bytes', Buffer.from('abc'), /^truncated/],
    ['text', Buffer.alloc(4096, 'x'), /not a tar/],
    ['an end marker only', archive(), /holds no spec.dump/],
    ['without spec.dump', archive(entry('config.dump', '{}')), /holds no spec.dump/],
    ['two of them', archive(named, named), /more than one spec.dump/],
    ['two of them, in two spellings', archive(named, entry('./spec.dump', 'x')), /more than one spec.dump/],
    [
      'a link of that name',
      archive(header('spec.dump', { type: '2', linkpath: '/etc/passwd' })),
      /holds no spec.dump/,
    ],
    ['1 GiB claimed', archive(header('spec.dump', { size: 2 ** 30 })), /^truncated/],
    ['a long one', archive(entry('spec.dump', Buffer.alloc(SPEC_LIMIT + 1, ' '))), /longer than 4 MiB/],
    ['an empty one', archive(entry('spec.dump')), /not a JSON object/],
    ['no JSON', archive(entry('spec.dump', '{"annotations":')), /not a JSON object/],
  ];
  for (const [name, bytes, because] of rows) {
    it(name, async () => {
      const reading = await readBytes(bytes);
      assert.equal(reading.identity, null);
      assert.match(reading.because ?? '', because);
    });
  }

  it('the longest spec.dump counts', async () => {
    const text = spec({ ...CONTAINERD_ANNOTATIONS, filler: 'x'.repeat(SPEC_LIMIT - 500) });
    const padded = text.padEnd(SPEC_LIMIT, ' ');
    assert.equal((await readBytes(archive(entry('spec.dump', padded)))).identity?.pod, 'cart');
  });

  it('a tail of any length is told, whole blocks or not', async () => {
    for (const tail of [1, 511, 512, 1024, 9000]) {
      const reading = await readBytes(Buffer.concat([smallArchive(), Buffer.alloc(tail, 'x')]));
      assert.equal(reading.staleTailBytes, tail);
      assert.equal(reading.identity?.pod, 'cart');
    }
    const zeros = await readBytes(Buffer.concat([smallArchive(), Buffer.alloc(2048)]));
    assert.equal(zeros.staleTailBytes, 2048);
  });

  it('zeros that fill the last record, as GNU tar writes them, are no tail; anything else there is', async () => {
    const small = smallArchive();
    const padding = 10_240 - (small.length % 10_240);
    const padded = Buffer.concat([small, Buffer.alloc(padding)]);
    assert.equal((await readBytes(padded)).staleTailBytes, 0);
    padded[padded.length - 1] = 1;
    assert.equal((await readBytes(padded)).staleTailBytes, padding);
    const another = Buffer.concat([small, Buffer.alloc(padding + 10_240)]);
    assert.equal((await readBytes(another)).staleTailBytes, padding + 10_240);
  });

  it('a hint is podman’s name or nothing', async () => {
    const podman = (config: string) =>
      readBytes(
        archive(entry('config.dump', config), entry('spec.dump', spec({ 'io.container.manager': 'libpod' }))),
      );
    assert.equal((await podman('{"name":"my_db.1"}')).hint, 'my_db.1');
    for (const config of [
      '{"name":"a\\u001b[31m"}',
      '{"name":7}',
      '{}',
      'x',
      '[]',
      '{"__proto__":{"name":"x"}}',
      `{"name":"${'x'.repeat(200)}"}`,
    ]) {
      assert.equal((await podman(config)).hint, null, config);
    }
  });
});

describe('identity: compressed', () => {
  for (const [name, pack] of [
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const) {
    it(`${name}: by its bytes, not by its name`, async () => {
      const reading = await readBytes(pack(bytesOf(manifestEntry('checkpoint-cart'))));
      assert.deepEqual(reading.identity, identityOf(manifestEntry('checkpoint-cart')));
      assert.equal(reading.runtime, 'cri-o');
    });

    it(`${name}: a tail inside counts`, async () => {
      const reading = await readBytes(pack(bytesOf(manifestEntry('checkpoint-pair'))));
      assert.equal(reading.staleTailBytes, 247_296);
      assert.equal(reading.identity?.namespace, 'a-b');
    });

    it(`${name}: cut off it has none`, async () => {
      const bytes = pack(smallArchive());
      for (let end = 0; end < bytes.length; end += 13) {
        assert.equal((await readBytes(bytes.subarray(0, end))).identity, null, `cut at ${end}`);
      }
    });

    it(`${name}: beyond the budget it has none`, async () => {
      const bytes = archive(
        entry('pages-1.img', Buffer.alloc(65 << 20)),
        entry('spec.dump', spec(CONTAINERD_ANNOTATIONS)),
      );
      const reading = await readBytes(pack(bytes));
      assert.equal(reading.identity, null);
      assert.match(reading.because ?? '', /longer than 64 MiB/);
      assert.equal(reading.complete, false);
    });
  }

  it('zstd: what stands behind the stream is a tail', async () => {
    const reading = await readBytes(Buffer.concat([zstdCompressSync(smallArchive()), Buffer.alloc(99, 7)]));
    assert.equal(reading.staleTailBytes, 99);
  });
});

for (const [name, makeWorld] of [
  ['real', realWorld],
  ['fake', fakeWorld],
] as const) {
  describe(`identity: what is no archive, on the ${name} file system`, () => {
    let world: World;
    beforeEach(() => {
      world = makeWorld();
      world.write('file', smallArchive());
    });
    afterEach(() => world.end());

    const identifyAs = (path: string, seen: string) => {
      const facts = world.files.lstat(`${world.directory}/${seen}`) ?? assert.fail();
      return identify(world.files, `${world.directory}/${path}`, facts, new Pace());
    };

    it('what is not the file that was seen is not read', async () => {
      world.mkdir('directory');
      world.fifo('fifo');
      world.write('another', smallArchive());
      for (const path of ['directory', 'fifo', 'another', 'absent'])
        assert.equal(await identifyAs(path, 'file'), null, path);
      for (const path of ['directory', 'fifo']) assert.equal(await identifyAs(path, path), null, path);
    });

    it('links and sockets are not opened', async () => {
      world.symlink('file', 'link');
      world.socket('socket');
      const link = await identifyAs('link', 'file');
      assert.equal(link?.because, 'it could not be read: it is a symbolic link (ELOOP)');
      assert.equal(link?.lasting, false);
      assert.equal((await identifyAs('socket', 'file'))?.lasting, false);
    });

    it('a file that has changed is not read', async () => {
      const seen = world.files.lstat(`${world.directory}/file`) ?? assert.fail();
      world.touch('file', 1_000_000);
      assert.equal(await identify(world.files, `${world.directory}/file`, seen, new Pace()), null);
    });
  });
}

describe('identity: errors of the file system', () => {
  it('pass, and are told without the path', async () => {
    const files = new FakeFiles();
    files.write('/archive', smallArchive());
    for (const [operation, code] of [
      ['open', 'EACCES'],
      ['open', 'EMFILE'],
      ['read', 'EIO'],
    ] as const) {
      files.fault(operation, '/archive', code);
      const reading = await read(files, '/archive');
      assert.equal(reading.identity, null);
      assert.equal(reading.lasting, false);
      assert.match(reading.because ?? '', new RegExp(`^it could not be read: .*\\(${code}\\)$`));
      files.fault(operation, '/archive', null);
    }
    assert.equal((await read(files, '/archive')).lasting, true);
  });

  it('of a compressed one too', async () => {
    const files = new FakeFiles();
    files.write('/archive', gzipSync(smallArchive()));
    let reads = 0;
    const failing: FileSystem = Object.assign(Object.create(files), {
      open(path: string) {
        const file = files.open(path);
        const read: typeof file.read = (...args) => {
          if (++reads > 1) throw Object.assign(new Error('EIO'), { code: 'EIO' });
          return file.read(...args);
        };
        return { ...file, read };
      },
    });
    const seen = files.lstat('/archive') ?? assert.fail();
    const reading = await identify(failing, '/archive', seen, new Pace());
    assert.equal(reading?.lasting, false);
  });
});
