import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type AuditRecord, auditAll, auditFile, auditStream } from '../../observe/audit.ts';
import { FakeLog } from '../gc/collector-bench.ts';

const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-audit-'));
after(() => rmSync(scratch, { recursive: true }));

const DAY = 86_400_000;
let made = 0;

class Bench {
  readonly directory = join(scratch, String(++made));
  readonly file = join(this.directory, 'audit.jsonl');
  readonly log = new FakeLog();
  now = Date.parse('2026-11-21T12:00:00Z');

  open(options: Partial<Parameters<typeof auditFile>[0]> = {}) {
    return auditFile({ file: this.file, log: this.log, clock: () => this.now, ...options });
  }

  record(file: string): AuditRecord {
    const timestamp = new Date(this.now).toISOString();
    return { operation: 'delete', timestamp, resource: { file }, metadata: { bytes: 1 } };
  }

  get names(): string[] {
    return readdirSync(this.directory).sort();
  }

  files(name = 'audit.jsonl'): string[] {
    const lines = readFileSync(join(this.directory, name), 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line).resource.file);
  }
}

describe('the audit file', () => {
  it('has a line of JSON for each record, for its owner only', () => {
    const bench = new Bench();
    const audit = bench.open();
    for (const name of ['a', 'b\nc', 'ü"']) audit.record(bench.record(name));
    assert.deepEqual(bench.files(), ['a', 'b\nc', 'ü"']);
    assert.equal(statSync(bench.file).mode & 0o777, 0o600);
    assert.equal(statSync(bench.directory).mode & 0o777, 0o700);
    assert.equal(audit.lost, 0);
  });

  it('is put aside before it gets too long, and the oldest go', () => {
    const bench = new Bench();
    const audit = bench.open({ maxBytes: 300, keep: 2 });
    for (let number = 0; number < 12; number += 1) audit.record(bench.record(String(number)));
    assert.deepEqual(bench.names, ['audit.jsonl', 'audit.jsonl.1', 'audit.jsonl.2']);
    const all = ['audit.jsonl.2', 'audit.jsonl.1', 'audit.jsonl'].flatMap((name) => bench.files(name));
    assert.deepEqual(
      all,
      all.toSorted((a, b) => Number(a) - Number(b)),
    );
    assert.equal(all.at(-1), '11');
    for (const name of bench.names) assert.ok(statSync(join(bench.directory, name)).size <= 300);
  });

  it('is put aside when it is old, also when another process has begun it', () => {
    const bench = new Bench();
    bench.open().record(bench.record('old'));
    bench.now += DAY - 1;
    bench.open().record(bench.record('same day'));
    bench.now += 1;
    const audit = bench.open();
    audit.record(bench.record('new'));
    audit.record(bench.record('new too'));
    assert.deepEqual(bench.files('audit.jsonl.1'), ['old', 'same day']);
    assert.deepEqual(bench.files(), ['new', 'new too']);
  });

  it('goes on in a new one when somebody has taken it away', () => {
    const bench = new Bench();
    const audit = bench.open();
    audit.record(bench.record('a'));
    rmSync(bench.directory, { recursive: true });
    audit.record(bench.record('b'));
    assert.deepEqual(bench.files(), ['b']);
  });

  it('that cannot be written costs its records, is told once, and is told when it can be again', () => {
    const bench = new Bench();
    mkdirSync(bench.directory);
    mkdirSync(bench.file);
    writeFileSync(join(bench.file, 'x'), '');
    const audit = bench.open();
    for (let number = 0; number < 5; number += 1) audit.record(bench.record(String(number)));
    assert.equal(audit.lost, 5);
    assert.equal(bench.log.lines.length, 1);
    assert.match(bench.log.lines[0]?.message ?? '', /cannot be written: .* until its disk has room/);
    rmSync(bench.file, { recursive: true });
    audit.record(bench.record('again'));
    assert.deepEqual(bench.files(), ['again']);
    assert.equal(audit.lost, 5);
    assert.deepEqual(bench.log.matching(/can be written again/)[0]?.fields.lost, 5);
  });

  it('on a full disk costs its records, and the collector goes on', { skip: !hasFullDevice() }, () => {
    const bench = new Bench();
    const audit = auditFile({ file: '/dev/full', log: bench.log });
    audit.record(bench.record('a'));
    assert.equal(audit.lost, 1);
    assert.match(String(bench.log.lines[0]?.fields.err), /ENOSPC/);
  });

  it('and a stream take the same records', () => {
    const bench = new Bench();
    const lines: string[] = [];
    const audit = auditAll([bench.open(), auditStream({ write: (line) => lines.push(line) })]);
    audit.record(bench.record('a'));
    assert.deepEqual(bench.files(), ['a']);
    assert.deepEqual(lines, [`${JSON.stringify(bench.record('a'))}\n`]);
    assert.equal(audit.lost, 0);
  });
});

function hasFullDevice(): boolean {
  return statSync('/dev/full', { throwIfNoEntry: false })?.isCharacterDevice() === true;
}
