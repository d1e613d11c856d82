/**
 * The known names that were probably meant. `maxCheckpoints` belongs to one level as it is, and to others with
 * `PerPod` behind it; what shares no such stem gets the nearest name.
 */
export function similar(given: string, known: readonly string[]): string[] {
  const longer = known.filter((each) => given.length >= LONG_STEM && each.startsWith(given));
  if (longer.length > 0) return longer;
  const shorter = known.filter((each) => each.length >= LONG_STEM && given.startsWith(each));
  if (shorter.length > 0) return shorter;
  const near = nearest(given, known);
  return near === undefined ? [] : [near];
}

/** Letters that two names must share from the start to be of one kind: those of `maxTotalSize`. */
const LONG_STEM = 12;

/** The known name within a third of the letters of the given one; undefined when none is near. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  if (given.length > 64) return undefined;
  let best: string | undefined;
  let least = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(given.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's distance. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}

/** `one`, `one or two`, `one, two or three`. */
export function anyOf(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}
