import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding } from '../../../policy/types.ts';
import { readPolicyFiles } from '../../../source/files.ts';
import { call } from '../../cli/call.ts';
import type { PolicyRow } from './row.ts';

/** What `checkpoint-warden validate` says of a row's document. */
export interface OfflineResult {
  /** Of the document, without the names of files. */
  readonly findings: readonly Finding[];
  /** The exit code of the command. */
  readonly code: number | null;
  /** `CODE FIELD` of the command's JSON. */
  readonly told: readonly string[];
}

/** Judges a row's document offline, beside what is there before. */
export async function judgeOffline({ before = [], document }: PolicyRow): Promise<OfflineResult> {
  const directory = await mkdtemp(join(tmpdir(), 'warden-policies-'));
  try {
    const files: string[] = [];
    for (const [index, text] of [...before, document].entries()) {
      const file = join(directory, `${index}.yaml`);
      await writeFile(file, text);
      files.push(file);
    }
    const last = files.at(-1);
    const { problems } = await readPolicyFiles(files);
    const findings = problems
      .filter(({ file }) => file === last)
      .map(({ finding }) => ({ ...finding, message: withoutFiles(finding.message) }));
    const { code, out } = await call(['validate', '-o', 'json', ...files]);
    const printed: { file: string; code: string; field: string }[] = JSON.parse(out).findings;
    const told = printed.filter(({ file }) => file === last).map((each) => `${each.code} ${each.field}`);
    return { findings, code, told };
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** `ops/base (/tmp/…/0.yaml)` is `ops/base` in a cluster. */
function withoutFiles(message: string): string {
  return message.replace(/ \(\/[^)]*\/\d+\.yaml\)/g, '');
}
