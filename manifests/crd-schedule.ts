import {
  SCHEDULE_API_VERSION,
  SCHEDULE_KIND,
  SCHEDULE_PLURAL,
  SCHEDULE_SPEC,
} from '../policy/schedule/schema.ts';
import { SCHEDULE_STATUS } from '../policy/schedule/status-schema.ts';
import { column, definitionOf, KEEP_UNKNOWN, type StructuralSchema, structural } from './crd.ts';

/** When containers are checkpointed, generated from `policy/schedule/schema.ts`. */
export function scheduleResourceDefinition(): object {
  return definitionOf({
    ...{ kind: SCHEDULE_KIND, plural: SCHEDULE_PLURAL, shortName: 'cks', scope: 'Namespaced' },
    ...{ schema: ROOT, columns: COLUMNS },
  });
}

const ROOT: StructuralSchema = {
  type: 'object',
  required: ['spec'],
  description: `Which containers are checkpointed, when, and how many of these checkpoints are kept. A ${SCHEDULE_KIND} of ${SCHEDULE_API_VERSION} is about the pods of its own namespace; for those of another its author needs the verb govern.`,
  properties: {
    apiVersion: { type: 'string', description: SCHEDULE_API_VERSION },
    kind: { type: 'string', description: SCHEDULE_KIND },
    metadata: { type: 'object' },
    spec: structural(SCHEDULE_SPEC),
    // The public operator's conditions are kept, too, as is all that is unknown.
    status: structural(SCHEDULE_STATUS),
  },
  ...KEEP_UNKNOWN,
};

const COLUMNS = [
  column('Interval', 'string', '.spec.triggers.interval', 'The time between two checkpoints.'),
  column('Cron', 'string', '.spec.triggers.cron', 'When checkpoints are taken.'),
  column('Paused', 'boolean', '.spec.paused', 'Whether nothing is taken for now.'),
  column('Taken', 'integer', '.status.checkpointsCreated', 'Checkpoints taken.'),
  column('Last', 'date', '.status.lastCheckpointTime', 'How long ago the last one was taken.'),
  column('Age', 'date', '.metadata.creationTimestamp'),
  column('Zone', 'string', '.spec.triggers.timeZone', 'The time zone of cron.', 1),
  column('Keep-Min', 'integer', '.spec.retain.min', 'Archives of each container that are held.', 1),
  column(
    'Keep-Max',
    'integer',
    '.spec.retain.max',
    'Archives of each container beyond which the oldest go.',
    1,
  ),
];
