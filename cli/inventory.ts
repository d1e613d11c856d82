import { setTimeout as wait } from 'node:timers/promises';
import { STILL_MS } from '../gc/inventory/holdings.ts';
import { Inventory } from '../gc/inventory/inventory.ts';
import { nodeFiles } from '../gc/system/node-files.ts';
import type { Context } from './context.ts';
import { InputError, UsageError } from './errors.ts';
import { progressLine } from './progress.ts';

/**
 * Looks at all of a directory once. Archives that were written a moment ago get the second look that tells
 * whether they still grow; where only one archive matters, it alone is waited for.
 */
export async function takeInventory(
  directory: string,
  patterns: readonly string[],
  context: Context,
  only?: string,
): Promise<Inventory> {
  const inventory = newInventory(directory, patterns);
  const progress = progressLine(context.err, Date.now);
  try {
    await inventory.scan(progress.report);
    await settle(inventory, only);
  } finally {
    progress.end();
  }
  const { state } = inventory;
  if (!state.ok) throw new InputError(state.reason);
  return inventory;
}

/** Whether a file stands still is told by the machine's clock, whatever time a plan is made for. */
async function settle(inventory: Inventory, only: string | undefined): Promise<void> {
  // Each was first seen at another moment of the scan, so each is due at another.
  const last = Date.now() + STILL_MS;
  const end = performance.now() + 3 * STILL_MS;
  for (;;) {
    const due = inventory.nextLook();
    if (due === null || due > last || performance.now() > end) return;
    if (only !== undefined && inventory.get(only)?.state !== 'growing') return;
    await wait(Math.max(1, due - Date.now()));
    await inventory.look();
  }
}

function newInventory(directory: string, patterns: readonly string[]): Inventory {
  const given = patterns.length > 0 ? { patterns } : {};
  try {
    return new Inventory({ files: nodeFiles, directory, clock: Date.now, onChange: () => {}, ...given });
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}
