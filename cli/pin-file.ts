import { basename, dirname } from 'node:path';
import { NameRules } from '../gc/archive/names.ts';
import { PinError } from '../gc/archive/pin-file.ts';
import { sight } from '../gc/inventory/sight.ts';
import { errorCode, explain } from '../gc/system/files.ts';
import { nodeFiles } from '../gc/system/node-files.ts';
import { InputError, Refusal } from './errors.ts';

export {
  MANAGER,
  type Pin,
  parsePin,
  readPin,
  removePin,
  requireRoomForPin,
  writePin,
} from '../gc/archive/pin-file.ts';

/** Refuses what is no archive: a link, a directory, another name. What is not there is a wrong call. */
export function requireArchive(path: string, patterns: readonly string[]): void {
  const directory = dirname(path);
  const device = nodeFiles.stat(directory)?.device;
  if (device === undefined) throw new InputError(`${directory} does not exist`);
  const rules = new NameRules(patterns.length > 0 ? patterns : undefined);
  const sighting = sight(nodeFiles, directory, basename(path), device, rules);
  if (sighting === null) throw new InputError(`${path} does not exist`);
  if (sighting.role === 'foreign') {
    const remedy = sighting.reason.includes('name') ? '; --pattern tells other names of archives' : '';
    throw new Refusal(`${path} is no archive: ${sighting.reason}${remedy}`);
  }
  if (sighting.role !== 'archive') throw new Refusal(`${path} is no archive: it is a ${sighting.role}`);
}

/** Runs what touches files, and makes a sentence of the system's error. */
export async function telling<T>(what: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof PinError) throw new Refusal(error.message);
    if (errorCode(error) === null) throw error;
    throw new Refusal(`${what}: ${explain(error)}`);
  }
}
