import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { ListedCheckpoint } from '../../kube/checkpoints.ts';
import { formatCount } from '../../policy/count.ts';
import { formatBytes } from '../../policy/quantity.ts';
import type { Instant } from '../../policy/types.ts';
import type { Context, Output } from '../context.ts';
import { EXIT } from '../errors.ts';
import { callOf, explainCommand } from '../help.ts';
import { ageText } from '../listing.ts';
import { choice, flag } from '../options.ts';
import { type Column, renderTable } from '../table.ts';
import { printableName } from '../text.ts';
import { encode } from './encode.ts';
import { follow } from './following.ts';
import { selectorOptions } from './selectors.ts';
import { type Session, sessionOptions } from './session.ts';

const EXPLANATION = `
Sums the archives up, the most bytes first: by namespace, pod, container or node. SHARE is of all that are shown, WOULD
GO what the nodes' plans would delete now.`;

export const GROUPS = ['namespace', 'pod', 'container', 'node'] as const;
type Group = (typeof GROUPS)[number];
export const TOP_FORMATS = ['table', 'json', 'yaml'] as const;

/** A terminal is not written to more often than this. */
const PAUSE_MS = 1_000;
const CLEAR = '\u001b[H\u001b[2J';

export function define(command: Command): (context: Context) => Promise<number> {
  const open = sessionOptions(command);
  const selectors = selectorOptions(command);
  const group = choice(command, '--by <what>', 'what a line is of', GROUPS);
  const watch = flag(command, '-w, --watch', 'go on, and show it anew when it changes until interrupted');
  const format = choice(command, '-o, --output <format>', 'form of the answer', TOP_FORMATS);
  const call = callOf(command);
  explainCommand(command, EXPLANATION, [
    [`${call} -A`, 'shows which namespaces fill the disks'],
    [`${call} -A --by node`, 'shows how the archives are spread over the nodes'],
    [`${call} -n shop --by container --watch`, 'follows the containers of a namespace'],
  ]);
  return (context) =>
    open(context, async (session) => {
      const query = { namespace: session.namespace, ...selectors() };
      const chosen = format();
      const show = (items: readonly ListedCheckpoint[]) => {
        const lines = sumUp(items, group());
        const { out } = context;
        if (chosen !== 'table') out.write(encode(topJson(lines, group(), context.now()), chosen));
        else if (items.length === 0) context.err.write('No checkpoints found.\n');
        else out.write(renderTable(columns(group(), bytesOf(lines), context.now()), lines, out));
      };
      if (watch()) return showEachChange(session, query, show, context.out);
      show((await session.checkpoints.list(query, session.warn)).items);
      return EXIT.done;
    });
}

async function showEachChange(
  session: Session,
  query: Parameters<typeof follow>[1],
  show: (items: readonly ListedCheckpoint[]) => void,
  out: Output,
): Promise<number> {
  const stop = session.context.untilStopped();
  const known = new Map<string, ListedCheckpoint>();
  let isWaiting = false;
  const redraw = () => {
    isWaiting = false;
    if (stop.aborted) return;
    if (out.isTerminal) out.write(CLEAR);
    show([...known.values()]);
  };
  const started = (items: readonly ListedCheckpoint[]) => {
    for (const each of items) known.set(each.uid, each);
    redraw();
  };
  for await (const { type, checkpoint } of follow(session, query, stop, started)) {
    if (type === 'DELETED') known.delete(checkpoint.uid);
    else known.set(checkpoint.uid, checkpoint);
    if (isWaiting) continue;
    isWaiting = true;
    void delay(PAUSE_MS, undefined, { signal: stop }).then(redraw, () => {});
  }
  return EXIT.done;
}

/** The archives of one namespace, pod, container or node. */
export interface Line {
  /** `shop`, `shop/cart`, `shop/cart/main` or a node's name. */
  readonly name: string;
  readonly archives: number;
  readonly bytes: number;
  /** 0 to 1. */
  readonly share: number;
  readonly oldest: Instant | null;
  readonly deletions: number;
  readonly pinned: number;
}

/** By bytes, the most first. */
export function sumUp(items: readonly ListedCheckpoint[], group: Group): Line[] {
  const groups = Map.groupBy(items, (item) => nameOf(item, group));
  const total = bytesOf(items);
  const lines = [...groups].map(([name, members]): Line => {
    const times = members.flatMap(({ createdAt }) => (createdAt === null ? [] : [createdAt]));
    const bytes = bytesOf(members);
    return {
      ...{ name, archives: members.length, bytes },
      share: total === 0 ? 0 : bytes / total,
      oldest: times.length === 0 ? null : times.reduce((one, other) => Math.min(one, other)),
      deletions: members.filter(({ verdict }) => verdict?.action === 'delete').length,
      pinned: members.filter(({ pinned }) => pinned).length,
    };
  });
  return lines.sort((one, other) => other.bytes - one.bytes || (one.name < other.name ? -1 : 1));
}

function nameOf({ namespace, pod, container, node }: ListedCheckpoint, group: Group): string {
  const names = {
    namespace: [namespace],
    pod: [namespace, pod],
    container: [namespace, pod, container],
    node: [node],
  };
  return names[group].join('/');
}

function bytesOf(items: readonly { readonly bytes: number }[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0);
}

function topJson(lines: readonly Line[], by: Group, now: Instant): object {
  return {
    apiVersion: 'checkpoint-warden/v1',
    ...{ now: new Date(now).toISOString(), by },
    lines: lines.map(({ oldest, ...line }) => ({
      ...line,
      oldest: oldest === null ? null : new Date(oldest).toISOString(),
    })),
    totals: { archives: lines.reduce((sum, { archives }) => sum + archives, 0), bytes: bytesOf(lines) },
  };
}

function columns(group: Group, total: number, now: Instant): readonly Column<Line>[] {
  return [
    { title: group.toUpperCase(), cell: ({ name }) => printableName(name) },
    { title: 'ARCHIVES', right: true, cell: ({ archives }) => formatCount(archives) },
    { title: 'SIZE', right: true, cell: ({ bytes }) => formatBytes(bytes) },
    { title: 'SHARE', right: true, cell: ({ share }) => (total === 0 ? '-' : `${Math.round(share * 100)}%`) },
    { title: 'OLDEST', right: true, cell: ({ oldest }) => (oldest === null ? '' : ageText(oldest, now)) },
    { title: 'PINNED', right: true, cell: ({ pinned }) => String(pinned) },
    {
      title: 'WOULD GO',
      right: true,
      cell: ({ deletions }) => String(deletions),
      colour: ({ deletions }) => (deletions > 0 ? 'yellow' : null),
    },
  ];
}
