import {
  appendFileSync,
  closeSync,
  constants,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Log } from '../kube/types.ts';
import { makeFolder } from './folder.ts';

export type AuditOperation = 'create' | 'modify' | 'delete' | 'request';

/** What happened to an archive, or what was asked for (`request`). */
export interface AuditRecord {
  readonly operation: AuditOperation;
  /** RFC 3339. */
  readonly timestamp: string;
  /** Which archive: node, directory, file, and the container where it is known. */
  readonly resource: Readonly<Record<string, string | null>>;
  /** How large, how old, by whose word. */
  readonly metadata: Readonly<Record<string, string | number | boolean | null>>;
}

export interface Audit {
  /** Never throws: a failure is counted and logged. */
  record(record: AuditRecord): void;
  /** Records that could not be written. */
  readonly lost: number;
}

export interface AuditFileOptions {
  readonly file: string;
  /** A file is put aside before it gets longer; default 10 MiB. */
  readonly maxBytes?: number;
  /** A file is put aside when it was begun this long ago; default a day. */
  readonly maxAgeMs?: number;
  /** Files put aside that are kept, as `FILE.1` (the newest) and so on; default 10. */
  readonly keep?: number;
  readonly clock?: () => number;
  readonly log: Log;
}

const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants;

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

/**
 * Records as JSON lines in a file that only its owner can read, put aside by size and age.
 *
 * Our own, because pino-roll (4.0) buffers, puts aside at calendar days only, numbers the current file too, and
 * gives up at the first error. Here each record is appended by one call before the next thing is done: nothing
 * is left to flush at SIGTERM, and a full disk costs the records that it costs, no more.
 */
export function auditFile(options: AuditFileOptions): Audit {
  const { file, maxBytes = 10 * MIB, maxAgeMs = DAY_MS, keep = 10, clock = Date.now, log } = options;
  let lost = 0;
  let lostInARow = 0;
  let beginning: number | null = null;

  const append = (line: string) => {
    const facts = statSync(file, { throwIfNoEntry: false });
    if (facts === undefined) beginning = null;
    if (facts !== undefined && facts.size > 0) {
      beginning ??= firstTimestamp(file) ?? facts.mtimeMs;
      const isFull = facts.size + Buffer.byteLength(line) > maxBytes;
      if (isFull || clock() - beginning >= maxAgeMs) {
        putAside(file, keep);
        beginning = null;
      }
    }
    beginning ??= clock();
    if (facts === undefined) makeFolder(dirname(file), 0o700);
    // What a full disk has cut off must not spoil the record behind it.
    appendFileSync(file, lostInARow > 0 ? `\n${line}` : line, { mode: 0o600 });
  };

  return {
    get lost() {
      return lost;
    },
    record(record) {
      try {
        append(`${JSON.stringify(record)}\n`);
        if (lostInARow > 0) log.info({ file, lost: lostInARow }, 'the audit file can be written again');
        lostInARow = 0;
      } catch (error) {
        lost += 1;
        lostInARow += 1;
        if (lostInARow > 1) return;
        const remedy =
          'records are lost until its disk has room and it can be written; see the log in their place';
        log.error({ err: error, file }, `the audit file cannot be written: ${remedy}`);
      }
    },
  };
}

/**
 * Makes the folder of an audit file, and the file where there is none. Throws node's own error where that cannot be
 * done; a full disk is no such reason, for it may be what the program is there to mend.
 */
export function prepareAuditFile(file: string): void {
  try {
    makeFolder(dirname(file), 0o700);
    // Neither a FIFO nor a device is waited for.
    closeSync(openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o600));
  } catch (error) {
    if (!isFullDisk(error)) throw error;
  }
}

function isFullDisk(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

/** When the first record of a file was made: a file's birth time is not known on every file system. */
function firstTimestamp(file: string): number | null {
  const start = Buffer.alloc(512);
  const descriptor = openSync(file, 'r');
  try {
    const text = start.toString('utf8', 0, readSync(descriptor, start, 0, start.length, 0));
    return Date.parse(/"timestamp":"([^"]+)"/.exec(text)?.[1] ?? '') || null;
  } finally {
    closeSync(descriptor);
  }
}

/** `FILE` becomes `FILE.1`, that `FILE.2`, and so on; the oldest goes. */
function putAside(file: string, keep: number): void {
  if (keep === 0) {
    rmSync(file, { force: true });
    return;
  }
  for (let number = keep - 1; number >= 0; number -= 1) {
    const from = number === 0 ? file : `${file}.${number}`;
    if (statSync(from, { throwIfNoEntry: false })) renameSync(from, `${file}.${number + 1}`);
  }
}

/** Records as lines of a stream, such as standard output. */
export function auditStream(stream: { write(line: string): unknown }): Audit {
  return { lost: 0, record: (record) => void stream.write(`${JSON.stringify(record)}\n`) };
}

/** Records to each of these. */
export function auditAll(audits: readonly Audit[]): Audit {
  return {
    get lost() {
      return audits.reduce((sum, each) => sum + each.lost, 0);
    },
    record(record) {
      for (const each of audits) each.record(record);
    },
  };
}

/** Where nobody wants records. */
export const noAudit: Audit = { lost: 0, record: () => {} };
