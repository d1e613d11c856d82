import { canonicalJson, fieldsOf, isObject, type JsonObject, own, text } from './json.ts';
import { formatBytes } from './quantity.ts';
import type { Standing } from './standing.ts';
import { CONDITION_TYPES, POLICY_STATUS } from './status-schema.ts';
import type { Instant } from './types.ts';

/**
 * The status that says how a resource stands.
 * @param former what its status is now: of a condition that has not changed the time stays.
 */
export function policyStatus(
  { verdicts, archives, bytes, nodes, confirming }: Standing,
  observedGeneration: number,
  former: JsonObject,
  now: Instant,
): JsonObject {
  const before = conditionsOf(former);
  const since = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
  const conditions = verdicts.map(({ type, status, reason, message }) => {
    const known = before.get(type);
    const changedAt = known && own(known, 'status') === status && text(own(known, 'lastTransitionTime'));
    return { type, status, observedGeneration, lastTransitionTime: changedAt || since, reason, message };
  });
  return {
    ...{ observedGeneration, conditions, archives, bytes, size: formatBytes(bytes), nodes },
    ...(confirming && { confirming }),
  };
}

/** Our part of a status as one text; what others have written there is none of our business. */
export function essenceOfStatus(status: JsonObject): string {
  const ours = Object.keys(POLICY_STATUS.properties ?? {}).map((key) => [key, own(status, key)] as const);
  const conditions = conditionsOf(status);
  return canonicalJson(
    Object.fromEntries([
      ...ours.filter(([, value]) => value !== undefined),
      ['conditions', CONDITION_TYPES.map((type) => conditions.get(type) ?? null)],
    ]),
  );
}

/** What of it people wait for: whether something is so, and what they are to type. Figures and sentences can wait. */
export function graveOfStatus(status: JsonObject): string {
  const conditions = conditionsOf(status);
  return canonicalJson([
    CONDITION_TYPES.map((type) => {
      const condition = conditions.get(type);
      return condition ? ['status', 'reason', 'observedGeneration'].map((key) => own(condition, key)) : null;
    }),
    own(fieldsOf(own(status, 'confirming')), 'digests') ?? null,
  ]);
}

/** Whether a condition is so; undefined where it is not there. */
export function conditionStatus(status: JsonObject, type: string): unknown {
  const condition = conditionsOf(status).get(type);
  return condition && own(condition, 'status');
}

function conditionsOf(status: JsonObject): ReadonlyMap<string, JsonObject> {
  const conditions = own(status, 'conditions');
  const list = Array.isArray(conditions) ? conditions.filter(isObject) : [];
  return new Map(list.map((each) => [text(own(each, 'type')), each]));
}
