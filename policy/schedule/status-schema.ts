import type { Schema } from '../schema.ts';

/** Nodes that have an entry in a schedule's status: each one is 0.5 KiB, and all collectors watch the object. */
export const MOST_NODES = 32;
/** Containers that an entry names, of those that fail. */
export const MOST_FAILURES = 5;
export const LONGEST_MESSAGE = 256;

const count = (description: string): Schema => ({ type: 'integer', minimum: 0, description });
const texts = (description: string): Schema => ({ type: 'string', description });
const time = (description: string): Schema => ({ type: 'string', format: 'date-time', description });

/** What the collectors say of a CheckpointSchedule. */
export const SCHEDULE_STATUS: Schema = {
  type: 'object',
  description: 'What the collectors of the nodes have taken for it; written on change, seconds apart.',
  properties: {
    lastCheckpointTime: time('When the last checkpoint was taken, on any node.'),
    checkpointsCreated: count('Checkpoints taken, on the nodes that have an entry.'),
    nodes: {
      type: 'array',
      description: `One entry for each node with such containers, of at most ${MOST_NODES} nodes.`,
      maxItems: MOST_NODES,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['node'],
      items: {
        type: 'object',
        required: ['node'],
        properties: {
          node: texts('The name of the node.'),
          reportedAt: time('When its collector wrote this.'),
          containers: count('Containers there that the schedule is about.'),
          taken: count('Checkpoints taken there since the schedule was first seen.'),
          failed: count('Tries there that failed.'),
          dropped: count('Runs there that could not begin before the starting deadline.'),
          lastCheckpointTime: time('When the last checkpoint there was taken.'),
          lastTrigger: texts('Why: interval, cron, annotation, cpu, memory, or what ended the pod.'),
          nextTime: time('When the next run by the clock is due there.'),
          failing: count('Containers there whose last try failed.'),
          failures: {
            type: 'array',
            description: `The last error of each of them, of at most ${MOST_FAILURES}, the newest first.`,
            maxItems: MOST_FAILURES,
            items: {
              type: 'object',
              properties: {
                pod: texts('The pod.'),
                container: texts('The container.'),
                time: time('When it failed last.'),
                tries: count('How often in a row.'),
                message: texts('Why, in a sentence.'),
              },
            },
          },
        },
      },
    },
  },
};
