import type { Command } from 'commander';
import type { Totals } from '../gc/inventory/inventory.ts';
import type { OtherFile } from '../gc/inventory/other-files.ts';
import { counted, formatCount } from '../policy/count.ts';
import { formatBytes } from '../policy/quantity.ts';
import type { Instant } from '../policy/types.ts';
import type { Context, Output } from './context.ts';
import { EXIT } from './errors.ts';
import { explainCommand } from './help.ts';
import { takeInventory } from './inventory.ts';
import {
  ageText,
  archiveJson,
  byName,
  FOREIGN_COLUMNS,
  type ListedArchive,
  listArchives,
  stateWords,
} from './listing.ts';
import { choice, directoryOption, patternOption, repeated } from './options.ts';
import { type Colour, paintFor } from './paint.ts';
import { policiesFor, readPolicies } from './policies.ts';
import { type Column, renderTable } from './table.ts';
import { printable, printableName } from './text.ts';
import { nonEmpty } from './values.ts';

const EXPLANATION = `
Reads whose memory each archive holds out of the archive itself; names prove nothing. What is there and is no
archive (links, directories, other names) is listed as foreign, with the reason; nothing ever deletes it.

STATE  growing       may still be written
       pinned        ARCHIVE.keep holds it
       tainted       has bytes behind its end marker, possibly another tenant's memory
       unidentified  its pod cannot be read from it; only spec.unidentified deletes such archives

Control characters in names are shown as \\n, \\x1b, \\u{202e}.`;

export function define(command: Command): (context: Context) => Promise<number> {
  const directory = directoryOption(command);
  const policies = repeated(
    command,
    '--policies <path>',
    'add the policy that governs each; repeatable',
    nonEmpty,
  );
  const patterns = patternOption(command);
  const format = choice(command, '-o, --output <format>', 'form of the answer', ['table', 'wide', 'json']);
  explainCommand(command, EXPLANATION, [
    ['checkpoint-warden ls --directory /var/lib/kubelet/checkpoints', 'lists what is there'],
    ["checkpoint-warden ls --directory /srv/exports --pattern '*.tar.*'", "lists podman's exports"],
    [
      "checkpoint-warden ls --directory DIR -o json | jq '.archives[] | select(.tainted)'",
      'finds archives with a foreign tail',
    ],
  ]);
  return async (context) => {
    const where = directory();
    const read = policies().length > 0 ? await readPolicies(policies()) : null;
    const inventory = await takeInventory(where, patterns(), context);
    const set = read === null ? null : policiesFor(where, read.resources);
    const archives = listArchives(inventory, set);
    const others = { foreign: byName(inventory.foreign()), tombstones: byName(inventory.tombstones()) };
    const listing = { directory: where, now: context.now(), archives, ...others, totals: inventory.totals() };
    const text =
      format() === 'json'
        ? `${JSON.stringify(listingJson(listing), null, 2)}\n`
        : renderListing(listing, format() === 'wide', context.out);
    context.out.write(text);
    return EXIT.done;
  };
}

interface Listing {
  readonly directory: string;
  readonly now: Instant;
  readonly archives: readonly ListedArchive[];
  readonly foreign: readonly OtherFile[];
  readonly tombstones: readonly OtherFile[];
  readonly totals: Totals;
}

function listingJson(listing: Listing): unknown {
  return {
    apiVersion: 'checkpoint-warden/v1',
    directory: listing.directory,
    now: new Date(listing.now).toISOString(),
    archives: listing.archives.map(archiveJson),
    foreign: listing.foreign.map(({ name, bytes, reason }) => ({ name, bytes, reason })),
    tombstones: listing.tombstones.map(({ name, bytes }) => ({ name, bytes })),
    totals: listing.totals,
  };
}

export function renderListing(listing: Listing, isWide: boolean, output: Output): string {
  const { archives, foreign, tombstones, totals, now } = listing;
  const identified = archives.filter(({ archive }) => archive.identity !== null);
  const rest = archives.filter(({ archive }) => archive.identity === null);
  const parts: string[] = [];
  if (identified.length > 0) parts.push(renderTable(columns(identified, now, isWide), identified, output));
  if (rest.length > 0) parts.push(renderTable(unidentifiedColumns(now), rest, output));
  const files = [...foreign, ...tombstones];
  if (files.length > 0) parts.push(renderTable(FOREIGN_COLUMNS, files, output));
  const dim = paintFor(output);
  parts.push(dim('dim', `${totalsText(totals)} in ${printable(listing.directory)}`).concat('\n'));
  return parts.join('\n');
}

function columns(
  rows: readonly ListedArchive[],
  now: Instant,
  isWide: boolean,
): readonly Column<ListedArchive>[] {
  const whose = (key: 'namespace' | 'pod' | 'container') => (row: ListedArchive) =>
    row.archive.identity?.[key] ?? '';
  const all: (Column<ListedArchive> | false)[] = [
    NAME,
    { title: 'NAMESPACE', cell: whose('namespace') },
    { title: 'POD', cell: whose('pod') },
    { title: 'CONTAINER', cell: whose('container') },
    { title: 'RUNTIME', cell: (row) => row.runtime ?? '' },
    SIZE,
    { title: 'AGE', right: true, cell: (row) => ageText(row.archive.modifiedAt, now) },
    STATE,
    rows.some(({ policies }) => policies !== null) && {
      title: 'POLICY',
      cell: (row) => row.policies?.join(',') || 'none',
    },
    isWide && { title: 'POD UID', cell: (row) => row.archive.identity?.podUid ?? '' },
    isWide && { title: 'ON DISK', right: true, cell: (row) => formatBytes(row.archive.allocatedBytes) },
    isWide && { title: 'MODIFIED', cell: (row) => new Date(row.archive.modifiedAt).toISOString() },
  ];
  return all.filter((column) => column !== false);
}

const NAME: Column<ListedArchive> = { title: 'ARCHIVE', cell: ({ archive }) => printableName(archive.file) };
const SIZE: Column<ListedArchive> = {
  title: 'SIZE',
  right: true,
  cell: ({ archive }) => formatBytes(archive.bytes),
};
const STATE: Column<ListedArchive> = {
  title: 'STATE',
  cell: (row) => stateWords(row).join(','),
  colour: stateColour,
};

function stateColour(row: ListedArchive): Colour | null {
  const words = stateWords(row);
  if (words.includes('tainted')) return 'red';
  if (words.includes('unidentified')) return 'yellow';
  return words.includes('pinned') ? 'cyan' : null;
}

function unidentifiedColumns(now: Instant): readonly Column<ListedArchive>[] {
  return [
    { ...NAME, title: 'WITHOUT IDENTITY' },
    SIZE,
    { title: 'AGE', right: true, cell: ({ archive }) => ageText(archive.modifiedAt, now) },
    STATE,
    {
      title: 'REASON',
      sentence: true,
      cell: ({ archive, hint }) => reasonOf(archive.unidentifiedBecause ?? '', hint),
    },
  ];
}

function reasonOf(because: string, hint: string | null): string {
  return printable(hint === null ? because : `${because}; podman called it ${hint}`);
}

function totalsText(totals: Totals): string {
  const of = (count: number, word: string) => (count > 0 ? `${formatCount(count)} ${word}` : false);
  const kinds = [
    of(totals.growing, 'growing'),
    of(totals.pinned, 'pinned'),
    of(totals.tainted, 'tainted'),
    of(totals.unidentified, 'unidentified'),
  ].filter(Boolean);
  const archives = `${counted(totals.archives, 'archive')}, ${formatBytes(totals.bytes)}`;
  const foreign = `${counted(totals.foreignFiles, 'foreign file')}, ${formatBytes(totals.foreignBytes)}`;
  return [
    kinds.length > 0 ? `${archives} (${kinds.join(', ')})` : archives,
    totals.foreignFiles > 0 && foreign,
    totals.tombstones > 0 && `${counted(totals.tombstones, 'deletion')} under way`,
  ]
    .filter(Boolean)
    .join('; ');
}
