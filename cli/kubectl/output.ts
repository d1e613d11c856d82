import type { Command } from 'commander';
import type { ListedCheckpoint } from '../../kube/checkpoints.ts';
import type { JsonObject } from '../../policy/json.ts';
import { choice } from '../options.ts';
import { encode } from './encode.ts';
import { resourceName } from './session.ts';

/** As kubectl's. */
export const FORMATS = ['table', 'wide', 'json', 'yaml', 'name'] as const;
export type Format = (typeof FORMATS)[number];

export function formatOption(command: Command): () => Format {
  return choice(command, '-o, --output <format>', 'form of the answer', FORMATS);
}

/** Objects as kubectl prints a list of them. */
export function listOf(items: readonly ListedCheckpoint[]): JsonObject {
  return { apiVersion: 'v1', kind: 'List', metadata: {}, items: items.map(({ object }) => object) };
}

export function namesText(items: readonly ListedCheckpoint[]): string {
  return items.map(({ name }) => `${resourceName(name)}\n`).join('');
}

/** Objects in a form for programs; null where people read. */
export function encodeList(items: readonly ListedCheckpoint[], format: Format): string | null {
  if (format === 'name') return namesText(items);
  return format === 'json' || format === 'yaml' ? encode(listOf(items), format) : null;
}

/** One object; null where people read. */
export function encodeObject(item: ListedCheckpoint, format: Format): string | null {
  if (format === 'name') return namesText([item]);
  return format === 'json' || format === 'yaml' ? encode(item.object, format) : null;
}
