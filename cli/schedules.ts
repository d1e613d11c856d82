import type { SchedulePart } from '../gc/schedule/main.ts';
import type { KubeletUsageOptions } from '../gc/schedule/usage.ts';
import { systemClock } from '../gc/system/clock.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Log } from '../kube/types.ts';
import type { Logger } from '../observe/log.ts';
import type { Schedule } from '../policy/schedule/types.ts';

export interface PreparedSchedules {
  readonly part: SchedulePart;
  stop(): Promise<void>;
}

/**
 * What running schedules needs of a cluster. Begins to watch them; their kind may be installed later.
 * @param startWithinMs first lists begin within this time, at random
 */
export async function prepareSchedules(
  client: KubeClient,
  node: string,
  kubelet: Omit<KubeletUsageOptions, 'log' | 'now'>,
  log: Log,
  startWithinMs = 0,
): Promise<PreparedSchedules> {
  const [
    { scheduleInformer, scheduleStatusWriter },
    { nodePods },
    { nodeLookup },
    { readSchedule },
    { entriesOf },
    { WatchedObjects },
    { kubeletUsage },
  ] = await Promise.all([
    import('../kube/schedules.ts'),
    import('../kube/node-pods.ts'),
    import('../kube/nodes.ts'),
    import('../policy/schedule/read.ts'),
    import('../gc/schedule/status.ts'),
    import('../gc/schedule/watched.ts'),
    import('../gc/schedule/usage.ts'),
  ]);
  const timers = systemClock;
  const timing = { startWithinMs };
  const read = new WatchedObjects({
    ...{ what: 'schedules', timers, log },
    make: () =>
      scheduleInformer(
        client,
        (object) => ({ schedule: readSchedule(object).schedule, entries: entriesOf(object) }),
        { log, timing },
      ),
  });
  const pods = new WatchedObjects({
    ...{ what: "this node's pods", timers, log },
    make: () => nodePods(client, node, { log, timing }),
  });
  read.want(true);
  return {
    part: {
      schedules: {
        values: () =>
          read
            .values()
            ?.flatMap(({ schedule, entries }) => (schedule === null ? [] : [{ schedule, entries }])) ?? null,
        onChange: (listener) => read.onChange(listener),
      },
      pods,
      nodes: nodeLookup(client),
      status: scheduleStatusWriter(client),
      usage: kubeletUsage({ ...kubelet, log, now: Date.now }),
    },
    async stop() {
      await Promise.all([read.stop(), pods.stop()]);
    },
  };
}

/** The schedules of a cluster, for whoever only looks at them; their kind may be installed later. */
export async function watchSchedules(
  client: KubeClient,
  log: Logger,
): Promise<{ values(): readonly Schedule[]; stop(): Promise<void> }> {
  const [{ scheduleInformer }, { readSchedule }, { WatchedObjects }] = await Promise.all([
    import('../kube/schedules.ts'),
    import('../policy/schedule/read.ts'),
    import('../gc/schedule/watched.ts'),
  ]);
  const watched = new WatchedObjects({
    ...{ what: 'schedules', timers: systemClock, log },
    make: () => scheduleInformer(client, (object) => readSchedule(object).schedule, { log }),
  });
  watched.want(true);
  return {
    values: () => watched.values()?.flatMap((each) => each ?? []) ?? [],
    stop: () => watched.stop(),
  };
}
