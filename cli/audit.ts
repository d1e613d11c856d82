import type { Command } from 'commander';
import { errorCode, explain } from '../gc/system/files.ts';
import { type Audit, auditAll, auditFile, auditStream, prepareAuditFile } from '../observe/audit.ts';
import type { Logger } from '../observe/log.ts';
import type { Output } from './context.ts';
import { InputError, UsageError } from './errors.ts';
import { optional, repeated } from './options.ts';
import { bytes, count, duration, nonEmpty, path } from './values.ts';

/** Where audit records go. */
interface AuditTarget {
  /** Nothing is recorded then, so nothing is made for it. */
  readonly isDry: boolean;
  readonly log: Logger;
  readonly out: Output;
}

/** `--audit`, several times, and when its files are put aside. @returns what opens it; undefined where nobody wants it. */
export function auditOptions(command: Command): (target: AuditTarget) => Audit | undefined {
  const targets = repeated(
    command,
    '--audit <file>',
    'write audit records here; - is standard output; repeatable',
    nonEmpty,
  );
  const size = optional(
    command,
    '--audit-max-size <size>',
    'put an audit file aside before it is longer (default 10Mi)',
    bytes,
  );
  const age = optional(
    command,
    '--audit-max-age <duration>',
    'put an audit file aside when it is so old (default 1d)',
    duration,
  );
  const keep = optional(
    command,
    '--audit-keep <count>',
    'files put aside that are kept, as FILE.1 and so on (default 10)',
    count,
  );
  return (target) => {
    const [maxBytes, maxAgeMs, kept] = [size(), age(), keep()];
    const rotation = {
      ...(maxBytes !== undefined && { maxBytes }),
      ...(maxAgeMs !== undefined && { maxAgeMs }),
      ...(kept !== undefined && { keep: kept }),
    };
    const files = targets().filter((each) => each !== '-');
    if (files.length === 0 && Object.keys(rotation).length > 0) {
      throw new UsageError('--audit-max-size, --audit-max-age and --audit-keep need --audit FILE');
    }
    const audits = [...new Set(targets())].map((each) =>
      each === '-' ? auditStream(target.out) : openFile(path(each), target, rotation),
    );
    return audits.length > 1 ? auditAll(audits) : audits[0];
  };
}

function openFile(
  file: string,
  { isDry, log }: AuditTarget,
  rotation: Pick<Parameters<typeof auditFile>[0], 'maxBytes' | 'maxAgeMs' | 'keep'>,
): Audit {
  try {
    if (!isDry) prepareAuditFile(file);
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'its folder cannot be made (ENOENT)' : explain(error);
    throw new InputError(`the audit file ${file} cannot be written: ${why}; name another with --audit`);
  }
  return auditFile({ file, log, ...rotation });
}
