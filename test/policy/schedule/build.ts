import assert from 'node:assert/strict';
import { formatFinding } from '../../../policy/findings.ts';
import type { JsonObject } from '../../../policy/json.ts';
import { readSchedule } from '../../../policy/schedule/read.ts';
import type { Schedule } from '../../../policy/schedule/types.ts';

/** A schedule as somebody writes it. */
export function scheduleDocument(spec: unknown, metadata: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'criu.org/v1',
    kind: 'CheckpointSchedule',
    metadata: { namespace: 'shop', name: 'hourly', ...metadata },
    spec,
  };
}

/** A spec that is sound, with what the test is about. */
export function scheduleSpec(more: JsonObject = {}): JsonObject {
  return { selector: { matchLabels: { app: 'cart' } }, triggers: { interval: '1h' }, ...more };
}

/** A schedule that must be sound. */
export function schedule(spec: unknown, metadata: JsonObject = {}): Schedule {
  const { schedule: read, findings } = readSchedule(scheduleDocument(spec, metadata));
  assert(read?.sound, findings.map(formatFinding).join('\n'));
  return read;
}
