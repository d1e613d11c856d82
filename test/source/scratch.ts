import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A folder of its own, with these files, removed when the test ends. */
export async function scratch(t: TestContext, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'checkpoint-warden-source-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return folder;
}

/** A policy resource as YAML, for one namespace. */
export function policy(name: string, target: string, maxCheckpoints: number | string = 3): string {
  return `apiVersion: criu.org/v1
kind: CheckpointRestoreOperator
metadata: {name: ${name}, namespace: quotas}
spec:
  namespacePolicies:
    - {namespace: ${target}, maxCheckpoints: ${maxCheckpoints}}
`;
}
