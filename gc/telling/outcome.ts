import type { CollectorMetrics } from '../../observe/metrics.ts';
import { counted, formatCount } from '../../policy/count.ts';
import { formatFinding } from '../../policy/findings.ts';
import type { PolicySource } from '../../source/source.ts';
import type { Assembled } from '../assemble.ts';
import type { CollectorOptions } from '../options.ts';

/** Of the errors in policies; validate shows all. */
const MOST_ERRORS = 5;

/** Deletions, also those of a pass that is not over. */
export interface Done {
  readonly deleted: number;
  readonly freedBytes: number;
}

/** What the counters say has been deleted. */
export async function doneIn({ deletions, deletedBytes }: CollectorMetrics): Promise<Done> {
  const sum = async (counter: typeof deletions) =>
    (await counter.get()).values.reduce((total, { value }) => total + value, 0);
  return { deleted: await sum(deletions), freedBytes: await sum(deletedBytes) };
}

/** Why a single run did not do what the policies ask for, as sentences; none when it did. */
export function problemsOf(
  { collector, inventory, active, orphans }: Assembled,
  { source, dryRun, audit }: CollectorOptions,
  { failed, isDone }: { readonly failed: number; readonly isDone: boolean },
): string[] {
  const { state } = inventory;
  const { held = [], plan, enforced } = collector.report ?? {};
  const going = plan?.deletions ?? [];
  const left = dryRun ? 0 : going.filter(({ archive }) => inventory.get(archive.file) !== null).length;
  const tombstones = dryRun ? 0 : inventory.tombstones().length;
  const lost = audit?.lost ?? 0;
  return [
    !isDone &&
      `stopped before its work was done${left > 0 ? `: ${counted(left, 'archive')} still to go` : ''}; run it again`,
    !state.ok && state.reason,
    !active.isKnown && state.ok && 'the policies are not known, so nothing was decided',
    ...policyErrors(source),
    orphans?.isSettled === false && 'not all pods could be looked up, so some orphans may not be known yet',
    failed > 0 && `${counted(failed, 'archive')} could not be deleted; the log says why`,
    isDone &&
      failed === 0 &&
      tombstones > 0 &&
      `deletions of ${counted(tombstones, 'archive')} were begun and could not be finished; the log says why`,
    isDone &&
      state.ok &&
      (enforced?.left ?? 0) > 0 &&
      `${counted(left, 'archive')} still to go changed again and again; run it again`,
    lost > 0 && `${lost} audit records could not be written; the log says why`,
    ...held.map(({ resource, remedy }) => `${resource.reference.name} waits for confirmation: ${remedy}`),
  ].filter((problem) => problem !== false);
}

/** What is worth knowing of a single run although nothing went wrong, as sentences. */
export function notesOf({ inventory, active, relief }: Assembled, options: CollectorOptions): string[] {
  return [
    relief.shortfall,
    active.isKnown && active.set.size === 0 && `no policy acts on ${options.directory}`,
    options.stateDirectory === undefined &&
      [...inventory.archives()].some(({ orphan }) => orphan !== null) &&
      'without a state directory the grace period of orphans begins anew at each run; name one',
  ].filter((note) => typeof note === 'string');
}

function policyErrors(source: PolicySource): string[] {
  const errors = source.problems().filter(({ finding }) => finding.severity === 'error');
  const told = errors.slice(0, MOST_ERRORS).map(({ file, resource, finding }) => {
    const where = [file, resource].filter(Boolean).join(' ');
    return `a policy has errors: ${where}${where === '' ? '' : ': '}${formatFinding(finding)}`;
  });
  if (errors.length > told.length) {
    const more = formatCount(errors.length - told.length);
    told.push(`policies have ${more} more errors; checkpoint-warden validate shows all`);
  }
  return told;
}
