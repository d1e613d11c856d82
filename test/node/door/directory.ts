import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inventory } from '../../../gc/inventory/inventory.ts';
import { nodeFiles } from '../../../gc/system/node-files.ts';
import { isObject } from '../../../policy/json.ts';
import type { Archive } from '../../../policy/types.ts';
import type { DoorAnswer } from './collector.ts';

const POLL_MS = 5;

/** Names in a node's directory whose archives are of a namespace, whole or not, by their names. */
export async function archivesOf(directory: string, namespace: string): Promise<string[]> {
  const names = await readdir(directory);
  return names.filter((name) => name.startsWith('checkpoint-') && name.includes(`_${namespace}-`)).sort();
}

/** Looks all the time; tells the most archives of a namespace that there were at once. */
export function watchMost(
  directory: string,
  namespace: string,
): { stop(): Promise<{ readonly most: number; readonly seen: ReadonlySet<string> }> } {
  const seen = new Set<string>();
  let most = 0;
  let watching = true;
  const look = async () => {
    const now = await archivesOf(directory, namespace);
    most = Math.max(most, now.length);
    for (const name of now) seen.add(name);
  };
  const loop = async () => {
    while (watching) {
      await look();
      await sleep(POLL_MS);
    }
  };
  const looping = loop();
  return {
    async stop() {
      watching = false;
      await looping;
      await look();
      return { most, seen };
    },
  };
}

/** What stands in the archives, whatever they are called; waits until all of them stand still. */
export async function readArchives(directory: string): Promise<readonly Archive[]> {
  const inventory = new Inventory({
    files: nodeFiles,
    directory,
    clock: Date.now,
    onChange() {},
  });
  await inventory.scan();
  for (let due = inventory.nextLook(); due !== null; due = inventory.nextLook()) {
    await sleep(Math.max(1, due - Date.now()));
    await inventory.look();
  }
  return [...inventory.archives()];
}

/** The one archive that an answer names, by its name in the directory. */
export function archiveIn({ status, body }: DoorAnswer): string {
  const value: unknown = JSON.parse(status === 200 ? body : '{}');
  const items = isObject(value) && Array.isArray(value.items) ? value.items : [];
  const name = String(items[0]).split('/').pop();
  if (items.length === 1 && name !== undefined) return name;
  throw new Error(`the door answered ${status}: ${body}`);
}

export async function sizeOf(directory: string, file: string): Promise<number> {
  return (await stat(join(directory, file))).size;
}

/** `{200: 3, 507: 47}` */
export function countStatuses(answers: readonly DoorAnswer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
