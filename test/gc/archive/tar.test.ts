import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EXTENSION_LIMIT, HEADER_LIMIT, type TarWalk, WALK_LIMIT } from '../../../gc/archive/tar.ts';
import { MeteredFile, READ_AHEAD_LIMIT, walkFile } from '../../../gc/archive/tar-file.ts';
import { Pace } from '../../../gc/system/pace.ts';
import {
  archive,
  bytesOf,
  entry,
  gnuLongName,
  header,
  MARKER,
  manifest,
  patched,
  pax,
  rawPax,
  record,
  smallArchive,
} from '../archives.ts';
import { readAt } from '../fake-files.ts';

/** A file that is `bytes`, or what `read` makes of it. */
function fileOf(bytes: Buffer): MeteredFile {
  return new MeteredFile({
    facts: () => assert.fail('a walk is told the size'),
    read: (into, length, position) => readAt(bytes, into, length, position),
    close() {},
  });
}

async function walk(bytes: Buffer): Promise<TarWalk> {
  return walkFile(fileOf(bytes), bytes.length, new Pace());
}

async function faultOf(bytes: Buffer): Promise<string> {
  const walked = await walk(bytes);
  assert.equal(walked.endMarkerAt, null, 'a walk with a fault has no end marker');
  assert.equal(walked.want, 0);
  assert.ok(walked.fault !== null, 'has a fault');
  return walked.fault;
}

async function contentOf(bytes: Buffer): Promise<string[]> {
  const walked = await walk(bytes);
  assert.equal(walked.fault, null);
  return walked.specs.map(({ at, bytes: length }) => bytes.toString('latin1', at, at + length));
}

describe('tar: real archives', () => {
  for (const row of manifest.filter(({ compression }) => compression === 'none')) {
    it(row.file, async () => {
      const bytes = bytesOf(row);
      const walked = await walk(bytes);
      assert.equal(walked.endMarkerAt, row.endMarkerAt);
      assert.equal(walked.fault === null, row.complete);
      if (row.complete) assert.equal(walked.headers, row.entries);
      assert.equal(walked.specs.length, row.complete ? 1 : 0);
    });
  }

  it('are read at their headers, and little beside', async () => {
    const bytes = bytesOf(manifest[0] ?? assert.fail());
    const file = fileOf(bytes);
    const walked = await walkFile(file, bytes.length, new Pace());
    assert.ok(file.reads < walked.headers, 'one call for several headers');
    const exact = (walked.headers + 2) * 512;
    assert.ok(file.bytesRead >= exact && file.bytesRead <= exact + READ_AHEAD_LIMIT, `${file.bytesRead}`);
  });
});

describe('tar: spec.dump', () => {
  it('is found under its name, also in other clothes', async () => {
    for (const name of ['spec.dump', './spec.dump', '././spec.dump', '/spec.dump']) {
      assert.deepEqual(await contentOf(archive(entry('a', 'x'), entry(name, 'this'), entry('b'))), ['this']);
    }
  });

  it('is a regular file and stands at the top', async () => {
    const others = ['1', '2', '3', '4', '5', '6'].map((type) => entry('spec.dump', '', { type }));
    const parts = [...others, entry('checkpoint/spec.dump', 'x'), entry('spec.dump/', '', { type: '5' })];
    assert.deepEqual(await contentOf(archive(...parts)), []);
    assert.deepEqual(await contentOf(archive(entry('spec.dump', 'old', { type: '\0' }))), ['old']);
  });

  it('is told of each time it is there', async () => {
    assert.deepEqual(await contentOf(archive(entry('spec.dump', 'one'), entry('./spec.dump', 'two'))), [
      'one',
      'two',
    ]);
  });

  it('has the name and size that an extended header says', async () => {
    const rest = [entry('long/name', 'named'), entry('b', 'x')];
    assert.deepEqual(await contentOf(archive(pax({ path: './spec.dump' }), ...rest)), ['named']);
    assert.deepEqual(await contentOf(archive(gnuLongName('spec.dump'), ...rest)), ['named']);
    const sized = Buffer.concat([header('spec.dump', { size: 0 }), Buffer.from('sized'.padEnd(512, '\0'))]);
    assert.deepEqual(await contentOf(archive(pax({ size: 5 }), sized, entry('b'))), ['sized']);
  });

  it('does not keep its name when an extended header gives another', async () => {
    const parts = [
      pax({ path: 'other' }),
      entry('spec.dump', 'x'),
      gnuLongName('y'.repeat(300)),
      entry('spec.dump', 'x'),
    ];
    assert.deepEqual(await contentOf(archive(...parts)), []);
  });

  it('an extended header speaks of one entry only', async () => {
    assert.deepEqual(
      await contentOf(archive(pax({ path: 'x', size: 3 }), entry('y', 'abc'), entry('spec.dump', 'this'))),
      ['this'],
    );
  });

  it('a name of a link and a global header change nothing', async () => {
    const parts = [
      rawPax(record('comment', 'made by git'), 'g'),
      gnuLongName('far/away', 'K'),
      entry('spec.dump', 'this'),
    ];
    assert.deepEqual(await contentOf(archive(...parts, rawPax(record('comment', 'again'), 'g'))), ['this']);
  });
});

describe('tar: sizes', () => {
  it('a content of 9 GiB is hopped over, whether its size is pax or base-256', async () => {
    const size = 9 * 2 ** 30;
    for (const head of [
      Buffer.concat([pax({ size }), header('pages-1.img')]),
      header('pages-1.img', { size }),
    ]) {
      const tail = archive(entry('spec.dump', 'behind'));
      const at = head.length + size;
      const file = new MeteredFile({
        facts: () => assert.fail(),
        read: (into, length, position) =>
          position < at ? readAt(head, into, length, position) : readAt(tail, into, length, position - at),
        close() {},
      });
      const walked = await walkFile(file, at + tail.length, new Pace());
      assert.deepEqual(walked.specs, [{ at: at + 512, bytes: 6 }]);
      assert.equal(walked.endMarkerAt, at + 1024);
    }
  });

  const size = (field: string | Buffer) =>
    archive(patched(header('pages-1.img'), 124, field), entry('spec.dump', 'x'));
  const rows: readonly [string, Buffer, RegExp][] = [
    ['negative', size('-0000010000\0'), /impossible size/],
    ['negative in base-256', size(Buffer.alloc(12, 0xff)), /impossible size/],
    ['overflowing in base-256', size(Buffer.from('80ffffffffffffffffffffff', 'hex')), /impossible size/],
    ['huge', size(Buffer.from('80000000001fffffffffffff', 'hex')), /^truncated: /],
    [
      'negative in pax',
      archive(rawPax(record('size', '-512')), entry('a'), entry('spec.dump', 'x')),
      /cannot be read/,
    ],
    ['huge in pax', archive(rawPax(record('size', '9007199254740991')), entry('a')), /^truncated: /],
    ['of all entries', archive(rawPax(record('size', '5'), 'g'), entry('a')), /cannot be read/],
    [
      'of a link',
      archive(header('link', { type: '2', size: 512 }), entry('spec.dump', 'x')),
      /no file's, and has a size/,
    ],
    ['of a directory', archive(header('dir/', { type: '5', size: 1 })), /no file's, and has a size/],
    [
      'of a directory in pax',
      archive(pax({ size: 512 }), header('dir/', { type: '5' })),
      /no file's, and has a size/,
    ],
  ];
  for (const [name, bytes, fault] of rows) {
    it(`${name} is refused`, async () => assert.match(await faultOf(bytes), fault));
  }
});

describe('tar: faults', () => {
  const body = entry('a', 'x'.repeat(600));
  const rows: readonly [string, Buffer, RegExp][] = [
    ['empty', Buffer.alloc(0), /^truncated: it is empty$/],
    ['a single byte', Buffer.from('x'), /^truncated: it ends at byte 1 without/],
    ['text', Buffer.alloc(2048, 'text'), /^it is not a tar archive$/],
    ['no end marker', body, /^truncated: it ends at byte 1536 without an end marker$/],
    [
      'cut inside a content',
      body.subarray(0, 1000),
      /^truncated: it ends at byte 1000, inside an entry that reaches to 1536$/,
    ],
    ['cut inside a header', body.subarray(0, 300), /^truncated: it ends at byte 300 without/],
    [
      'half an end marker',
      Buffer.concat([body, Buffer.alloc(512)]),
      /^truncated: it ends at byte 2048 without/,
    ],
    [
      'half an end marker, then more',
      Buffer.concat([body, Buffer.alloc(512), archive(body)]),
      /at byte 1536 is only half there/,
    ],
    ['a damaged header', archive(body, Buffer.alloc(512, 1)), /^damaged: no header at byte 1536$/],
    ['an unknown type', archive(entry('a', '', { type: 'S' })), /of an unknown kind/],
    ['an empty extended header', archive(entry('x', '', { type: 'x' }), body), /is 0 bytes long/],
    [
      'a long extended header',
      archive(rawPax(record('comment', 'c'.repeat(EXTENSION_LIMIT))), body),
      /bytes long/,
    ],
    ['a malformed extended header', archive(rawPax('rubbish'), body), /cannot be read/],
    ['an extended header without entry', archive(body, pax({ path: 'x' })), /has no entry/],
    [
      'two extended headers for one entry',
      archive(pax({ path: 'x' }), pax({ path: 'y' }), body),
      /second of its kind/,
    ],
    ['two long names for one entry', archive(gnuLongName('x'), gnuLongName('y'), body), /second of its kind/],
    ['a long name and a path', archive(gnuLongName('x'), pax({ path: 'spec.dump' }), body), /two names/],
    ['a path for all entries', archive(rawPax(record('path', 'spec.dump'), 'g'), body), /cannot be read/],
    ['an extended header cut off', pax({ path: 'x' }).subarray(0, 700), /^truncated/],
  ];
  for (const [name, bytes, fault] of rows) {
    it(name, async () => assert.match(await faultOf(bytes), fault));
  }

  it('a file that turns out shorter than it was', async () => {
    const bytes = smallArchive();
    const walked = await walkFile(fileOf(bytes.subarray(0, 5000)), bytes.length, new Pace());
    assert.match(walked.fault ?? '', /^truncated/);
  });

  it('the first marker ends it, whatever stands behind', async () => {
    const walked = await walk(Buffer.concat([smallArchive(), smallArchive()]));
    assert.equal(walked.endMarkerAt, smallArchive().length - MARKER.length);
    assert.equal(walked.specs.length, 1);
  });
});

describe('tar: budgets', () => {
  it('counts entries', async () => {
    const one = header('a');
    const fits = Buffer.concat([...new Array<Buffer>(HEADER_LIMIT).fill(one), MARKER]);
    assert.equal((await walk(fits)).fault, null);
    const tooMany = Buffer.concat([...new Array<Buffer>(HEADER_LIMIT + 1).fill(one), MARKER]);
    assert.match(await faultOf(tooMany), /more than 65536 entries/);
  });

  it('counts bytes, and global headers without end', async () => {
    const long = rawPax(record('comment', 'c'.repeat(60_000)), 'g');
    const many = Math.ceil(WALK_LIMIT / 60_000) + 1;
    const file = new MeteredFile({
      facts: () => assert.fail(),
      read: (into, length, position) => readAt(long, into, length, position % long.length),
      close() {},
    });
    const walked = await walkFile(file, long.length * many, new Pace());
    assert.match(walked.fault ?? '', /longer than 40 MiB/);
    assert.ok(file.bytesRead <= WALK_LIMIT + EXTENSION_LIMIT);
  });

  it('yields on the way', async () => {
    let now = 0;
    let rests = 0;
    const pace = new Pace(() => ++now);
    const rest = pace.rest.bind(pace);
    pace.rest = () => {
      rests++;
      return rest();
    };
    const bytes = Buffer.concat([...new Array<Buffer>(1000).fill(header('a')), MARKER]);
    await walkFile(fileOf(bytes), bytes.length, pace);
    assert.ok(rests > 5);
  });
});
