import type { Runtime } from '../gc/archive/identity.ts';
import type { Inventory } from '../gc/inventory/inventory.ts';
import type { OtherFile } from '../gc/inventory/other-files.ts';
import { formatDuration } from '../policy/duration.ts';
import { type PolicySet, scopeLabel } from '../policy/govern.ts';
import { formatBytes } from '../policy/quantity.ts';
import type { Archive, Instant } from '../policy/types.ts';
import type { Column } from './table.ts';
import { printable, printableName } from './text.ts';

/** One archive as people and programs are told of it. */
export interface ListedArchive {
  readonly archive: Archive;
  readonly runtime: Runtime | null;
  /** What podman called the container, where there is no identity. Proves nothing. */
  readonly hint: string | null;
  /** The governing policies, the administrator's first; null when nobody asked for them. */
  readonly policies: readonly string[] | null;
}

/** All archives by whose they are, then the oldest first; those without identity last. */
export function listArchives(inventory: Inventory, policies: PolicySet | null): ListedArchive[] {
  const listed = Array.from(inventory.archives(), (archive) => listArchive(inventory, archive, policies));
  const keys = new Map(listed.map((each) => [each, sortKey(each.archive)]));
  return listed.sort((one, other) => compare(keys.get(one) ?? '', keys.get(other) ?? ''));
}

export function listArchive(
  inventory: Inventory,
  archive: Archive,
  policies: PolicySet | null,
): ListedArchive {
  return {
    archive,
    ...inventory.details(archive.file),
    policies: policies === null ? null : governingLabels(archive, policies),
  };
}

function governingLabels({ identity }: Archive, policies: PolicySet): string[] {
  if (identity === null) return [];
  const { administrator, tenant } = policies.governing(identity);
  return [administrator, tenant].flatMap((rule) => (rule === null ? [] : scopeLabel(rule.scope)));
}

/** Names hold no NUL. Behind every identity come those without one. */
function sortKey({ identity, modifiedAt, file }: Archive): string {
  const whose =
    identity === null ? '\uffff' : `${identity.namespace}\0${identity.pod}\0${identity.container}`;
  return `${whose}\0${String(modifiedAt).padStart(16, '0')}\0${file}`;
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** What is to be said of an archive in a word or two. */
export function stateWords({ archive }: ListedArchive): string[] {
  const words = [
    archive.state !== 'complete' && archive.state,
    archive.state === 'complete' && archive.identity === null && 'unidentified',
    archive.pinned && 'pinned',
    archive.staleTailBytes > 0 && 'tainted',
  ].filter((word) => word !== false);
  return words.length > 0 ? words : ['ok'];
}

/** Age for people; a time in the future is said. */
export function ageText(modifiedAt: Instant, now: Instant): string {
  return modifiedAt > now ? 'future' : formatDuration(Math.floor((now - modifiedAt) / 1000) * 1000);
}

export function archiveJson(listed: ListedArchive): Record<string, unknown> {
  const { archive, runtime, hint, policies } = listed;
  const { identity } = archive;
  return {
    archive: archive.file,
    namespace: identity?.namespace ?? null,
    pod: identity?.pod ?? null,
    container: identity?.container ?? null,
    podUid: identity?.podUid ?? null,
    runtime,
    bytes: archive.bytes,
    allocatedBytes: archive.allocatedBytes,
    modified: new Date(archive.modifiedAt).toISOString(),
    state: archive.state,
    pinned: archive.pinned,
    tainted: archive.staleTailBytes > 0,
    staleTailBytes: archive.staleTailBytes,
    unidentifiedBecause: archive.unidentifiedBecause ?? null,
    ...(hint !== null && { podmanName: hint }),
    ...(policies !== null && { policies }),
  };
}

/** By name, for a listing that is the same each time. */
export function byName(files: readonly OtherFile[]): OtherFile[] {
  return [...files].sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** What is there and is no archive. */
export const FOREIGN_COLUMNS: readonly Column<OtherFile>[] = [
  { title: 'FOREIGN', cell: ({ name }) => printableName(name) },
  { title: 'SIZE', right: true, cell: ({ bytes }) => formatBytes(bytes) },
  { title: 'REASON', sentence: true, cell: ({ reason }) => printable(reason) },
];
