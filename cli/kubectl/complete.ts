import { Command, type Option } from 'commander';
import { checkpointsOf } from '../../kube/checkpoints.ts';
import { createClient, type KubeClient } from '../../kube/client.ts';
import { contextNames } from '../../kube/kubeconfig.ts';
import { listObjects, objectsAt, textAt } from '../../kube/objects.ts';
import { findAccess, kubeconfigFiles } from '../cluster-access.ts';
import { DOCTOR_FORMATS } from '../doctor.ts';
import type { Entry } from '../program.ts';
import { printable } from '../text.ts';
import { SORT_KEYS } from './order.ts';
import { FORMATS } from './output.ts';
import { PLUGIN } from './program.ts';
import { GROUPS, TOP_FORMATS } from './top.ts';

/** What a shell does with the choices, by the numbers of cobra's ShellCompDirective. */
const FILES = 0;
const NO_FILES = 4;

/** A person waits with his finger on the key. */
const TIMEOUT_MS = 3_000;
/** More choices than this help nobody. */
const MOST = 500;

type Choice = string | readonly [choice: string, description: string];

interface Choices {
  readonly choices: readonly Choice[];
  readonly directive: number;
}

/**
 * What may stand in the place of the last word, in kubectl's protocol for plugins: a choice a line, a tab before its
 * description, and a directive for the shell at the end. Whatever fails yields no choices, for there is nowhere to tell.
 *
 * @param words what stands behind `kubectl checkpoint`; the last one is being typed, and may be empty
 */
export async function complete(words: readonly string[]): Promise<string> {
  const { choices, directive } = await choicesFor(words).catch(
    (): Choices => ({ choices: [], directive: NO_FILES }),
  );
  const typed = words.at(-1) ?? '';
  const lines = choices
    .filter((each) => nameOf(each).startsWith(typed))
    .slice(0, MOST)
    .map((each) => (typeof each === 'string' ? each : each.join('\t')));
  return [...lines, `:${directive}`].join('\n').concat('\n');
}

function nameOf(choice: Choice): string {
  return typeof choice === 'string' ? choice : choice[0];
}

async function choicesFor(words: readonly string[]): Promise<Choices> {
  const [before, typed] = [words.slice(0, -1), words.at(-1) ?? ''];
  const at = before.findIndex((each) => !each.startsWith('-'));
  const entry = PLUGIN.commands.find(({ name }) => name === before[at]);
  if (at === -1) return only(PLUGIN.commands.map(({ name, summary }) => [name, summary] as const));
  if (entry === undefined) return only([]);
  const options = await optionsOf(entry);
  const line = readLine(before.slice(at + 1), options);
  if (line.awaiting !== null) return valuesOf(line.awaiting, entry.name, line);
  const [, flag, value] = /^(--[a-z-]+)=(.*)$/s.exec(typed) ?? [];
  const awaited = flag === undefined ? undefined : options.find(({ long }) => long === flag);
  if (awaited !== undefined && value !== undefined) {
    const { choices, directive } = await valuesOf(awaited, entry.name, line);
    return { choices: choices.map((each) => `${flag}=${nameOf(each)}`), directive };
  }
  if (typed.startsWith('-')) return only(options.flatMap(flagsOf));
  return only(await argumentsOf(entry.name, line));
}

function only(choices: readonly Choice[]): Choices {
  return { choices, directive: NO_FILES };
}

async function optionsOf({ name, load }: Entry): Promise<readonly Option[]> {
  const parent = new Command(PLUGIN.name);
  const command = parent.command(name);
  (await load()).define(command);
  return command.options;
}

function flagsOf({ long, description }: Option): readonly Choice[] {
  return long === undefined || long === null ? [] : [[long, description]];
}

/** What stands in a call so far. */
interface Line {
  readonly values: ReadonlyMap<string, string>;
  readonly words: readonly string[];
  /** The option whose value comes next. */
  readonly awaiting: Option | null;
}

function readLine(words: readonly string[], options: readonly Option[]): Line {
  const values = new Map<string, string>();
  const plain: string[] = [];
  let awaiting: Option | null = null;
  for (const word of words) {
    if (awaiting !== null) {
      values.set(awaiting.long ?? '', word);
      awaiting = null;
      continue;
    }
    const [, flag = word, value] = /^(--[a-z-]+)=(.*)$/s.exec(word) ?? [];
    const option = options.find(({ long, short }) => flag === long || flag === short);
    if (option === undefined) {
      if (!word.startsWith('-')) plain.push(word);
    } else if (value !== undefined || !option.required) values.set(option.long ?? '', value ?? '');
    else awaiting = option;
  }
  return { values, words: plain, awaiting };
}

/** Values of an option. */
async function valuesOf({ long }: Option, command: string, line: Line): Promise<Choices> {
  switch (long) {
    case '--output':
      return only(command === 'doctor' ? DOCTOR_FORMATS : command === 'top' ? TOP_FORMATS : FORMATS);
    case '--kubeconfig':
      return { choices: [], directive: FILES };
    case '--context':
      return only(await contextNames(kubeconfigFiles(line.values.get('--kubeconfig'))));
    case '--namespace':
      return only(await withClient(line, (client) => namesOf(client, '/api/v1/namespaces')));
    case '--container':
      return only(await withClient(line, (client, namespace) => containersOf(client, namespace, line)));
    case '--sort-by':
      return only(SORT_KEYS);
    case '--by':
      return only(GROUPS);
    case '--selector':
      return only(['checkpoint.criu.org/pinned=true']);
    case '--field-selector':
      return only(['spec.podName=', 'spec.containerName=', 'spec.nodeName=', 'metadata.name=']);
    default:
      return only([]);
  }
}

async function argumentsOf(command: string, line: Line): Promise<readonly Choice[]> {
  if (command === 'create' && line.words.length === 0) {
    return withClient(line, (client, namespace) => namesOf(client, podsPath(namespace)));
  }
  const takesOne = command === 'explain' && line.words.length === 0;
  if (!takesOne && command !== 'pin' && command !== 'unpin') return [];
  const isFitting = ({ pinned }: { readonly pinned: boolean }) =>
    command === 'explain' || pinned === (command === 'unpin');
  return withClient(line, async (client, namespace) => {
    const { items } = await checkpointsOf(client).list({ namespace });
    return items
      .filter((each) => isFitting(each) && !line.words.includes(each.name))
      .map(({ name, pod, container, node }) => [name, printable(`${pod}/${container} on ${node}`)] as const);
  });
}

function podsPath(namespace: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
}

async function namesOf(client: KubeClient, path: string): Promise<readonly Choice[]> {
  return (await listObjects(client, path)).items.map((each) => textAt(each, 'metadata', 'name'));
}

async function containersOf(
  client: KubeClient,
  namespace: string,
  { words }: Line,
): Promise<readonly Choice[]> {
  const [pod = ''] = words;
  const found = await client.request({ path: `${podsPath(namespace)}/${encodeURIComponent(pod)}` });
  return objectsAt(found, 'spec', 'containers').map((each) => textAt(each, 'name'));
}

/** A client for the cluster and namespace that the call names so far. */
async function withClient<T>(
  { values }: Line,
  use: (client: KubeClient, namespace: string) => Promise<T>,
): Promise<T> {
  const access = await findAccess(values.get('--kubeconfig'), values.get('--context'));
  const user = values.get('--as');
  const impersonate = user === undefined ? access.impersonate : { 'Impersonate-User': user };
  const client = await createClient({ access: { ...access, impersonate }, timeoutMs: TIMEOUT_MS });
  const giveUp = setTimeout(() => client.close(), TIMEOUT_MS);
  try {
    return await use(client, values.get('--namespace') ?? access.namespace ?? 'default');
  } finally {
    clearTimeout(giveUp);
    client.close();
  }
}
