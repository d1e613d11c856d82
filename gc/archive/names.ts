/** An archive about to be unlinked carries this name: whoever finds one after a crash finishes the deletion. */
export const TOMBSTONE_PREFIX = '.checkpoint-warden-tombstone-';

/** `ARCHIVE.keep` holds `ARCHIVE` against every deletion; compatible with the public operator. */
export const PIN_SUFFIX = '.keep';

/** A pin that is being written; none yet. */
export const UNFINISHED_PIN_SUFFIX = '.keep.tmp';

/** The kubelet's names: `checkpoint-POD_NAMESPACE-CONTAINER-TIME.tar`. */
export const DEFAULT_PATTERNS: readonly string[] = ['checkpoint-*.tar'];

export type NameRole = 'archive' | 'pin' | 'tombstone' | 'other';

/** Tells names apart. What it is that has the name, only a look can tell. */
export class NameRules {
  readonly #matchers: readonly ((name: string) => boolean)[];

  /**
   * Patterns hold `*` (any characters, none too) and `?` (any one); all else stands for itself. As in a shell,
   * a name that begins with a dot needs a pattern that does.
   *
   * Throws a RangeError for a pattern that is empty or holds a slash or a NUL.
   */
  constructor(patterns: readonly string[] = DEFAULT_PATTERNS) {
    this.#matchers = patterns.map(matcherOf);
  }

  roleOf(name: string): NameRole {
    if (name.startsWith(TOMBSTONE_PREFIX)) return 'tombstone';
    if (name.endsWith(UNFINISHED_PIN_SUFFIX)) return 'other';
    if (name.endsWith(PIN_SUFFIX)) return this.#matches(archiveOfPin(name)) ? 'pin' : 'other';
    return this.#matches(name) ? 'archive' : 'other';
  }

  #matches(name: string): boolean {
    return this.#matchers.some((matches) => matches(name));
  }
}

/** The archive that a pin of this name holds. */
export function archiveOfPin(pin: string): string {
  return pin.slice(0, -PIN_SUFFIX.length);
}

/** What the archives of one container have in common: the kubelet's name up to the time. A guess, and proves nothing. */
export function seriesOf(archive: string): string {
  const time = archive.search(/-\d{4}-\d\d-\d\dT/);
  return time < 0 ? archive : archive.slice(0, time);
}

/** Whether it can be an entry of a directory, and not a way out of it. */
export function isEntryName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0');
}

function matcherOf(pattern: string): (name: string) => boolean {
  if (!isEntryName(pattern)) throw new RangeError(`not a pattern for names in a directory: «${pattern}»`);
  const hidden = pattern.startsWith('.');
  const matchesAll = simpleMatcher(pattern) ?? ((name) => matches(pattern, name));
  return (name) => (hidden || !name.startsWith('.')) && matchesAll(name);
}

/** For a pattern with one star and nothing else, as most are: a tenth of the time of going by characters. */
function simpleMatcher(pattern: string): ((name: string) => boolean) | null {
  const [start, end, more] = pattern.split('*');
  if (start === undefined || end === undefined || more !== undefined || pattern.includes('?')) return null;
  const shortest = start.length + end.length;
  return (name) => name.length >= shortest && name.startsWith(start) && name.endsWith(end);
}

/** Goes back to the last star only, so that it takes |pattern| × |name| steps at most. */
function matches(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let afterStar = 0;
  while (n < name.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++;
      afterStar = n;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++afterStar;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
