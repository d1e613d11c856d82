import { fieldsOf, isObject, type JsonObject, own, text } from '../../policy/json.ts';
import { LONGEST_MESSAGE, MOST_FAILURES, MOST_NODES } from '../../policy/schedule/status-schema.ts';
import type { Instant } from '../../policy/types.ts';
import type { Remembered, ScheduleMemory } from './memory.ts';

/** What another node's collector has written into a schedule's status. */
export interface SeenEntry {
  readonly node: string;
  readonly reportedAt: Instant;
  readonly taken: number;
  readonly lastAt: Instant | null;
}

/** The entries of a schedule as the API server has it. */
export function entriesOf(schedule: JsonObject): readonly SeenEntry[] {
  const nodes = own(fieldsOf(own(schedule, 'status')), 'nodes');
  return (Array.isArray(nodes) ? nodes : []).filter(isObject).map((each) => {
    const taken = own(each, 'taken');
    return {
      node: text(own(each, 'node')),
      reportedAt: instantIn(each, 'reportedAt') ?? 0,
      taken: typeof taken === 'number' ? taken : 0,
      lastAt: instantIn(each, 'lastCheckpointTime'),
    };
  });
}

export interface EntryParts {
  readonly node: string;
  readonly memory: ScheduleMemory;
  /** By `podUid/container`, those that the schedule is about now. */
  readonly selected: ReadonlyMap<string, Remembered>;
  readonly nextAt: Instant | null;
}

/** What this node has to say of a schedule, without the time at which it is said. */
export function entryOf({ node, memory, selected, nextAt }: EntryParts): JsonObject {
  const { counts, lastTaken } = memory;
  const failing = [...selected]
    .filter(([, { error }]) => error !== null)
    .sort(([, one], [, other]) => (other.error?.at ?? 0) - (one.error?.at ?? 0));
  return {
    node,
    containers: selected.size,
    ...counts,
    ...(lastTaken !== null && {
      lastCheckpointTime: rfc3339(lastTaken.at),
      lastTrigger: lastTaken.trigger,
    }),
    ...(nextAt !== null && { nextTime: rfc3339(nextAt) }),
    failing: failing.length,
    failures: failing.slice(0, MOST_FAILURES).map(([key, { pod, error, failures }]) => ({
      ...{ pod, container: key.slice(key.lastIndexOf('/') + 1), tries: failures },
      time: rfc3339(error?.at ?? 0),
      message: (error?.message ?? '').slice(0, LONGEST_MESSAGE),
    })),
  };
}

/**
 * The status as one node applies it: its own entry, and the public operator's two fields over all entries.
 * @param own null where it has nothing to say any more; what it said goes.
 */
export function statusOf(
  own: { readonly entry: JsonObject; readonly memory: ScheduleMemory } | null,
  node: string,
  seen: readonly SeenEntry[],
  now: Instant,
): JsonObject {
  const others = seen.filter((each) => each.node !== node);
  const taken = others.reduce((sum, each) => sum + each.taken, own?.memory.counts.taken ?? 0);
  // Something stays: a status of which nothing is left would be null, which the API server refuses.
  if (own === null) return { checkpointsCreated: taken };
  const times = [own.memory.lastTaken?.at ?? null, ...others.map(({ lastAt }) => lastAt)];
  const last = times.reduce((latest, at) => (at !== null && at > (latest ?? 0) ? at : latest), null);
  return {
    nodes: [{ ...own.entry, reportedAt: rfc3339(now) }],
    checkpointsCreated: taken,
    ...(last !== null && { lastCheckpointTime: rfc3339(last) }),
  };
}

/** Whether there is room for a node's entry. */
export function hasRoom(seen: readonly SeenEntry[], node: string): boolean {
  return seen.length < MOST_NODES || seen.some((each) => each.node === node);
}

/** To the second, as the API server's own. */
function rfc3339(at: Instant): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
}

function instantIn(value: JsonObject, key: string): Instant | null {
  const found = own(value, key);
  const instant = typeof found === 'string' ? Date.parse(found) : Number.NaN;
  return Number.isNaN(instant) ? null : instant;
}
