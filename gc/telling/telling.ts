import type { Log } from '../../kube/types.ts';
import type { Audit } from '../../observe/audit.ts';
import type { CollectorMetrics } from '../../observe/metrics.ts';
import { resourceKey } from '../../policy/govern.ts';
import { formatBytes } from '../../policy/quantity.ts';
import type { Archive, Instant, PolicyResource } from '../../policy/types.ts';
import type { PolicySource, Problem } from '../../source/source.ts';
import type { ActivePolicies } from '../deciding/active.ts';
import type { DirectoryState } from '../inventory/directory.ts';
import type { Inventory, InventoryChange } from '../inventory/inventory.ts';
import type { WatchMode } from '../inventory/watch.ts';
import type { Notice, Notices } from './notices.ts';

export interface TellingOptions {
  readonly directory: string;
  readonly source: PolicySource;
  readonly inventory: Inventory;
  readonly active: ActivePolicies;
  readonly audit: Audit;
  readonly notices: Notices;
  readonly metrics: CollectorMetrics;
  readonly log: Log;
  readonly now: () => Instant;
  /** Is told of each archive with bytes of another checkpoint. */
  readonly onTainted?: (archive: Archive) => void;
  /** Called when the gauges were set, or cannot be; `everywhere` when policies have changed, as on all nodes. */
  readonly onMeasured?: (where?: 'here' | 'everywhere') => void;
}

/** Clocks of one machine do not differ; a file that is this much younger than now has a wrong time. */
const FUTURE_MS = 60_000;

/** What the collector says of what it sees, in the log and in metrics. */
export class Telling {
  readonly #options: TellingOptions;
  /** The resources that were told of. */
  #told: readonly PolicyResource[] | null = null;

  constructor(options: TellingOptions) {
    this.#options = options;
  }

  directory(state: DirectoryState): void {
    const message = 'reason' in state ? `${state.reason}; nothing is deleted until it can be read again` : '';
    const notices: Notice[] = state.ok ? [] : [{ key: 'directory', message, level: 'error' }];
    this.#options.notices.update('directory', notices, 'the directory can be read again');
    this.#options.onMeasured?.();
  }

  watch(mode: WatchMode): void {
    const { notices, directory, metrics } = this.#options;
    metrics.watching.set(mode.watching ? 1 : 0);
    const because = mode.watching ? '' : mode.because;
    const message = `${because}; ${directory} is scanned every few seconds in place of being watched`;
    const notice: Notice = { key: 'watch', message, level: 'warn' };
    notices.update('watch', mode.watching ? [] : [notice], `${directory} is watched again`);
  }

  /** What is wrong with archives that have come or changed. */
  archives(change: InventoryChange): void {
    const { inventory, now } = this.#options;
    const isAllNew = change.directoryChanged && change.directory.ok;
    const added = isAllNew ? inventory.remarkable(now() + FUTURE_MS) : change.added;
    for (const archive of added) this.#flag(archive, null);
    if (isAllNew) this.#sum();
    for (const { before, after } of change.modified) this.#flag(after, before);
  }

  /** What is wrong with the policies, and whether they are current. */
  source(): void {
    const { source, notices, metrics, active } = this.#options;
    metrics.policySourceFresh.set(source.isFresh() ? 1 : 0);
    metrics.policySourceStaleness.set((source.staleness?.() ?? 0) / 1_000);
    // Of files the source itself tells, at once and with what is in force meanwhile.
    const untold = source.problems().filter(({ file }) => file === undefined);
    notices.update('problem', untold.map(problemNotice));
    const consequence = active.isKnown
      ? 'the last known ones go on acting'
      : 'nothing is deleted until they are';
    const message = `nobody can tell whether the policies are current; ${consequence}`;
    const stale: Notice = { key: 'stale', message, level: 'warn' };
    notices.update('source', source.isFresh() ? [] : [stale], 'the policies are current again');
  }

  /** Which policies act, and which do not. */
  policies(): void {
    const { active, source, notices, directory, metrics, onMeasured } = this.#options;
    const { pending, elsewhere } = active;
    const resources = source.resources();
    if (this.#told !== null && resources !== this.#told) onMeasured?.('everywhere');
    this.#told = resources;
    metrics.policies.set({ state: 'acting' }, active.set.size);
    metrics.policies.set({ state: 'pending' }, pending.length);
    notices.update(
      'elsewhere',
      elsewhere.map((resource): Notice => {
        const message = `the policy ${nameOf(resource)} is for another directory (${resource.directory}), not ${directory}`;
        return { key: nameOf(resource), message, level: 'warn' };
      }),
    );
    notices.update(
      'pending',
      pending.map((resource): Notice => {
        const what = `the policy ${nameOf(resource)} is new or changed and acts from the next checkpoint on`;
        const message = `${what}; with applyPoliciesImmediately: true it would act at once`;
        return { key: `${nameOf(resource)} ${resource.canonicalSpec}`, message, level: 'info' };
      }),
      'a policy waits no more',
    );
    const nothing: Notice[] = active.set.size > 0 ? [] : [nothingActs(directory, elsewhere, pending)];
    notices.update('nothing', nothing, 'policies act now');
  }

  /** The gauges of what there is. */
  measure(): void {
    const { inventory, metrics, audit, onMeasured } = this.#options;
    const totals = inventory.totals();
    const identified = totals.archives - totals.growing - totals.unidentified;
    metrics.archives.set({ state: 'identified' }, identified);
    metrics.archives.set({ state: 'unidentified' }, totals.unidentified);
    metrics.archives.set({ state: 'growing' }, totals.growing);
    metrics.archiveBytes.set(totals.bytes);
    metrics.pinnedArchives.set(totals.pinned);
    metrics.taintedArchives.set(totals.tainted);
    metrics.foreignFiles.set(totals.foreignFiles);
    metrics.foreignBytes.set(totals.foreignBytes);
    metrics.tombstones.set(totals.tombstones);
    metrics.tombstoneBytes.set(totals.tombstoneBytes);
    metrics.lostAuditRecords.set(audit.lost);
    onMeasured?.();
  }

  #sum(): void {
    const { inventory, log, directory } = this.#options;
    const { archives, bytes, pinned, unidentified, growing, tainted, foreignFiles } = inventory.totals();
    const counts = { archives, bytes, pinned, unidentified, growing, tainted, foreignFiles };
    log.info({ directory, ...counts }, `${directory} holds ${archives} archives (${formatBytes(bytes)})`);
  }

  #flag(archive: Archive, before: Archive | null): void {
    const { log, now } = this.#options;
    const { file, identity, staleTailBytes, state, modifiedAt } = archive;
    if (state !== 'complete') return;
    const former = before?.state === 'complete' ? before : null;
    const fields = { archive: file, namespace: identity?.namespace ?? null, pod: identity?.pod ?? null };
    if (staleTailBytes > 0 && former?.staleTailBytes !== staleTailBytes) {
      const what = `${formatBytes(staleTailBytes)} stand behind its end marker, possibly the memory of another container`;
      log.warn({ ...fields, staleTailBytes }, `${what}; spec.tainted says what becomes of such archives`);
      this.#options.onTainted?.(archive);
    }
    if (modifiedAt > now() + FUTURE_MS && former?.modifiedAt !== modifiedAt) {
      const time = new Date(modifiedAt).toISOString();
      log.warn(
        { ...fields, modifiedAt: time },
        'its modification time lies in the future, and counts as now',
      );
    }
    if (identity === null && former === null) {
      log.info(
        { archive: file },
        `cannot be attributed to a container: ${archive.unidentifiedBecause ?? 'unknown'}`,
      );
    }
  }
}

function nothingActs(
  directory: string,
  elsewhere: readonly PolicyResource[],
  pending: readonly PolicyResource[],
): Notice {
  const remedy =
    pending.length > 0
      ? 'those there are act from the next checkpoint on'
      : elsewhere.length > 0
        ? `those there are name another spec.checkpointDirectory, so correct it or start with --directory ${elsewhere[0]?.directory}`
        : 'write one (see examples/)';
  return {
    key: directory,
    message: `no policy acts on ${directory}, so nothing is deleted; ${remedy}`,
    level: 'warn',
  };
}

function problemNotice({ file, resource, finding }: Problem): Notice {
  const { field, severity, message, remedy, code, value } = finding;
  const where = [file, resource, field].filter(Boolean).join(' ');
  const shown = value === undefined ? '' : ` (${value})`;
  return {
    key: `${where} ${code} ${shown}`,
    message: `${where}${shown} ${message}; ${remedy}`,
    fields: { code },
    level: severity === 'error' ? 'error' : 'warn',
  };
}

function nameOf({ reference }: PolicyResource): string {
  return resourceKey(reference);
}
