import type { ListedCheckpoint } from '../../kube/checkpoints.ts';
import { formatBytes } from '../../policy/quantity.ts';
import type { Instant } from '../../policy/types.ts';
import { ageText } from '../listing.ts';
import type { Colour } from '../paint.ts';
import type { Column } from '../table.ts';
import { printable, printableName } from '../text.ts';

export interface ColumnOptions {
  readonly withNamespace: boolean;
  readonly isWide: boolean;
  readonly now: Instant;
}

/** The columns of archives, as `kubectl get checkpoints` has them. */
export function checkpointColumns(options: ColumnOptions): readonly Column<ListedCheckpoint>[] {
  const { withNamespace, isWide, now } = options;
  const all: (Column<ListedCheckpoint> | false)[] = [
    withNamespace && { title: 'NAMESPACE', cell: ({ namespace }) => printableName(namespace) },
    { title: 'NAME', cell: ({ name }) => printableName(name) },
    { title: 'POD', cell: ({ pod }) => printableName(pod) },
    { title: 'CONTAINER', cell: ({ container }) => printableName(container) },
    { title: 'NODE', cell: ({ node }) => printableName(node) },
    { title: 'SIZE', right: true, cell: ({ bytes }) => formatBytes(bytes) },
    { title: 'AGE', right: true, cell: (row) => age(row, now) },
    { title: 'POLICY', cell: ({ policy }) => (policy === null ? '<none>' : printable(policy)) },
    { title: 'VERDICT', cell: verdictText, colour: verdictColour },
    isWide && { title: 'ARCHIVE', cell: ({ archive }) => printableName(archive) },
    isWide && { title: 'RUNTIME', cell: ({ runtime }) => printable(runtime ?? '<unknown>') },
    isWide && { title: 'REASON', cell: ({ verdict }) => printable(verdict?.reason ?? ''), sentence: true },
  ];
  return all.filter((column) => column !== false);
}

/** `keep`, `delete (count)`, with what else is to be said: `keep, pinned, tainted`. */
export function verdictText({ verdict, pinned, tainted }: ListedCheckpoint): string {
  const said =
    verdict === null
      ? '<unknown>'
      : verdict.action === 'keep' || verdict.rule === 'none'
        ? verdict.action
        : `${verdict.action} (${printable(verdict.rule)})`;
  return [said, pinned && 'pinned', tainted && 'tainted'].filter((each) => each !== false).join(', ');
}

export function verdictColour({ verdict, pinned, tainted }: ListedCheckpoint): Colour | null {
  if (tainted) return 'red';
  if (verdict?.action === 'delete') return 'yellow';
  return pinned ? 'cyan' : null;
}

export function age({ createdAt }: ListedCheckpoint, now: Instant): string {
  return createdAt === null ? '<unknown>' : ageText(createdAt, now);
}
