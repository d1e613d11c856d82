import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fieldsOf, own, text } from '../policy/json.ts';

/** The directory of the package: the sources run from `cli/`, the build from `dist/cli/`. */
export function packageRoot(): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error('the package.json of checkpoint-warden is missing');
    directory = parent;
  }
  return directory;
}

export function version(): string {
  const parsed: unknown = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
  return text(own(fieldsOf(parsed), 'version'));
}
