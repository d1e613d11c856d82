import { type JudgeOptions, type PolicyFiles, policiesOf } from '../../source/file-policies.ts';
import { policy } from './scratch.ts';

/** What a folder holds: text by the name of the file, null for one that cannot be read now. */
export type Files = Readonly<Record<string, string | null>>;

/** Resources as `name=count@file`, `held` in the place of the count of one that deletes nothing. */
export function summary({ resources }: Pick<PolicyFiles, 'resources'>): string {
  return resources
    .map(({ reference, sound, rules }) => {
      const counts = rules.map(({ buckets }) => buckets[0]?.maxCount ?? '-').join('+');
      return `${reference.name}=${sound ? counts : 'held'}@${reference.file}`;
    })
    .join(' ');
}

/** Judges what these files hold beside what was in force. */
export function look(files: Files, before?: PolicyFiles, options: JudgeOptions = {}): PolicyFiles {
  const names = Object.keys(files).sort();
  const unreadable = { code: 'unreadableFile', severity: 'error', field: '', message: 'is gone' } as const;
  return policiesOf(
    {
      sights: names.map((file) => {
        const text = files[file];
        const content = text == null ? { ...unreadable, remedy: 'bring it back' } : Buffer.from(text);
        return { file, inFolder: true, content };
      }),
      closed: [],
      passedOver: [],
    },
    { inForce: before?.resources ?? [], ...options },
  );
}

/** Two policies in one resource. */
export function both(name: string, one: string, other: string, count: number): string {
  return `${policy(name, one, count)}    - {namespace: ${other}, maxCheckpoints: ${count}}\n`;
}

/** A global policy, for the directory that is given or for the kubelet's. */
export function general(name: string, count: number, directory?: string): string {
  const path = directory === undefined ? '' : `\n  checkpointDirectory: ${directory}`;
  return `apiVersion: criu.org/v1
kind: CheckpointRestoreOperator
metadata: {name: ${name}, namespace: quotas}
spec:${path}
  globalPolicy: {maxCheckpointsPerContainer: ${count}}
`;
}
