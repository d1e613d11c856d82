import { formatBytes } from './quantity.ts';
import type { Amount, Disk, DiskPressure } from './types.ts';

/** What is wrong with a disk: the field of `diskPressure` that says so, and a sentence. */
export interface Cause {
  readonly field: 'highWatermark' | 'lowWatermark' | 'minFree' | 'minFreeInodes';
  readonly text: string;
}

/** What is wrong with the disk, measured against a share that may be in use; null when nothing is. */
export function pressureOn(disk: Disk, pressure: DiskPressure, share: number): string | null {
  return causeOf(disk, pressure, share)?.text ?? null;
}

/** The same, with the field that it follows from. */
export function causeOf(disk: Disk, pressure: DiskPressure, share: number): Cause | null {
  if (isOverShare(disk, share)) {
    const [used, allowed] = [percent((disk.totalBytes - disk.freeBytes) / disk.totalBytes), percent(share)];
    const field = share === pressure.high ? 'highWatermark' : 'lowWatermark';
    const over = used === allowed ? 'just over ' : '';
    return { field, text: `the disk is ${over}${used} full, ${allowed} allowed (${field})` };
  }
  const { minFree, minFreeInodes } = pressure;
  if (minFree && isShortOfBytes(disk, pressure)) {
    const text = `${formatBytes(disk.freeBytes)} of the disk are free, ${amountText(minFree, formatBytes)} wanted (minFree)`;
    return { field: 'minFree', text };
  }
  if (minFreeInodes && isShortOfInodes(disk, pressure)) {
    const text = `${disk.freeInodes} inodes are free, ${amountText(minFreeInodes, String)} wanted (minFreeInodes)`;
    return { field: 'minFreeInodes', text };
  }
  return null;
}

/** Whether anything is wrong with it: what `pressureOn` says, without the words. */
export function isPressed(disk: Disk, pressure: DiskPressure, share: number): boolean {
  return isOverShare(disk, share) || isShortOfBytes(disk, pressure) || isShortOfInodes(disk, pressure);
}

function isOverShare(disk: Disk, share: number): boolean {
  return disk.totalBytes > 0 && disk.totalBytes - disk.freeBytes > share * disk.totalBytes;
}

function isShortOfBytes(disk: Disk, { minFree }: DiskPressure): boolean {
  return minFree !== undefined && disk.freeBytes < amountOf(minFree, disk.totalBytes);
}

/** Some file systems have no fixed number of inodes and report 0. */
function isShortOfInodes(disk: Disk, { minFreeInodes }: DiskPressure): boolean {
  if (minFreeInodes === undefined || disk.totalInodes === 0) return false;
  return disk.freeInodes < amountOf(minFreeInodes, disk.totalInodes);
}

function amountOf(amount: Amount, total: number): number | bigint {
  return 'share' in amount ? amount.share * total : amount.absolute;
}

function amountText(amount: Amount, format: (value: bigint) => string): string {
  return 'share' in amount ? percent(amount.share) : format(amount.absolute);
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10}%`;
}
