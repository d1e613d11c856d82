import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** The pages whose commands somebody types; the generated reference has none. */
export const PAGES: readonly string[] = [
  'README.md',
  ...['docs', 'docs/guide', 'docs/operations'].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
];

export function page(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** The fenced blocks of a page in this language. */
export function blocks(path: string, language: string): readonly string[] {
  const fences = page(path).matchAll(/^```(\w+)\n(.*?)^```$/gms);
  return [...fences].flatMap(([, given, content = '']) => (given === language ? [content] : []));
}

/**
 * What a reader would type: lines of `sh` blocks, continued ones as one, without comments; and what stands behind `$ `
 * in a `text` block, which shows the answer as well.
 */
export function commandsOf(path: string): readonly string[] {
  const typed = blocks(path, 'sh').flatMap((block) => block.replace(/\s*\\\n\s*/g, ' ').split('\n'));
  return [...typed, ...transcripts(path).map(({ command }) => command)]
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
}

/** A command and what it prints, lines that are left out as `…`. */
export interface Transcript {
  readonly command: string;
  readonly lines: readonly string[];
}

export function transcripts(path: string): readonly Transcript[] {
  return blocks(path, 'text').flatMap((block) => {
    const [first = '', ...lines] = block.trimEnd().split('\n');
    return first.startsWith('$ ') ? [{ command: first.slice(2), lines }] : [];
  });
}
