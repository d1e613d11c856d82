import { SCHEDULE_SPEC } from '../../../policy/schedule/schema.ts';
import { SCHEDULE_STATUS } from '../../../policy/schedule/status-schema.ts';
import type { Schema } from '../../../policy/schema.ts';

export function scheduleDefinition(): object {
  const schema: Schema = { type: 'object', properties: { spec: SCHEDULE_SPEC, status: SCHEDULE_STATUS } };
  const version = { name: 'v1', served: true, storage: true, subresources: { status: {} } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'checkpointschedules.criu.org' },
    spec: {
      group: 'criu.org',
      scope: 'Namespaced',
      names: { kind: 'CheckpointSchedule', plural: 'checkpointschedules', singular: 'checkpointschedule' },
      versions: [{ ...version, schema: { openAPIV3Schema: schema } }],
    },
  };
}
