import type { JsonObject } from '../policy/json.ts';
import { SCHEDULE_API_VERSION, SCHEDULE_KIND, SCHEDULE_PLURAL } from '../policy/schedule/schema.ts';
import type { KubeClient } from './client.ts';
import { Informer, type InformerOptions } from './informer.ts';

const GROUP_PATH = `/apis/${SCHEDULE_API_VERSION}`;
const APPLY = 'application/apply-patch+yaml';

/** All CheckpointSchedules of the cluster, kept up to date. */
export function scheduleInformer<T>(
  client: KubeClient,
  parse: (object: JsonObject) => T,
  more: Partial<InformerOptions<T>> = {},
): Informer<T> {
  return new Informer({ client, path: `${GROUP_PATH}/${SCHEDULE_PLURAL}`, parse, ...more });
}

export interface ScheduleReference {
  readonly namespace: string;
  readonly name: string;
}

/** Writes what a manager has to say of a schedule. */
export interface ScheduleStatusWriter {
  /**
   * Replaces what this manager said before, and nothing else. Rejects with a KubeError, also when the schedule is gone.
   * One that was made anew under its name meanwhile gets what was meant for the former: the API server does not look
   * at a UID here. The next write mends it.
   */
  write(schedule: ScheduleReference, manager: string, status: JsonObject): Promise<void>;
}

/** By server-side apply: an entry of a list belongs to whoever wrote it. */
export function scheduleStatusWriter(client: KubeClient): ScheduleStatusWriter {
  return {
    async write({ namespace, name }, manager, status) {
      const path = `${GROUP_PATH}/namespaces/${encodeURIComponent(namespace)}/${SCHEDULE_PLURAL}/${encodeURIComponent(name)}/status`;
      await client.request({
        ...{ method: 'PATCH', path, contentType: APPLY, query: { fieldManager: manager, force: true } },
        body: {
          ...{ apiVersion: SCHEDULE_API_VERSION, kind: SCHEDULE_KIND },
          metadata: { namespace, name },
          status,
        },
      });
    },
  };
}
