import type { Command } from 'commander';
import { tripDigest } from '../gc/deciding/breaker-state.ts';
import { type PlannedDirectory, planDirectory } from '../gc/plan-directory.ts';
import { planReport } from '../gc/telling/report.ts';
import { type Trip, trips } from '../policy/breaker.ts';
import { counted, formatCount } from '../policy/count.ts';
import { resourceKey, scopeLabel } from '../policy/govern.ts';
import { formatBytes } from '../policy/quantity.ts';
import { CONFIRM_ANNOTATION } from '../policy/schema.ts';
import type { Decision, Instant } from '../policy/types.ts';
import type { Context, Output } from './context.ts';
import { emptyFolders, noPolicyFiles } from './empty-folders.ts';
import { EXIT } from './errors.ts';
import { explainCommand } from './help.ts';
import { takeInventory } from './inventory.ts';
import { ageText, byName, FOREIGN_COLUMNS } from './listing.ts';
import { choice, directoryOption, optional, patternOption, repeatedAtLeastOnce } from './options.ts';
import { type Colour, type Paint, paintFor } from './paint.ts';
import { hasErrors, readPods, readPolicies } from './policies.ts';
import { type Column, renderTable } from './table.ts';
import { printable, printableName } from './text.ts';
import { renderProblems } from './validate.ts';
import { instant, nonEmpty, path } from './values.ts';

const EXPLANATION = `
The same plan that gc carries out. A policy that names no directory, or the kubelet's, acts on the given one.
Without --pods nothing is an orphan; with it, a pod that is not in the list is gone since the archive was made.

RULE   count, age, size, total, orphan, pressure, tainted, unidentified  what asks for the deletion
       pinned, keepLast                                                  what holds it
       none                                                              nothing asks for its deletion

What gc would hold back until it is confirmed (circuitBreaker) is told below the sum, as if each policy were new.

Exit codes: 0 planned; 1 policies with errors, which are shown; 2 wrong call.`;

export function define(command: Command): (context: Context) => Promise<number> {
  const directory = directoryOption(command);
  const policies = repeatedAtLeastOnce(
    command,
    '--policies <path>',
    'a file or folder of policies; repeatable',
    nonEmpty,
  );
  const pods = optional(command, '--pods <file>', 'the output of kubectl get pods -A -o json', path);
  const now = optional(command, '--now <time>', 'plan for this time, as 2026-11-21T12:00:00Z', instant);
  const patterns = patternOption(command);
  const format = choice(command, '-o, --output <format>', 'form of the answer', ['table', 'json']);
  explainCommand(command, EXPLANATION, [
    [
      'checkpoint-warden plan --directory /var/lib/kubelet/checkpoints --policies examples/default.yaml',
      'shows what would go, and why',
    ],
    [
      'checkpoint-warden plan --directory DIR --policies policies/ --now 2027-01-01T00:00:00Z',
      'shows what would go by then',
    ],
    [
      `checkpoint-warden plan --directory DIR --policies policies/ -o json | jq -r '.decisions[] | select(.action=="delete").archive'`,
      'lists what would go, for programs',
    ],
  ]);
  return async (context) => {
    const [where, paths, podsFile] = [directory(), policies(), pods()];
    const read = await readPolicies(paths, where);
    for (const folder of await emptyFolders(paths)) {
      context.err.write(`checkpoint-warden: ${printable(noPolicyFiles(folder))}\n`);
    }
    if (hasErrors(read.problems)) {
      context.err.write(renderProblems(read.problems, read.resources, paintFor(context.err)));
      return EXIT.refused;
    }
    const lookup = podsFile === undefined ? null : await readPods(podsFile);
    const inventory = await takeInventory(where, patterns(), context);
    const at = now() ?? context.now();
    const resources = read.resources;
    const planned = await planDirectory({ directory: where, resources, now: at, pods: lookup, inventory });
    tellOfOthers(planned, where, context);
    const about = { directory: where, now: at, foreign: byName(inventory.foreign()), held: heldIn(planned) };
    const report = planReport(planned.plan, about);
    context.out.write(
      format() === 'json' ? `${JSON.stringify(report, null, 2)}\n` : renderPlan(planned, about, context.out),
    );
    return EXIT.done;
  };
}

/** What gc would hold back. It knows which policies acted before; here each counts as new. */
function heldIn({ plan }: PlannedDirectory): Trip[] {
  return trips(plan.decisions, () => false).filter(
    (trip) => !trip.resource.confirmed.includes(tripDigest(trip)),
  );
}

/** What a person may have expected to act, and why it does not. */
function tellOfOthers({ policies, elsewhere }: PlannedDirectory, where: string, { err }: Context): void {
  if (elsewhere.length > 0) {
    const names = elsewhere.map(({ reference, directory }) => `${resourceKey(reference)} (${directory})`);
    err.write(
      `checkpoint-warden: for other directories, so without effect here: ${printable(names.join(', '))}\n`,
    );
  }
  if (policies.size === 0) {
    err.write(`checkpoint-warden: no policy acts on ${printable(where)}, so nothing would be deleted\n`);
  }
}

interface About {
  readonly directory: string;
  readonly now: Instant;
  readonly foreign: Parameters<typeof planReport>[1]['foreign'];
  readonly held: readonly Trip[];
}

function renderPlan(
  { plan }: PlannedDirectory,
  { directory, now, foreign = [], held }: About,
  output: Output,
): string {
  const paint = paintFor(output);
  const rows = deletionsFirst(plan.decisions);
  const parts: string[] = [];
  if (rows.length > 0) parts.push(renderTable(planColumns(now), rows, output));
  if (foreign.length > 0) parts.push(renderTable(FOREIGN_COLUMNS, foreign, output));
  const unmet = plan.unmet.map(({ message }) => `${paint('yellow', '!')} ${printable(message)}\n`);
  const waiting = held.map((trip) => `${paint('yellow', '!')} ${printable(heldSentence(trip))}\n`);
  parts.push([...unmet, totalsLine(plan.decisions, directory, paint), ...waiting].join(''));
  return parts.join('\n');
}

function heldSentence(trip: Trip): string {
  const { resource, deletions, archives } = trip;
  const { maxShare, minArchives } = resource.breaker;
  const allowed = `${Number((maxShare * 100).toFixed(2))}%, at least ${formatCount(minArchives)}`;
  const digest = tripDigest(trip);
  return `${resourceKey(resource.reference)} would delete ${formatCount(deletions.length)} of ${counted(archives, 'archive')} at once, more than circuitBreaker allows (${allowed}): gc waits until this is confirmed, with --confirm ${digest} or the annotation ${CONFIRM_ANNOTATION}=${digest}`;
}

/** In the order in which they would go; then what is kept, by name. */
export function deletionsFirst(decisions: readonly Decision[]): Decision[] {
  const deletions = decisions.filter(({ action }) => action === 'delete');
  const kept = decisions.filter(({ action }) => action === 'keep');
  return [...deletions.sort((one, other) => (one.turn ?? 0) - (other.turn ?? 0)), ...kept];
}

export function planColumns(now: Instant): readonly Column<Decision>[] {
  return [
    { title: 'ARCHIVE', cell: ({ archive }) => printableName(archive.file) },
    { title: 'SIZE', right: true, cell: ({ archive }) => formatBytes(archive.bytes) },
    { title: 'AGE', right: true, cell: ({ archive }) => ageText(archive.modifiedAt, now) },
    { title: 'ACTION', cell: ({ action }) => action, colour: actionColour },
    { title: 'RULE', cell: ({ rule }) => rule },
    { title: 'POLICY', cell: ({ policy }) => (policy === null ? 'none' : scopeLabel(policy.scope)) },
    { title: 'REASON', sentence: true, cell: ({ reason }) => printable(reason) },
  ];
}

function actionColour({ action }: Decision): Colour {
  return action === 'delete' ? 'red' : 'green';
}

function totalsLine(decisions: readonly Decision[], directory: string, paint: Paint): string {
  const deletions = decisions.filter(({ action }) => action === 'delete');
  const bytes = (some: readonly Decision[]) => some.reduce((sum, { archive }) => sum + archive.bytes, 0);
  const total = `${counted(decisions.length, 'archive')}, ${formatBytes(bytes(decisions))} in ${printable(directory)}`;
  const gone = `delete ${formatCount(deletions.length)}, ${formatBytes(bytes(deletions))}`;
  return `${paint('dim', `${total}:`)} ${paint(deletions.length > 0 ? 'red' : 'dim', gone)}\n`;
}
