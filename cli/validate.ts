import type { Command } from 'commander';
import { counted } from '../policy/count.ts';
import { formatFinding } from '../policy/findings.ts';
import { resourceKey } from '../policy/govern.ts';
import type { Finding, PolicyResource } from '../policy/types.ts';
import type { Problem } from '../source/source.ts';
import type { Context } from './context.ts';
import { emptyFolders, noPolicyFiles } from './empty-folders.ts';
import { EXIT } from './errors.ts';
import { explainCommand } from './help.ts';
import { choice } from './options.ts';
import { type Paint, paintFor } from './paint.ts';
import { hasErrors, readPoliciesAndSchedules } from './policies.ts';
import { printable } from './text.ts';
import { nonEmpty } from './values.ts';

/** Of the errors, and of the warnings, of one resource; more would fill a terminal. `-o json` has all. */
const MOST_LINES = 50;

const EXPLANATION = `
Finds the same as the API server's webhook does at kubectl apply, offline: all of it in one go, conflicts between
the files included. A file may hold several resources; a folder stands for its YAML and JSON files.
✗ is an error: the resource would be refused. ! is a warning: it would be let in, and its author told.
A file's word counts as an administrator's, who may govern every namespace. Schedules are judged beside the policies.

A folder without such files is told on stderr; there is nothing wrong in it, and nothing is in force by it.

Exit codes: 0 sound, warnings allowed; 1 refused; 2 wrong call.`;

export function define(command: Command): (context: Context) => Promise<number> {
  command.argument('<file...>', 'YAML or JSON files of policies and schedules, or folders of them');
  const format = choice(command, '-o, --output <format>', 'form of the answer', ['text', 'json']);
  explainCommand(command, EXPLANATION, [
    ['checkpoint-warden validate examples/team-quota.yaml', 'says that it is sound'],
    ['checkpoint-warden validate policies/ && kubectl apply -f policies/', 'applies only what is sound'],
    ['checkpoint-warden validate -o json policies/ | jq -r .findings[].field', 'lists the fields to mend'],
  ]);
  return (context) => validate(command.args.map(nonEmpty), format(), context);
}

async function validate(
  paths: readonly string[],
  format: 'text' | 'json',
  { out, err }: Context,
): Promise<number> {
  const { resources, schedules, problems } = await readPoliciesAndSchedules(paths);
  const empty = await emptyFolders(paths);
  for (const folder of empty) err.write(`checkpoint-warden: ${printable(noPolicyFiles(folder))}\n`);
  const isNothing = empty.length === paths.length;
  if (format === 'json') out.write(`${JSON.stringify(findingsJson(problems), null, 2)}\n`);
  else if (!isNothing) out.write(renderProblems(problems, [...resources, ...schedules], paintFor(out)));
  // What could not be read was not judged.
  if (problems.some(({ finding }) => finding.code === 'unreadableFile')) return EXIT.wrongCall;
  return hasErrors(problems) ? EXIT.refused : EXIT.done;
}

/** `validate -o json`: a form that other programs hold on to. */
function findingsJson(problems: readonly Problem[]): unknown {
  return {
    findings: problems.map(({ file, resource, finding }) => ({
      file: file ?? null,
      resource,
      severity: finding.severity,
      code: finding.code,
      field: finding.field,
      message: finding.message,
      remedy: finding.remedy,
    })),
  };
}

/** Each file, each of its resources, each finding on a line; at last the sum. */
export function renderProblems(
  problems: readonly Problem[],
  resources: readonly Pick<PolicyResource, 'reference'>[],
  paint: Paint,
): string {
  const files = new Map<string, Map<string, Finding[]>>();
  const entry = ({ file = '', resource }: Pick<Problem, 'file' | 'resource'>): Finding[] => {
    const inFile = files.get(file) ?? new Map<string, Finding[]>();
    files.set(file, inFile);
    const findings = inFile.get(resource) ?? [];
    inFile.set(resource, findings);
    return findings;
  };
  for (const { reference } of resources) {
    const { file } = reference;
    entry({ ...(file !== undefined && { file }), resource: resourceKey(reference) });
  }
  for (const problem of problems) entry(problem).push(problem.finding);

  const lines: string[] = [];
  for (const [file, inFile] of files) {
    lines.push(paint('bold', printable(file)));
    for (const [resource, findings] of inFile) {
      const verdict = findings.some(({ severity }) => severity === 'error')
        ? ''
        : paint('green', ' is sound');
      if (resource !== '') lines.push(`  ${printable(resource)}${verdict}`);
      lines.push(...findingLines(findings, paint).map((line) => `    ${line}`));
    }
  }
  lines.push(summary(problems, resources.length, paint));
  return `${lines.join('\n')}\n`;
}

/** The first of the errors and of the warnings, in their order, and how many more there are. */
function findingLines(findings: readonly Finding[], paint: Paint): string[] {
  const counts = { error: 0, warning: 0 };
  const shown = findings.filter(({ severity }) => {
    counts[severity] += 1;
    return counts[severity] <= MOST_LINES;
  });
  const more = (['error', 'warning'] as const)
    .filter((severity) => counts[severity] > MOST_LINES)
    .map(
      (severity) => `… and ${counted(counts[severity] - MOST_LINES, `more ${severity}`)}; -o json shows all`,
    );
  return [...shown.map((finding) => findingLine(finding, paint)), ...more];
}

/** `✗ spec.podPolicies[0].maxCheckpoints = -1: must be at least 0; …` */
export function findingLine(finding: Finding, paint: Paint): string {
  const sign = finding.severity === 'error' ? paint('red', '✗') : paint('yellow', '!');
  return `${sign} ${printable(formatFinding(finding))}`;
}

function summary(problems: readonly Problem[], resources: number, paint: Paint): string {
  const errors = problems.filter(({ finding }) => finding.severity === 'error').length;
  const told = [
    counted(resources, 'resource'),
    counted(errors, 'error'),
    counted(problems.length - errors, 'warning'),
  ].join(', ');
  return `${told}: ${errors > 0 ? paint('red', 'refused') : paint('green', 'sound')}`;
}
