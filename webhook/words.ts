import { counted } from '../policy/count.ts';
import { formatFinding } from '../policy/findings.ts';
import { KIND } from '../policy/schema.ts';
import type { Finding } from '../policy/types.ts';

/** More would fill a terminal; `checkpoint-warden validate -o json` shows all. */
const MOST_LINES = 50;
/** Characters; field names come from outside and can be of any length. */
const LONGEST_LINE = 1_000;
/** The API server cuts a warning behind this many characters. */
const LONGEST_WARNING = 256;
/** Of the 4096 characters that the API server lets through in all; the rest is for the other webhook. */
const MOST_WARNING_CHARACTERS = 3_500;
const LONGEST_FIELD_REPEATED = 100;
const SHOWS_ALL = 'checkpoint-warden validate -o json FILE shows all';

/** One line for one finding, whatever its field is called. */
export function findingLine(finding: Finding): string {
  return cut(printable(formatFinding(finding)), LONGEST_LINE);
}

/** What a refused author reads: a summary, then a line for each finding. `name` is `team-a/quotas`. */
export function denial(name: string, errors: readonly Finding[], kind = KIND): string {
  const lines = errors.slice(0, MOST_LINES).map(findingLine);
  if (errors.length > MOST_LINES) {
    lines.push(`… and ${moreOf(errors.length - MOST_LINES, 'error')}; ${SHOWS_ALL}`);
  }
  return [`${counted(errors.length, 'error')} in ${kind.toLowerCase()} ${printable(name)}:`, ...lines].join(
    '\n',
  );
}

/**
 * Findings as the API server lets warnings through: without control characters, no two alike, at most 256
 * characters each. A long one goes on in the next, behind its field.
 */
export function warningsOf(findings: readonly Finding[]): string[] {
  const warnings: string[] = [];
  let total = 0;
  for (const [index, finding] of findings.entries()) {
    const parts = warningParts(findingLine(finding), finding.field);
    const length = parts.reduce((sum, part) => sum + characters(part), 0);
    if (total + length > MOST_WARNING_CHARACTERS) {
      warnings.push(`… and ${moreOf(findings.length - index, 'warning')}; ${SHOWS_ALL}`);
      break;
    }
    warnings.push(...parts);
    total += length;
  }
  return warnings;
}

/** `9,980 more errors`. */
function moreOf(count: number, noun: string): string {
  return counted(count, `more ${noun}`);
}

/** Parts of at most 256 characters, cut between words. */
export function warningParts(line: string, field: string): string[] {
  const again = `${cut(printable(field), LONGEST_FIELD_REPEATED)} …: `;
  const parts: string[] = [];
  let rest = Array.from(printable(line));
  let prefix = '';
  while (characters(prefix) + rest.length > LONGEST_WARNING) {
    const room = LONGEST_WARNING - characters(prefix) - 2;
    const space = rest.lastIndexOf(' ', room);
    const end = space > room / 2 ? space : room;
    parts.push(`${prefix}${rest.slice(0, end).join('')} …`);
    rest = rest.slice(rest[end] === ' ' ? end + 1 : end);
    prefix = again;
  }
  parts.push(prefix + rest.join(''));
  return parts;
}

/** The API server drops a warning that holds a control character or half a surrogate pair. */
function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(/\p{Cc}/gu, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text.slice(0, most - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

function characters(text: string): number {
  return Array.from(text).length;
}
