import type { Checkpoint } from '../../../policy/checkpoint-object.ts';
import type { Instant } from '../../../policy/types.ts';

interface Column {
  readonly name: string;
  readonly type: 'string';
  readonly format: string;
  readonly description: string;
  /** 0 is always shown, 1 with `-o wide`. */
  readonly priority: 0 | 1;
}

function column(name: string, description: string, priority: 0 | 1 = 0): Column {
  return { name, type: 'string', format: name === 'Name' ? 'name' : '', description, priority };
}

export const COLUMNS: readonly Column[] = [
  column('Name', 'Stable and unique; made by the node.'),
  column('Pod', 'Whose memory it holds.'),
  column('Container', 'Of that pod.'),
  column('Node', 'Where the archive is.'),
  column('Size', 'Of the archive.'),
  column('Age', 'Since it was written.'),
  column('Policy', 'What governs it.'),
  column('Verdict', 'What the plan of its node says of it: keep, or delete and by which rule.'),
  column('Archive', 'File name on the node.', 1),
  column('Runtime', 'Who wrote it.', 1),
  column('Pinned', 'Whether it is held against every deletion.', 1),
];

/** What of the object a row carries beside its cells. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface Row {
  readonly cells: readonly string[];
  readonly object?: object;
}

export function rowOf(checkpoint: Checkpoint, now: Instant, include: IncludeObject): Row {
  const { metadata, spec, status } = checkpoint;
  const { verdict, pinned, policy, runtime } = status;
  const said = verdict === undefined ? '<unknown>' : verdict.action;
  const cells = [
    metadata.name,
    spec.podName,
    spec.containerName,
    spec.nodeName,
    sizeText(status.sizeBytes),
    ageText(now - Date.parse(status.createdAt)),
    policy ?? '<none>',
    verdict !== undefined && verdict.rule !== 'none' ? `${said} (${verdict.rule})` : said,
    status.archive,
    runtime ?? '<unknown>',
    String(pinned),
  ];
  if (include === 'None') return { cells };
  return { cells, object: include === 'Object' ? checkpoint : metadataOf(checkpoint) };
}

/** As `meta.k8s.io` has it, for clients that want no more. */
export function metadataOf({ metadata }: Checkpoint): object {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata };
}

const UNITS = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi'] as const;

/** `278Ki`, `1.5Gi` */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = '';
  for (const next of UNITS) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  const shown = value < 10 && unit !== '' ? value.toFixed(1).replace(/\.0$/, '') : String(Math.round(value));
  return shown + unit;
}

/** As kubectl writes ages: `12s`, `5m30s`, `3h`, `2d5h`, `40d`, `2y`. */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (!Number.isFinite(seconds)) return '<unknown>';
  if (seconds < 120) return `${seconds}s`;
  const [minutes, hours, days] = [60, 3_600, 86_400].map((each) => Math.floor(seconds / each));
  if (minutes === undefined || hours === undefined || days === undefined) return '<unknown>';
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's');
  if (hours < 3) return `${minutes}m`;
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  if (days < 8) return two(days, 'd', hours % 24, 'h');
  if (days < 730) return `${days}d`;
  return `${Math.floor(days / 365)}y`;
}

function two(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
}
