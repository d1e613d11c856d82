import type { Log } from '../../kube/types.ts';
import type { CollectorMetrics } from '../../observe/metrics.ts';
import type { Archive, Decision, DecisionRule } from '../../policy/types.ts';
import { lookAtDirectory } from '../inventory/directory.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { Clock } from '../system/clock.ts';
import type { FileSystem, Stamp } from '../system/files.ts';
import { decisionFields, type Journal, logFields } from '../telling/journal.ts';
import { deleteArchive, finishTombstone, type Outcome } from './deletion.ts';
import type { Failures } from './failures.ts';

/** A gigabyte takes 0.2 s to unlink; more at a time would only queue in the file system. */
const AT_ONCE = 2;

const NOT_RESTORED =
  'an archive that is not to be deleted could not be given its name back; it waits under the name of a tombstone and is tried again';

/** What the API server says of an orphan at the moment of its deletion; `unknown`: it does not answer. */
export type Confirmation = 'confirmed' | 'disproved' | 'unknown';

export interface EnforcerOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly inventory: Inventory;
  readonly clock: Clock;
  readonly failures: Failures;
  readonly journal: Journal;
  readonly metrics: CollectorMetrics;
  readonly log: Log;
  /** Whether this very decision is still what the policies say of the archive as it is now. */
  readonly isCurrent: (decision: Decision) => boolean;
  /** A look-up right now. */
  readonly confirmOrphan: (archive: Archive) => Promise<Confirmation>;
  readonly isStopping: () => boolean;
}

/** What came of a pass. */
export interface Enforced {
  readonly deleted: readonly Decision[];
  /** Failed halfway: they have the names of tombstones, and are gone once that is finished. */
  readonly begun: readonly Decision[];
  readonly freedBytes: number;
  /** A last look said otherwise. */
  readonly spared: number;
  readonly failed: number;
  /** Not tried any more: the plan has changed meanwhile, or the collector ends. */
  readonly left: number;
}

type Result = 'deleted' | 'begun' | 'spared' | 'failed' | 'left';

/** Carries out deletions, and answers for each one. */
export class Enforcer {
  readonly #options: EnforcerOptions;
  /** Resolves when the deletion is over. */
  readonly #busy = new Map<string, Promise<Result>>();

  constructor(options: EnforcerOptions) {
    this.#options = options;
  }

  /** Whether the file's disappearance is this enforcer's doing. */
  isDeleting(file: string): boolean {
    return this.#busy.has(file);
  }

  /**
   * Carries out decisions to delete, in their order, two at a time. Never rejects.
   * @param isCurrent for decisions that are of no pass: whether they still hold.
   */
  async carryOut(
    deletions: readonly Decision[],
    isCurrent: (decision: Decision) => boolean = this.#options.isCurrent,
  ): Promise<Enforced> {
    const deleted: Decision[] = [];
    const begun: Decision[] = [];
    const counts = { spared: 0, failed: 0, left: 0 };
    const waiting = deletions.values();
    const work = async () => {
      // Both take from the same iterator.
      for (const decision of waiting) {
        const result = await this.#one(decision, isCurrent);
        if (result === 'deleted') deleted.push(decision);
        else if (result === 'begun') begun.push(decision);
        else counts[result] += 1;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const freedBytes = deleted.reduce((sum, { archive }) => sum + archive.allocatedBytes, 0);
    return { deleted, begun, freedBytes, ...counts, failed: counts.failed + begun.length };
  }

  async #one(decision: Decision, isCurrent: (decision: Decision) => boolean): Promise<Result> {
    const { inventory, isStopping, clock, failures } = this.#options;
    const { file } = decision.archive;
    if (isStopping() || !isCurrent(decision)) return 'left';
    if (!(await this.#isProven(decision))) {
      failures.postponed(file, clock.now());
      return 'spared';
    }
    await inventory.look([file]);
    await inventory.confirm(file);
    const stamp = inventory.stamp(file);
    if (isStopping() || !inventory.state.ok || stamp === null || !isCurrent(decision)) return 'left';
    const underWay = this.#busy.get(file);
    if (underWay !== undefined) {
      // A pass and a request may want it gone at once: one deletes it, and both wait.
      await underWay;
      return 'left';
    }
    const deleting = this.#delete(decision, stamp).finally(() => this.#busy.delete(file));
    this.#busy.set(file, deleting);
    return deleting;
  }

  async #delete(decision: Decision, stamp: Stamp): Promise<Result> {
    const { files, directory, inventory, clock } = this.#options;
    const { file } = decision.archive;
    const outcome = await deleteArchive(files, directory, file, stamp, clock.now());
    const result = this.#account(decision, outcome);
    await inventory.look([file]);
    return result;
  }

  /** An orphan's pod must be missing now. Where the disk is short, only a pod that is there speaks for it. */
  async #isProven({ rule, archive }: Decision): Promise<boolean> {
    if (rule !== 'orphan' && !(rule === 'pressure' && archive.orphan !== null)) return true;
    const { confirmOrphan, metrics } = this.#options;
    const confirmation = await confirmOrphan(archive);
    if (confirmation === 'confirmed' || (rule === 'pressure' && confirmation === 'unknown')) return true;
    metrics.skippedDeletions.inc({ reason: confirmation === 'unknown' ? 'unproven' : 'disproved' });
    return false;
  }

  #account(decision: Decision, outcome: Outcome): Result {
    const { metrics, log, failures, clock, journal } = this.#options;
    const { file } = decision.archive;
    if (outcome.kind === 'deleted') {
      failures.succeeded(file);
      this.#count(decision.rule, decision.archive.allocatedBytes);
      journal.deleted(decision);
      log.info(logFields(decision), 'deleted');
      return 'deleted';
    }
    if (outcome.kind === 'spared') {
      metrics.skippedDeletions.inc({ reason: outcome.reason });
      failures.postponed(file, clock.now());
      log.info(
        { archive: file, ...decisionFields(decision), because: outcome.reason },
        'spared at the last look',
      );
      return 'spared';
    }
    this.#fail(file, outcome);
    return outcome.tombstone === undefined ? 'failed' : 'begun';
  }

  #count(rule: DecisionRule, freedBytes: number): void {
    const { metrics } = this.#options;
    metrics.deletions.inc({ rule });
    metrics.deletedBytes.inc({ rule }, freedBytes);
  }

  #fail(file: string, outcome: Outcome & { kind: 'failed' }): void {
    const { metrics, failures, clock } = this.#options;
    const { operation, error, tombstone } = outcome;
    metrics.errors.inc({ operation });
    const fields = { archive: file, ...(tombstone !== undefined && { tombstone }) };
    const key = tombstone ?? file;
    if (operation === 'restore') failures.failedBadly(key, NOT_RESTORED, error, clock.now(), fields);
    else failures.failed(key, operation, error, clock.now(), fields);
  }

  /** Ends deletions that a crash or a failure has left half done, as far as it is time to try again. */
  async finishTombstones(): Promise<{ readonly finished: number; readonly failed: number }> {
    const { inventory, files, directory, failures, clock, isStopping, metrics } = this.#options;
    const counts = { finished: 0, failed: 0 };
    const place = lookAtDirectory(files, directory);
    if (place.kind !== 'there') return counts;
    for (const { name } of inventory.tombstones()) {
      if (isStopping() || failures.isWaiting(name, clock.now())) continue;
      const outcome = await finishTombstone(files, directory, name, place.identity.device);
      if (outcome === null) {
        failures.failed(name, 'finish', new Error('its name was not made by this program'), clock.now(), {
          name,
        });
        counts.failed += 1;
      } else if (outcome.kind === 'failed') {
        this.#fail(outcome.file ?? name, { ...outcome, tombstone: name });
        counts.failed += 1;
      } else {
        failures.succeeded(name);
        counts.finished += 1;
        this.#tellFinished(name, outcome.file, outcome);
      }
      if (outcome?.kind === 'spared') metrics.skippedDeletions.inc({ reason: outcome.reason });
      await inventory.look(outcome?.file ? [name, outcome.file] : [name]);
    }
    return counts;
  }

  #tellFinished(tombstone: string, file: string | null, outcome: Outcome): void {
    const { log, journal, metrics } = this.#options;
    const fields = { archive: file, tombstone };
    if (outcome.kind === 'deleted') {
      metrics.finishedTombstones.inc();
      journal.finished(file, tombstone);
      log.info(fields, 'finished a deletion that had been begun');
    } else if (outcome.kind === 'spared' && outcome.reason !== 'gone') {
      log.warn(
        { ...fields, because: outcome.reason },
        'gave an archive its name back: it was not to be deleted',
      );
    }
  }
}
