import type { Finding, Severity } from './types.ts';

interface Entry {
  readonly severity: Severity;
  /** What it means, for the reference. */
  readonly title: string;
}

/** Every code a finding can have. docs/reference/findings.md lists the same; a test holds them together. */
export const CATALOGUE = {
  unreadableFile: { severity: 'error', title: 'A file or folder of policies is missing or cannot be read.' },
  badYaml: { severity: 'error', title: 'The file is not YAML or JSON that can be read without doubt.' },
  duplicateKey: {
    severity: 'error',
    title: 'A key stands twice in one mapping; only one of them would count.',
  },
  wrongKind: {
    severity: 'error',
    title: 'The document is no CheckpointRestoreOperator and no CheckpointSchedule of criu.org/v1.',
  },
  wrongType: { severity: 'error', title: 'The value has another type than the field.' },
  required: { severity: 'error', title: 'A field that must be there is absent or empty.' },
  unknownField: {
    severity: 'error',
    title: 'The resource has no such field; a limit with a typing error would not limit.',
  },
  notAllowed: { severity: 'error', title: 'The value is not one of those the field takes.' },
  outOfRange: { severity: 'error', title: 'A number is negative or beyond what the field takes.' },
  tooManyEntries: { severity: 'error', title: 'A list is longer than the API server can check.' },
  badQuantity: { severity: 'error', title: 'A size is no Kubernetes quantity of whole bytes.' },
  sizeTooSmall: {
    severity: 'error',
    title: 'A size is under 1Ki: it would delete every archive, and is usually a forgotten suffix.',
  },
  badDuration: { severity: 'error', title: 'A duration lacks its unit or cannot be read.' },
  badShare: { severity: 'error', title: 'A percentage cannot be read or is outside 0% to 100%.' },
  badName: {
    severity: 'error',
    title: 'A namespace, pod or container name that Kubernetes would not accept, so it matches nothing.',
  },
  badDirectory: { severity: 'error', title: 'The checkpoint directory is not an absolute, normalised path.' },
  spellingsDisagree: { severity: 'error', title: 'Two spellings of one setting say different things.' },
  limitsContradict: { severity: 'error', title: 'Two limits of one policy cannot both hold.' },
  duplicateTarget: {
    severity: 'error',
    title: 'Two policies are for the same target; one of them would silently not act.',
  },
  duplicateGlobal: {
    severity: 'error',
    title: 'Two resources have a global policy, or a rule for unidentified archives, for one directory.',
  },
  overlappingDirectories: {
    severity: 'error',
    title: "One checkpoint directory lies inside another resource's.",
  },
  notYours: { severity: 'error', title: 'The author may not govern beyond the namespace of the resource.' },
  loosens: {
    severity: 'error',
    title: "A tenant's limit is wider than what an administrator set for the namespace.",
  },
  badCron: { severity: 'error', title: 'A cron expression cannot be read, or never comes.' },
  badTimeZone: { severity: 'error', title: 'A time zone is none that the program knows by its IANA name.' },
  badSelector: { severity: 'error', title: 'A label selector that the API server would not take.' },
  zeroNotEnforced: { severity: 'warning', title: 'A count of 0 is not enforced; it does not mean "none".' },
  nothingLimited: {
    severity: 'warning',
    title: 'The resource or a policy in it sets no limit, so it deletes nothing.',
  },
  broaderLimitDropped: {
    severity: 'warning',
    title: 'A broader policy limits what this one, which takes its place, does not.',
  },
  neverBinds: { severity: 'warning', title: 'Another limit is always reached first.' },
  noBuiltInCounts: {
    severity: 'warning',
    title:
      'The public operator would apply counts of 10, 20 and 30 here; this project applies only what is written.',
  },
  neverTriggers: { severity: 'warning', title: 'A schedule, or a trigger of it, never takes a checkpoint.' },
  noEffect: { severity: 'warning', title: 'A field has no effect here.' },
  shortInterval: {
    severity: 'warning',
    title:
      'A schedule takes checkpoints more often than once a minute, and the container stands still for each.',
  },
  overlappingSchedules: {
    severity: 'warning',
    title: 'Two schedules may checkpoint the same container at the same occasion.',
  },
  refusedByPolicy: {
    severity: 'warning',
    title: 'A policy in force refuses checkpoints, or some of those, that the schedule would take.',
  },
  floorOverruled: {
    severity: 'warning',
    title: "The floor of a schedule and a policy's limit cannot both hold.",
  },
  shortGrace: { severity: 'warning', title: 'Archives of a pod become orphans within a minute of its end.' },
} as const satisfies Readonly<Record<string, Entry>>;

export type FindingCode = keyof typeof CATALOGUE;

/** Makes a finding; the severity is the catalogue's. `value` is shown as the user wrote it, shortened. */
export function finding(
  code: FindingCode,
  field: string,
  value: unknown,
  message: string,
  remedy: string,
): Finding {
  const { severity } = CATALOGUE[code];
  return value === undefined
    ? { code, severity, field, message, remedy }
    : { code, severity, field, value: shown(value), message, remedy };
}

export function hasErrors(findings: readonly Finding[]): boolean {
  return findings.some((each) => each.severity === 'error');
}

/** One line: field, value, what is wrong, how to mend it. */
export function formatFinding(each: Finding): string {
  const value = each.value === undefined ? '' : ` = ${each.value}`;
  const about = each.field === '' ? value.replace(' = ', '') : `${each.field}${value}`;
  return `${about === '' ? '' : `${about}: `}${each.message}; ${each.remedy}`;
}

const MOST_SHOWN = 80;

/** A value from outside as JSON, shortened, without what a terminal would take for a command. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value, spelled) ?? String(value);
  const short = text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
  return short.toWellFormed().replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
}

function spelled(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

function escaped(character: string): string {
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
}
