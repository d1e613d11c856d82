import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from 'yaml';

/**
 * The custom resources of cert-manager, out of its module's `deploy/crds`. They are Helm templates, but only their
 * labels are to be filled in, and those are left out here.
 *
 * @returns one YAML text for `kubectl apply`
 */
export async function certManagerDefinitions(folder: string): Promise<string> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort();
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  return texts
    .map((text) => {
      const document = parseDocument(text);
      document.deleteIn(['metadata', 'labels']);
      return document.toString();
    })
    .join('---\n');
}
