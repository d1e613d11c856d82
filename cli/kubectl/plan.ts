import type { Command } from 'commander';
import type { ListedCheckpoint } from '../../kube/checkpoints.ts';
import { counted } from '../../policy/count.ts';
import { formatBytes } from '../../policy/quantity.ts';
import type { Instant } from '../../policy/types.ts';
import type { Context, Output } from '../context.ts';
import { EXIT } from '../errors.ts';
import { callOf, explainCommand } from '../help.ts';
import { type Column, renderTable } from '../table.ts';
import { printable, printableName } from '../text.ts';
import { age } from './columns.ts';
import { encode } from './encode.ts';
import { USUAL } from './order.ts';
import { formatOption, namesText } from './output.ts';
import { selectorOptions } from './selectors.ts';
import { sessionOptions } from './session.ts';

const EXPLANATION = `
Tells which archives the nodes' collectors would delete now, by which rule and policy, and what that frees. It is what
each node's own plan says at this moment; nothing is changed. Pinned archives are held, and never among them.

A plan that a circuit breaker holds back, or that a deletion budget spreads over several passes, is shown whole.`;

export function define(command: Command): (context: Context) => Promise<number> {
  const open = sessionOptions(command);
  const selectors = selectorOptions(command);
  const format = formatOption(command);
  const call = callOf(command);
  explainCommand(command, EXPLANATION, [
    [`${call} -A`, 'shows what would go, of all nodes'],
    [`${call} -n shop -o name`, 'names them, one a line'],
    [`${call} -n shop -o json | jq .totals`, 'sums them up, for programs'],
  ]);
  return (context) =>
    open(context, async (session) => {
      const query = { namespace: session.namespace, ...selectors() };
      const { items } = await session.checkpoints.list(query, session.warn);
      const sorted = [...items].sort(USUAL);
      const chosen = format();
      const now = context.now();
      if (chosen === 'name') context.out.write(namesText(going(sorted)));
      else if (chosen === 'json' || chosen === 'yaml')
        context.out.write(encode(planJson(sorted, now), chosen));
      else context.out.write(renderPlan(sorted, { now, isWide: chosen === 'wide' }, context.out));
      return EXIT.done;
    });
}

function going(items: readonly ListedCheckpoint[]): ListedCheckpoint[] {
  return items.filter(({ verdict }) => verdict?.action === 'delete');
}

function totalsOf(items: readonly ListedCheckpoint[]) {
  const leaving = going(items);
  return {
    archives: items.length,
    bytes: bytesOf(items),
    deletions: leaving.length,
    deletedBytes: bytesOf(leaving),
    pinned: items.filter(({ pinned }) => pinned).length,
    withoutVerdict: items.filter(({ verdict }) => verdict === null).length,
  };
}

function bytesOf(items: readonly ListedCheckpoint[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** As `checkpoint-warden plan -o json` has it, with the node beside each. */
export function planJson(items: readonly ListedCheckpoint[], now: Instant): object {
  return {
    apiVersion: 'checkpoint-warden/v1',
    now: new Date(now).toISOString(),
    decisions: items.map(({ name, archive, node, verdict, policy, bytes, namespace, pod, container }) => ({
      ...{ name, archive, node },
      action: verdict?.action ?? null,
      rule: verdict?.rule ?? null,
      policy,
      reason: verdict?.reason ?? null,
      ...{ bytes, namespace, pod, container },
    })),
    totals: totalsOf(items),
  };
}

export function renderPlan(
  items: readonly ListedCheckpoint[],
  { now, isWide }: { readonly now: Instant; readonly isWide: boolean },
  out: Output,
): string {
  const leaving = going(items);
  const totals = totalsOf(items);
  const table = leaving.length === 0 ? '' : `${renderTable(columns(now, isWide), leaving, out)}\n`;
  const pinned = totals.pinned === 0 ? '' : `; ${totals.pinned} pinned`;
  const untold =
    totals.withoutVerdict === 0
      ? ''
      : `; of ${totals.withoutVerdict} no plan is known, for their nodes know no policies yet`;
  const of = `${counted(totals.archives, 'archive')} (${formatBytes(totals.bytes)})`;
  const sum =
    leaving.length === 0
      ? `nothing would be deleted of ${of}`
      : `${leaving.length} of ${of} would be deleted, which frees ${formatBytes(totals.deletedBytes)}`;
  return `${table}${sum}${pinned}${untold}\n`;
}

function columns(now: Instant, isWide: boolean): readonly Column<ListedCheckpoint>[] {
  const all: (Column<ListedCheckpoint> | false)[] = [
    { title: 'NAMESPACE', cell: ({ namespace }) => printableName(namespace) },
    { title: 'NAME', cell: ({ name }) => printableName(name) },
    { title: 'NODE', cell: ({ node }) => printableName(node) },
    isWide && { title: 'ARCHIVE', cell: ({ archive }) => printableName(archive) },
    { title: 'SIZE', right: true, cell: ({ bytes }) => formatBytes(bytes) },
    { title: 'AGE', right: true, cell: (row) => age(row, now) },
    { title: 'RULE', cell: ({ verdict }) => printable(verdict?.rule ?? ''), colour: () => 'yellow' },
    { title: 'POLICY', cell: ({ policy }) => printable(policy ?? '<none>') },
    { title: 'REASON', cell: ({ verdict }) => printable(verdict?.reason ?? ''), sentence: true },
  ];
  return all.filter((column) => column !== false);
}
