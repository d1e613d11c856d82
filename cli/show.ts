import { basename, dirname } from 'node:path';
import type { Command } from 'commander';
import type { Inventory } from '../gc/inventory/inventory.ts';
import type { PolicySet } from '../policy/govern.ts';
import { formatBytes } from '../policy/quantity.ts';
import type { Instant } from '../policy/types.ts';
import type { Context, Output } from './context.ts';
import { EXIT, InputError, Refusal } from './errors.ts';
import { explainCommand } from './help.ts';
import { takeInventory } from './inventory.ts';
import { ageText, archiveJson, type ListedArchive, listArchive, stateWords } from './listing.ts';
import { archiveArgument, choice, patternOption, repeated } from './options.ts';
import { type Paint, paintFor } from './paint.ts';
import { type Pin, readPin } from './pin-file.ts';
import { policiesFor, readPolicies } from './policies.ts';
import { printable, printableName } from './text.ts';
import { nonEmpty } from './values.ts';

export function define(command: Command): (context: Context) => Promise<number> {
  const archive = archiveArgument(command);
  const policies = repeated(
    command,
    '--policies <path>',
    'say which policy governs it; repeatable',
    nonEmpty,
  );
  const patterns = patternOption(command);
  const format = choice(command, '-o, --output <format>', 'form of the answer', ['text', 'json']);
  explainCommand(
    command,
    `Tells whose it is, how large and how old, whether it is whole, and who holds it. Never what is in the memory.
What policy makes of it beside the others is told by plan.`,
    [
      [
        'checkpoint-warden show /var/lib/kubelet/checkpoints/checkpoint-cart_shop-main-2026-11-21T00:19:10Z.tar',
        'tells everything about it',
      ],
      [
        'checkpoint-warden show ARCHIVE --policies policies/ -o json',
        'adds the governing policy, for programs',
      ],
    ],
  );
  return async (context) => {
    const file = archive();
    const directory = dirname(file);
    const read = policies().length > 0 ? await readPolicies(policies()) : null;
    const inventory = await takeInventory(directory, patterns(), context, basename(file));
    const set = read === null ? null : policiesFor(directory, read.resources);
    const shown = await lookUp(inventory, file, set);
    const now = context.now();
    const text =
      format() === 'json'
        ? `${JSON.stringify({ apiVersion: 'checkpoint-warden/v1', directory, ...archiveJson(shown.listed), pin: shown.pin }, null, 2)}\n`
        : render(shown, directory, now, context.out);
    context.out.write(text);
    return EXIT.done;
  };
}

interface Shown {
  readonly listed: ListedArchive;
  readonly pin: Pin | null;
}

async function lookUp(inventory: Inventory, file: string, policies: PolicySet | null): Promise<Shown> {
  const name = basename(file);
  const archive = inventory.get(name);
  if (archive !== null) {
    return { listed: listArchive(inventory, archive, policies), pin: await readPin(file) };
  }
  const other = [...inventory.foreign(), ...inventory.tombstones()].find((each) => each.name === name);
  if (other === undefined) throw new InputError(`${file} does not exist`);
  throw new Refusal(`${file} is no archive: ${other.reason}`);
}

function render({ listed, pin }: Shown, directory: string, now: Instant, output: Output): string {
  const paint = paintFor(output);
  const { archive, runtime, hint, policies } = listed;
  const { identity } = archive;
  const modified = new Date(archive.modifiedAt).toISOString();
  const rows: (readonly [string, string] | false)[] = [
    ['Archive', printableName(archive.file)],
    ['Directory', printable(directory)],
    identity !== null && ['Namespace', identity.namespace],
    identity !== null && ['Pod', identity.pod],
    identity !== null && ['Pod UID', identity.podUid ?? 'none recorded'],
    identity !== null && ['Container', identity.container],
    identity === null && [
      'Identity',
      `none: ${printable(archive.unidentifiedBecause ?? 'it cannot be read')}`,
    ],
    hint !== null && ['Podman name', printable(hint)],
    ['Runtime', runtime ?? 'unknown'],
    ['Size', `${formatBytes(archive.bytes)} (${archive.bytes} bytes)`],
    ['On disk', formatBytes(archive.allocatedBytes)],
    [
      'Modified',
      `${modified} (${ageText(archive.modifiedAt, now)}${archive.modifiedAt > now ? '' : ' ago'})`,
    ],
    ['State', stateWords(listed).join(', ')],
    archive.staleTailBytes > 0 && ['Stale tail', tailText(archive.staleTailBytes, paint)],
    pin !== null && ['Pin', pinText(pin)],
    policies !== null && ['Policy', policies.join(', ') || 'none governs it, so nothing deletes it'],
  ];
  const shown = rows.filter((row) => row !== false);
  const width = Math.max(...shown.map(([label]) => label.length));
  return shown.map(([label, text]) => `${paint('bold', label.padEnd(width))}   ${text}\n`).join('');
}

function tailText(bytes: number, paint: Paint): string {
  return paint(
    'red',
    `${formatBytes(bytes)} behind the end marker, possibly another tenant's memory (spec.tainted: Delete removes such archives)`,
  );
}

function pinText({ managedBy, note, createdAt, owners }: Pin): string {
  const parts = [
    managedBy === null ? 'made by hand' : `kept by ${managedBy}`,
    createdAt !== null && `since ${createdAt}`,
    owners.length > 0 && `for ${owners.join(', ')}`,
    note !== null && `«${note}»`,
  ];
  return printable(parts.filter((part) => part !== false).join(', '));
}
