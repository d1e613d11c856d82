import { type Addition, schemaDefaults } from '../defaults.ts';
import { fieldsOf, isObject, type JsonObject, own, text } from '../json.ts';
import { DEFAULT_TIME_ZONE, SCHEDULE_SPEC } from './schema.ts';

const staticDefaults = schemaDefaults(SCHEDULE_SPEC);

/**
 * What the mutating webhook makes explicit in a schedule, as a JSON Patch against the whole resource. Applied twice it
 * is empty the second time. What is of a wrong type or missing is left for validation to name.
 */
export function scheduleDefaultsPatch(document: JsonObject): Addition[] {
  const spec = own(document, 'spec');
  if (!isObject(spec)) return [];
  const additions = staticDefaults(spec);
  const namespace = text(own(fieldsOf(own(document, 'metadata')), 'namespace'));
  if (own(spec, 'namespace') === undefined && namespace !== '') {
    additions.push({ op: 'add', path: '/spec/namespace', value: namespace });
  }
  const triggers = fieldsOf(own(spec, 'triggers'));
  if (own(triggers, 'cron') !== undefined && own(triggers, 'timeZone') === undefined) {
    additions.push({ op: 'add', path: '/spec/triggers/timeZone', value: DEFAULT_TIME_ZONE });
  }
  return additions;
}
