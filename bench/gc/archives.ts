import { closeSync, ftruncateSync, mkdirSync, openSync, utimesSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CONTAINERD_ANNOTATIONS, entry, header, MARKER } from '../../test/gc/archives.ts';

export const NAMESPACES = 20;
export const PODS = 2_000;

const HOUR_MS = 3_600_000;

/** With them a spec is as long as a real one, where mounts and the system calls that may be made take 9.5 KB. */
const SYSCALLS = Array.from({ length: 110 }, (_, index) => ({
  names: [`syscall_${index}_time64`, `sched_${index}`],
  action: 'SCMP_ACT_ALLOW',
}));

/** Headers before `spec.dump`: some 30 in real archives, most with a block or less of content. */
const IMAGES = 30;

/** What stands behind `spec.dump` in an archive of a real runtime. */
const BEHIND = Buffer.concat([
  entry('bind.mounts', 'x'.repeat(400)),
  entry('rootfs-diff.tar', Buffer.alloc(512, 1)),
  entry('io.kubernetes.cri-o.LogPath', 'x'.repeat(400)),
  MARKER,
]);

const IN_FRONT = Buffer.concat([
  entry('stats-dump', 'x'.repeat(46)),
  entry('dump.log', 'x'.repeat(500)),
  entry('checkpoint/', '', { type: '5' }),
  ...Array.from({ length: IMAGES - 4 }, (_, index) => entry(`checkpoint/core-${index}.img`, 'x'.repeat(100))),
]);

/** Archives are told apart by a number; so are the pods, each in one of the namespaces. */
export function nameOf(number: number): string {
  const { pod, namespace } = podOf(number);
  return `checkpoint-${pod}_${namespace}-main-2026-11-21T00:00:00Z-${number}.tar`;
}

export function podOf(number: number): { readonly pod: string; readonly namespace: string } {
  const index = number % PODS;
  return { pod: `cart-${index}`, namespace: `shop-${index % NAMESPACES}` };
}

/**
 * Writes archives of containerd's shape in a second or so for each ten thousand.
 * @param pageBytes length of the memory pages; a hole in the file, as far as it goes.
 * @param ageMs how long ago the last was written; each was an hour after the one before it.
 */
export function makeArchives(
  directory: string,
  numbers: Iterable<number>,
  { pageBytes = 512, ageMs = HOUR_MS as number | null } = {},
): void {
  mkdirSync(directory, { recursive: true });
  const now = Date.now();
  for (const number of numbers) {
    const path = join(directory, nameOf(number));
    const file = openSync(path, 'w', 0o600);
    write(file, number, pageBytes);
    closeSync(file);
    if (ageMs === null) continue;
    const modified = new Date(now - ageMs - (number % 1_000) * 1_000);
    utimesSync(path, modified, modified);
  }
}

function write(file: number, number: number, pageBytes: number): void {
  const pages = header('checkpoint/pages-1.img', { size: pageBytes });
  const start = Buffer.concat([IN_FRONT, pages]);
  writeSync(file, start, 0, start.length, 0);
  const behind = start.length + Math.ceil(pageBytes / 512) * 512;
  const end = Buffer.concat([entry('config.dump', '{}'), entry('spec.dump', specOf(number)), BEHIND]);
  ftruncateSync(file, behind);
  writeSync(file, end, 0, end.length, behind);
}

function specOf(number: number): string {
  const { pod, namespace } = podOf(number);
  const annotations = {
    ...CONTAINERD_ANNOTATIONS,
    'io.kubernetes.cri.sandbox-namespace': namespace,
    'io.kubernetes.cri.sandbox-name': pod,
    'io.kubernetes.cri.sandbox-uid': `394d9f75-b32a-4724-892d-${String(number % PODS).padStart(12, '0')}`,
  };
  return JSON.stringify({ ociVersion: '1.2.1', annotations, linux: { seccomp: { syscalls: SYSCALLS } } });
}

export function* range(from: number, to: number): Generator<number> {
  for (let number = from; number < to; number += 1) yield number;
}
