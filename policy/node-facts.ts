import { fieldsOf, type JsonObject, own, text } from './json.ts';
import { POLICY_STATES, type PolicyState } from './node-schema.ts';
import type { Instant } from './types.ts';

/** What a node would delete if the policy were confirmed. */
export interface NodePlan {
  readonly digest: string;
  readonly deletions: number;
  readonly bytes: number;
  readonly archives: number;
}

/** What a node says of one policy. */
export interface PolicyFacts {
  readonly generation: number;
  readonly state: PolicyState;
  readonly archives: number;
  readonly bytes: number;
  readonly plan: NodePlan | null;
}

/** What a node's object says of policies. */
export interface NodeFacts {
  readonly name: string;
  readonly createdAt: Instant;
  /** Null where nothing was looked at yet. */
  readonly scannedAt: Instant | null;
  /** Which versions of all policies it goes by; null while it goes by none, or takes some in. */
  readonly seen: string | null;
  /** By UID. */
  readonly policies: ReadonlyMap<string, PolicyFacts>;
  /** Whether every policy that waits for something is among them. */
  readonly namesAllWaiting: boolean;
}

/** Reads a CheckpointNode. What it does not say, or not so that it can be read, is left out. */
export function readNode(object: JsonObject): NodeFacts {
  const metadata = fieldsOf(own(object, 'metadata'));
  const status = fieldsOf(own(object, 'status'));
  const listed = own(status, 'policies');
  const policies = new Map<string, PolicyFacts>();
  for (const each of Array.isArray(listed) ? listed : []) {
    const fields = fieldsOf(each);
    const [uid, state] = [
      text(own(fields, 'uid')),
      POLICY_STATES.find((known) => known === own(fields, 'state')),
    ];
    if (uid === '' || state === undefined) continue;
    const { generation, archives, bytes } = counts(fields);
    policies.set(uid, { generation, state, archives, bytes, plan: readPlan(own(fields, 'plan')) });
  }
  const scannedAt = Date.parse(text(own(status, 'lastScanTime')));
  const isAll = !(Number(own(status, 'policiesUnnamed')) > 0);
  return {
    name: text(own(metadata, 'name')),
    createdAt: Date.parse(text(own(metadata, 'creationTimestamp'))) || 0,
    scannedAt: Number.isNaN(scannedAt) ? null : scannedAt,
    seen: text(own(status, 'policiesSeen')) || null,
    policies,
    // Those that wait come first.
    namesAllWaiting: isAll || [...policies.values()].some(({ state }) => state === 'Acting'),
  };
}

function readPlan(value: unknown): NodePlan | null {
  const fields = fieldsOf(value);
  const digest = text(own(fields, 'digest'));
  if (!/^[0-9a-f]{1,64}$/.test(digest)) return null;
  const { deletions, bytes, archives } = counts(fields);
  return { digest, deletions, bytes, archives };
}

function counts(fields: JsonObject): Record<'generation' | 'archives' | 'bytes' | 'deletions', number> {
  const of = (key: string) => {
    const value = own(fields, key);
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
  };
  return {
    generation: of('generation'),
    archives: of('archives'),
    bytes: of('bytes'),
    deletions: of('deletions'),
  };
}
