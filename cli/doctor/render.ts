import type { Instant } from '../../policy/types.ts';
import type { Output } from '../context.ts';
import { type Colour, paintFor } from '../paint.ts';
import { type Column, renderTable } from '../table.ts';
import { printable } from '../text.ts';
import type { Check, Verdict } from './check.ts';

const COLOURS: Readonly<Record<Verdict, Colour>> = {
  ok: 'green',
  warn: 'yellow',
  fail: 'red',
  unknown: 'cyan',
};

const COLUMNS: readonly Column<Check>[] = [
  { title: 'VERDICT', cell: ({ verdict }) => verdict, colour: ({ verdict }) => COLOURS[verdict] },
  { title: 'CHECK', cell: ({ name }) => name },
  { title: 'FINDING', cell: ({ message }) => printable(message), sentence: true },
];

const REMEDIES: readonly Column<Check>[] = [
  { title: 'CHECK', cell: ({ name }) => name },
  { title: 'REMEDY', cell: ({ remedy }) => printable(remedy ?? ''), sentence: true },
];

/** For people: what was found, then what to do about it. */
export function renderChecks(checks: readonly Check[], output: Output, isWide = false): string {
  const ill = checks.filter(({ remedy }) => remedy !== null);
  const parts = [renderTable(COLUMNS, checks, output)];
  if (ill.length > 0) parts.push(renderTable(REMEDIES, ill, output));
  const counted = checks.filter(({ details }) => details.length > 0);
  if (isWide && counted.length > 0) parts.push(detailsOf(counted, output));
  const sums = (['ok', 'warn', 'fail', 'unknown'] as const).flatMap((verdict) => {
    const count = checks.filter((each) => each.verdict === verdict).length;
    return count === 0 ? [] : [paintFor(output)(COLOURS[verdict], `${count} ${verdict}`)];
  });
  parts.push(`${sums.join(', ')}\n`);
  return parts.join('\n');
}

/** Whom and what the findings count, one a line. */
function detailsOf(checks: readonly Check[], output: Output): string {
  const paint = paintFor(output);
  const block = ({ name, details }: Check) =>
    [paint('bold', name), ...details.map((each) => `  ${printable(each)}`)].join('\n');
  return `${checks.map(block).join('\n')}\n`;
}

/** For programs. */
export function checksJson(checks: readonly Check[], now: Instant): unknown {
  return { apiVersion: 'checkpoint-warden/v1', now: new Date(now).toISOString(), checks };
}
