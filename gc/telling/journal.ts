import type { Audit, AuditOperation } from '../../observe/audit.ts';
import { scopeLabel } from '../../policy/govern.ts';
import type { Archive, Decision, Instant } from '../../policy/types.ts';
import type { InventoryChange } from '../inventory/inventory.ts';

export interface JournalOptions {
  readonly audit: Audit;
  readonly directory: string;
  readonly node: string | null;
  readonly now: () => Instant;
  /** Those that may still be written. */
  readonly growing: () => Iterable<Archive>;
}

const OLD_MS = 60_000;

/** Writes the audit records: what was there, what has become of it, and by whose word. */
export class Journal {
  readonly #options: JournalOptions;
  /** Archives that are being written anew, over one that was complete. */
  readonly #rewritten = new Set<string>();
  #begun = false;
  /** Archives that were there at the first scan, long finished, and only wanted a second look. */
  readonly #old = new Set<string>();

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /**
   * Takes in what the inventory has seen. An archive is created when it is complete. What was there before the
   * first scan, or comes and goes with the whole directory, is no news of archives.
   *
   * @param isOurs whether the collector itself is deleting that file, which is recorded by `deleted`.
   * @returns whether a checkpoint was taken: an archive has come, or was written anew.
   */
  take(change: InventoryChange, isOurs: (file: string) => boolean): boolean {
    if (change.directoryChanged) {
      this.#begun = change.directory.ok;
      this.#rewritten.clear();
      this.#old.clear();
      for (const { file, modifiedAt } of this.#options.growing()) {
        // One from the future was written some time ago, too.
        if (Math.abs(this.#options.now() - modifiedAt) > OLD_MS) this.#old.add(file);
      }
      return false;
    }
    if (!this.#begun) return false;
    let taken = false;
    for (const archive of change.added) {
      if (archive.state !== 'complete') continue;
      this.#record('create', archive, {});
      taken = true;
    }
    for (const { before, after } of change.modified) taken = this.#takeModified(before, after) || taken;
    for (const archive of change.removed) {
      this.#rewritten.delete(archive.file);
      this.#old.delete(archive.file);
      if (!isOurs(archive.file)) this.#record('delete', archive, { by: 'others' });
    }
    return taken;
  }

  #takeModified(before: Archive, after: Archive): boolean {
    const { file } = after;
    if (before.state === 'complete' && after.state === 'growing') this.#rewritten.add(file);
    const wasOld = this.#old.delete(file) && hasSameContent(before, after);
    const isNew = before.state === 'growing' && after.state === 'complete' && !wasOld;
    const isOther =
      before.state === 'complete' && after.state === 'complete' && !hasSameContent(before, after);
    if (!isNew && !isOther) return false;
    const wasThere = this.#rewritten.delete(file) || isOther;
    this.#record(wasThere ? 'modify' : 'create', after, {});
    return true;
  }

  /** Records a deletion that was carried out. */
  deleted(decision: Decision): void {
    this.#record('delete', decision.archive, { by: 'checkpoint-warden', ...decisionFields(decision) });
  }

  /** Records the end of a deletion that an earlier process had begun. */
  finished(file: string | null, tombstone: string): void {
    const reason = 'its deletion was begun before a restart or a failure';
    this.#write('delete', { file: file ?? tombstone }, { by: 'checkpoint-warden', reason });
  }

  #record(operation: AuditOperation, archive: Archive, metadata: Record<string, string | null>): void {
    const { file, identity, bytes, modifiedAt, pinned } = archive;
    const { namespace = null, pod = null, container = null, podUid = null } = identity ?? {};
    const facts = { bytes, modifiedAt: new Date(modifiedAt).toISOString(), pinned };
    this.#write(operation, { file, namespace, pod, container, podUid }, { ...facts, ...metadata });
  }

  #write(
    operation: AuditOperation,
    resource: Record<string, string | null>,
    metadata: Record<string, string | number | boolean | null>,
  ): void {
    const { audit, directory, node, now } = this.#options;
    const timestamp = new Date(now()).toISOString();
    audit.record({ operation, timestamp, resource: { node, directory, ...resource }, metadata });
  }
}

/** Who asked for it, for logs and records. */
export function decisionFields(
  decision: Decision,
): Record<'policy' | 'resource' | 'rule' | 'reason', string | null> {
  const { policy, resource, rule, reason } = decision;
  return {
    policy: policy === null ? null : scopeLabel(policy.scope),
    resource: resource === null ? null : `${resource.reference.namespace}/${resource.reference.name}`,
    rule,
    reason,
  };
}

/** The fields of a log line about one decision. */
export function logFields(decision: Decision): object {
  const { file, bytes, identity } = decision.archive;
  const { namespace = null, pod = null, container = null } = identity ?? {};
  return { archive: file, ...decisionFields(decision), bytes, namespace, pod, container };
}

function hasSameContent(one: Archive, other: Archive): boolean {
  return one.bytes === other.bytes && one.modifiedAt === other.modifiedAt;
}
