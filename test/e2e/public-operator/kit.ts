import assert from 'node:assert/strict';
import { eventually } from '../../cluster/eventually.ts';
import type { MadeArchive } from '../../fixtures/make-archive.ts';
import { put, tars } from '../faults/archives.ts';
import type { GcProcess } from '../gc-process.ts';

/** Milliseconds; a collector notices within a second or so, but other tests may run beside. */
export const SOON = 30_000;
export const HOUR_S = 3_600;

/** Waits until it has seen so many archives. */
export async function holding(gc: GcProcess, archives: number): Promise<void> {
  await eventually(async () => assert.ok(gc.said(new RegExp(` holds ${archives} archives`))), SOON);
}

/** Archives of one pod, the first the oldest. */
export function fill(directory: string, count: number, made: Partial<MadeArchive> = {}): string[] {
  const whole = { namespace: 'shop', pod: 'cart', memory: 512, ...made };
  return Array.from({ length: count }, (_, number) => put(directory, whole, HOUR_S + 10 * (count - number)));
}

/** Waits until these and no others are there. */
export async function left(directory: string, names: readonly string[]): Promise<void> {
  await eventually(async () => assert.deepEqual(tars(directory), [...names].sort()), SOON);
}
