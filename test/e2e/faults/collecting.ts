import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GcProcess, startGc } from '../gc-process.ts';
import type { Mounts } from './mounts.ts';

let policies = 0;

/** Writes a policy that acts at once; its file. */
export function writePolicy(folder: string, spec: object, name = `policy-${++policies}`): string {
  const file = join(folder, `${name}.yaml`);
  const resource = {
    apiVersion: 'criu.org/v1',
    kind: 'CheckpointRestoreOperator',
    metadata: { name, namespace: 'ops' },
    spec: { applyPoliciesImmediately: true, ...spec },
  };
  writeFileSync(file, JSON.stringify(resource));
  return file;
}

/** A collector in the mount namespace, with a policy from a file. */
export function collect(
  { scratch, enter }: Pick<Mounts, 'scratch' | 'enter'>,
  directory: string,
  spec: object,
  ...more: readonly string[]
): GcProcess {
  const file = writePolicy(scratch, spec);
  return startGc(['--directory', directory, '--policies', file, ...more], enter);
}

/** The archives that it says it has deleted, in that order. */
export function deleted(gc: GcProcess): string[] {
  return gc.lines.filter(({ message }) => message === 'deleted').map(({ archive }) => String(archive));
}

/** How often a line of its log has this message. */
export function times(gc: GcProcess, pattern: RegExp): number {
  return gc.lines.filter(({ message }) => pattern.test(String(message))).length;
}

/** `maxCheckpoints` for the namespace of all archives of these tests. */
export function keep(maxCheckpoints: number): object {
  return { namespacePolicies: [{ namespace: 'shop', maxCheckpoints }] };
}

/** The value of one of the collector's metrics: `errors_total{operation="rename"}`. */
export async function metric(port: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`checkpoint_warden_${name} `));
  return Number(line?.split(' ')[1] ?? Number.NaN);
}
