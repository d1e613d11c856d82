import { cp, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Instant } from '../../policy/types.ts';
import { packageRoot } from '../package.ts';
import { type MadeCheckpoint, makeArchive } from './archives.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The real archive that is pinned: by then the oldest of its namespace. */
export const PINNED = 'checkpoint-cart_shop-main-2026-11-21T00:19:10Z.tar';

/** Real archives in the package, with the age that each is given. */
const REAL: readonly (readonly [file: string, ageMs: number])[] = [
  [PINNED, 26 * HOUR_MS],
  ['checkpoint-slow-start_shop-prepare-2026-11-21T00:11:10Z.tar', 2 * DAY_MS],
  ['checkpoint-pair_a-b-c-2026-11-21T00:30:54Z.tar', 5 * DAY_MS],
  ['checkpoint-notes3_shop-main-2026-11-21T06:01:19+05:30.tar', 30 * HOUR_MS],
];

type Container = Pick<MadeCheckpoint, 'runtime' | 'namespace' | 'pod' | 'container' | 'podUid'>;

const WEB: Container = {
  runtime: 'containerd',
  namespace: 'shop',
  pod: 'web',
  container: 'app',
  podUid: '7d0f8a52-6f0e-4c3c-9c39-0d5f2b1a7e10',
};
const CART: Container = {
  runtime: 'cri-o',
  namespace: 'shop',
  pod: 'cart',
  container: 'main',
  podUid: '394d9f75-b32a-4724-892d-f135011bf911',
};
const LEDGER: Container = {
  runtime: 'containerd',
  namespace: 'payments',
  pod: 'ledger',
  container: 'db',
  podUid: 'c2a4b7de-13a5-4f63-8f0b-52e0f7c6a911',
};
const SUSPECT: Container = {
  runtime: 'cri-o',
  namespace: 'forensics',
  pod: 'suspect',
  container: 'main',
  podUid: '0b9fd2c1-8f77-4d0b-a4a5-6f9e7d3c2b1a',
};

const MADE: readonly (readonly [container: Container, ageMs: number, memoryBytes: number])[] = [
  [CART, HOUR_MS, 3 * MIB],
  [CART, 5 * HOUR_MS, 3 * MIB],
  [CART, 9 * HOUR_MS, 2.9 * MIB],
  [CART, 9 * DAY_MS, 2.5 * MIB],
  [WEB, 40 * MINUTE_MS, 14 * MIB],
  [WEB, 3 * HOUR_MS, 13.5 * MIB],
  [WEB, 28 * HOUR_MS, 13 * MIB],
  [WEB, 3 * DAY_MS, 12 * MIB],
  [LEDGER, 2 * HOUR_MS, 96 * MIB],
  [LEDGER, 26 * HOUR_MS, 900 * MIB],
  [SUSPECT, 40 * DAY_MS, 60 * MIB],
  [SUSPECT, 39 * DAY_MS, 61 * MIB],
];

/** Lays out a node's directory. @returns how many archives are real and how many were made. */
export async function layOut(directory: string, now: Instant): Promise<{ real: number; made: number }> {
  const source = join(packageRoot(), 'cli/demo/archives');
  const present = new Set(await readdir(source));
  const real = REAL.filter(([file]) => present.has(file));
  for (const [file, ageMs] of real) {
    await cp(join(source, file), join(directory, file));
    const time = new Date(now - ageMs);
    await utimes(join(directory, file), time, time);
  }
  for (const [container, ageMs, memoryBytes] of MADE) {
    await makeArchive(directory, {
      ...container,
      takenAt: new Date(now - ageMs),
      memoryBytes: Math.round(memoryBytes),
    });
  }
  await writeFile(join(directory, 'notes.txt'), 'somebody keeps notes here\n');
  await symlink('/etc/hostname', join(directory, 'checkpoint-link_shop-main-2026-11-20T00:00:00Z.tar'));
  return { real: real.length, made: MADE.length };
}

/** A checkpoint of the web pod, taken at this moment. @returns its name. */
export function takeCheckpoint(directory: string, now: Instant): Promise<string> {
  return makeArchive(directory, { ...WEB, takenAt: new Date(now), memoryBytes: 14 * MIB });
}

/** A policy with the mistakes that people make. */
export const MISTAKES = `apiVersion: criu.org/v1
kind: CheckpointRestoreOperator
metadata: {name: limits, namespace: checkpoint-warden}
spec:
  globalPolicy:
    maxCheckpointSize: 10
    timeThreshold: "40"
  namespacePolicies:
    - {namespace: shop, maxCheckpoint: 8}
`;

/** A sound policy for the scene. */
export function limitsFor(directory: string): string {
  return `apiVersion: criu.org/v1
kind: CheckpointRestoreOperator
metadata: {name: limits, namespace: checkpoint-warden}
spec:
  checkpointDirectory: ${JSON.stringify(directory)}
  applyPoliciesImmediately: true
  globalPolicy:
    maxCheckpointsPerContainer: 10
    maxCheckpointSize: 512Mi
    keepLast: 1
  namespacePolicies:
    - namespace: shop          # a quota for a team
      maxCheckpoints: 6
      maxCheckpointSize: 512Mi
      timeThreshold: 7d
    - namespace: forensics     # evidence stays
      whenFull: RejectNew
`;
}

/** Another resource for a target that has a policy already. */
export function rivalFor(directory: string): string {
  return `apiVersion: criu.org/v1
kind: CheckpointRestoreOperator
metadata: {name: more-for-shop, namespace: checkpoint-warden}
spec:
  checkpointDirectory: ${JSON.stringify(directory)}
  namespacePolicies:
    - {namespace: shop, maxCheckpoints: 100}
`;
}
