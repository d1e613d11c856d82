import type { Command } from 'commander';
import type { ListedCheckpoint } from '../../kube/checkpoints.ts';
import { formatBytes } from '../../policy/quantity.ts';
import type { Instant } from '../../policy/types.ts';
import type { Context, Output } from '../context.ts';
import { EXIT, UsageError } from '../errors.ts';
import { callOf, explainCommand } from '../help.ts';
import { paintFor } from '../paint.ts';
import { type Column, renderTable } from '../table.ts';
import { printable, printableName } from '../text.ts';
import { age, verdictColour, verdictText } from './columns.ts';
import { encode } from './encode.ts';
import { type GoverningPolicy, governingPolicies } from './governing.ts';
import { type Format, formatOption, namesText } from './output.ts';
import { namesOf, namespacedOptions } from './session.ts';

const EXPLANATION = `
Tells of one archive which policy governs it and why, what its node's plan says of it, and how its siblings stand: the
archives that the same container left, the newest first. It takes the right to get and list checkpoints; who may list
checkpointrestoreoperators as well is told the limits of the policy.`;

export function define(command: Command): (context: Context) => Promise<number> {
  command.argument('<name>', 'name of a checkpoint, as kubectl checkpoint ls shows it');
  const open = namespacedOptions(command);
  const format = formatOption(command);
  const call = callOf(command);
  explainCommand(command, EXPLANATION, [
    [`${call} cart-main-7x2k -n shop`, 'tells why an archive is kept, or will go'],
    [`${call} cart-main-7x2k -n shop -o json | jq .policies`, 'tells by which policies, for programs'],
  ]);
  return (context) =>
    open(context, async ({ client, checkpoints, namespace, warn }) => {
      const [name] = namesOf(command);
      if (name === undefined) throw new UsageError('explain needs the NAME of a checkpoint');
      const checkpoint = await checkpoints.get(namespace, name);
      const fieldSelector = `spec.podName=${checkpoint.pod},spec.containerName=${checkpoint.container}`;
      const [{ items }, policies] = await Promise.all([
        checkpoints.list({ namespace, fieldSelector }, warn),
        governingPolicies(client, checkpoint),
      ]);
      const siblings = [...items].sort((one, other) => (other.createdAt ?? 0) - (one.createdAt ?? 0));
      const explained: Explained = { checkpoint, siblings, policies, now: context.now() };
      context.out.write(shown(explained, format(), context.out));
      return EXIT.done;
    });
}

export interface Explained {
  readonly checkpoint: ListedCheckpoint;
  /** The archive itself among them, the newest first. */
  readonly siblings: readonly ListedCheckpoint[];
  /** Null where they may not be read. */
  readonly policies: readonly GoverningPolicy[] | null;
  readonly now: Instant;
}

function shown(explained: Explained, format: Format, out: Output): string {
  const { checkpoint, siblings, policies } = explained;
  if (format === 'name') return namesText([checkpoint]);
  if (format === 'json' || format === 'yaml') {
    const others = siblings.map(({ object }) => object);
    const content = { checkpoint: checkpoint.object, policies, siblings: others };
    return encode({ apiVersion: 'checkpoint-warden/v1', ...content }, format);
  }
  return renderExplanation(explained, out);
}

export function renderExplanation({ checkpoint, siblings, policies, now }: Explained, out: Output): string {
  const paint = paintFor(out);
  const { name, namespace, pod, container, node, archive, bytes, verdict, pinned, tainted } = checkpoint;
  const facts: (readonly [string, string])[] = [
    ['Name', printableName(name)],
    ['Container', printableName(`${namespace}/${pod}/${container}`)],
    ['Archive', `${printableName(archive)} on ${printableName(node)}`],
    ['Size', formatBytes(bytes)],
    ['Age', age(checkpoint, now)],
    ['Policy', policyText(checkpoint, policies)],
    ...(policies ?? []).map((each) => ['', policyLine(each)] as const),
    ['Verdict', paintVerdict()],
    ['Reason', printable(verdict?.reason || 'its node has not told one')],
  ];
  if (tainted)
    facts.push(['Tainted', 'it has bytes behind its end marker, possibly the memory of another tenant']);
  function paintVerdict(): string {
    const colour = verdictColour(checkpoint);
    return colour === null ? verdictText(checkpoint) : paint(colour, verdictText(checkpoint));
  }
  const width = Math.max(...facts.map(([key]) => key.length)) + 2;
  const head = facts.map(([key, value]) => `${key === '' ? '' : `${key}:`}`.padEnd(width) + value).join('\n');
  const table = renderTable(siblingColumns(name, now), siblings, out);
  return `${head}\n\nSiblings, the newest first:\n${table}\n${nextStep(name, namespace, pinned)}\n`;
}

function policyText({ policy }: ListedCheckpoint, policies: readonly GoverningPolicy[] | null): string {
  if (policy === null) return 'none governs it';
  return policies === null ? `${printable(policy)} (what it limits may not be read)` : printable(policy);
}

function policyLine({ resource, field, authority, limits }: GoverningPolicy): string {
  const whose = authority === 'tenant' ? ", the namespace's own" : '';
  return printable(
    `CheckpointRestoreOperator ${resource}, ${field}${whose}: ${limits.join(', ') || 'sets no limit'}`,
  );
}

function nextStep(name: string, namespace: string, pinned: boolean): string {
  const call = (word: string) =>
    `kubectl checkpoint ${word} ${printableName(name)} -n ${printableName(namespace)}`;
  return pinned ? `To let it go: ${call('unpin')}` : `To hold it, whatever a policy says: ${call('pin')}`;
}

function siblingColumns(own: string, now: Instant): readonly Column<ListedCheckpoint>[] {
  return [
    { title: '', cell: ({ name }) => (name === own ? '*' : '') },
    { title: 'NAME', cell: ({ name }) => printableName(name) },
    { title: 'NODE', cell: ({ node }) => printableName(node) },
    { title: 'SIZE', right: true, cell: ({ bytes }) => formatBytes(bytes) },
    { title: 'AGE', right: true, cell: (row) => age(row, now) },
    { title: 'VERDICT', cell: verdictText, colour: verdictColour },
    { title: 'REASON', cell: ({ verdict }) => printable(verdict?.reason ?? ''), sentence: true },
  ];
}
