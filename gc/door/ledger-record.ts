import { isObject, type JsonObject, own } from '../../policy/json.ts';
import type { Instant } from '../../policy/types.ts';
import type { Container } from './container.ts';

/**
 * One line of the journal. `reserve` is written before the kubelet is asked; `answer` when it has named the archive;
 * `end` when it has failed, or nobody knows; `drop` when nothing was done, or nothing came; `settle` when the archive
 * was seen. `claim` says of an archive that no later reservation may take it for its own, `last` when a container's
 * last checkpoint began and how large it was.
 */
export type LedgerRecord =
  | ({ readonly op: 'reserve'; readonly id: string } & Container & {
        readonly podUid: string;
        readonly bytes: number;
        readonly since: Instant;
      })
  | { readonly op: 'answer'; readonly id: string; readonly file: string; readonly until: Instant }
  | { readonly op: 'end'; readonly id: string; readonly until: Instant }
  | { readonly op: 'drop'; readonly id: string }
  | ({ readonly op: 'settle'; readonly id: string } & ArchiveFacts)
  | ({ readonly op: 'claim' } & Container & ArchiveFacts)
  | ({ readonly op: 'last'; readonly since: Instant; readonly bytes: number } & Container);

interface ArchiveFacts {
  readonly file: string;
  readonly modifiedAt: Instant;
  readonly bytes: number;
}

/** Null for what is no record of this program. */
export function readRecord(line: string): LedgerRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  return isObject(value) ? recordIn(value) : null;
}

function recordIn(object: JsonObject): LedgerRecord | null {
  const op = own(object, 'op');
  if (op === 'last' || op === 'claim') return ofContainer(op, object);
  const id = textAt(object, 'id');
  return id === null ? null : ofReservation(op, id, object);
}

function ofContainer(op: 'last' | 'claim', object: JsonObject): LedgerRecord | null {
  const container = containerIn(object);
  if (container === null) return null;
  if (op === 'claim') {
    const facts = factsIn(object);
    return facts && { op, ...container, ...facts };
  }
  const [since, bytes] = [numberAt(object, 'since'), numberAt(object, 'bytes')];
  return since !== null && bytes !== null ? { op, ...container, since, bytes } : null;
}

function ofReservation(op: unknown, id: string, object: JsonObject): LedgerRecord | null {
  const until = numberAt(object, 'until');
  switch (op) {
    case 'reserve': {
      const [container, podUid] = [containerIn(object), textAt(object, 'podUid')];
      const [bytes, since] = [numberAt(object, 'bytes'), numberAt(object, 'since')];
      if (container === null || podUid === null || bytes === null || since === null) return null;
      return { op, id, ...container, podUid, bytes, since };
    }
    case 'answer': {
      const file = textAt(object, 'file');
      return file !== null && until !== null ? { op, id, file, until } : null;
    }
    case 'end':
      return until === null ? null : { op, id, until };
    case 'drop':
      return { op, id };
    case 'settle': {
      const facts = factsIn(object);
      return facts && { op, id, ...facts };
    }
    default:
      return null;
  }
}

function factsIn(object: JsonObject): ArchiveFacts | null {
  const file = textAt(object, 'file');
  const [modifiedAt, bytes] = [numberAt(object, 'modifiedAt'), numberAt(object, 'bytes')];
  return file !== null && modifiedAt !== null && bytes !== null ? { file, modifiedAt, bytes } : null;
}

function containerIn(object: JsonObject): Container | null {
  const [namespace, pod, container] = [
    textAt(object, 'namespace'),
    textAt(object, 'pod'),
    textAt(object, 'container'),
  ];
  return namespace && pod && container ? { namespace, pod, container } : null;
}

function textAt(object: JsonObject, key: string): string | null {
  const value = own(object, key);
  return typeof value === 'string' ? value : null;
}

function numberAt(object: JsonObject, key: string): number | null {
  const value = own(object, key);
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
