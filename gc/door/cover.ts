import type { Archive } from '../../policy/types.ts';
import { isSame } from './container.ts';
import type { Reserved } from './ledger-state.ts';

/**
 * Which archive each reservation has become. An archive that the kubelet named is its reservation's; others go to
 * the oldest reservation of their container that could have made them. None goes to two.
 *
 * @param archives standing still, with their identity.
 * @param isClaimed whether an archive is another's already.
 */
export function cover(
  reserved: readonly Reserved[],
  archives: readonly Archive[],
  isClaimed: (archive: Archive) => boolean,
): Map<string, Archive> {
  const covered = new Map<string, Archive>();
  const taken = new Set<Archive>();
  const take = ({ id }: Reserved, archive: Archive | undefined) => {
    if (archive === undefined) return;
    covered.set(id, archive);
    taken.add(archive);
  };
  const isFree = (archive: Archive) =>
    archive.state === 'complete' && !taken.has(archive) && !isClaimed(archive);
  for (const each of reserved) {
    if (each.file === null) continue;
    take(
      each,
      archives.find((archive) => archive.file === each.file && isFree(archive) && couldBeOf(archive, each)),
    );
  }
  const unnamed = reserved.filter(({ file }) => file === null).sort((one, other) => one.since - other.since);
  if (unnamed.length === 0) return covered;
  const oldestFirst = archives.toSorted((one, other) => one.modifiedAt - other.modifiedAt);
  for (const each of unnamed) {
    take(
      each,
      oldestFirst.find((archive) => isFree(archive) && couldBeOf(archive, each)),
    );
  }
  return covered;
}

/** An archive is written last at the end of its checkpoint, which takes a tenth of a second at least. */
function couldBeOf({ identity, modifiedAt }: Archive, reserved: Reserved): boolean {
  return identity !== null && isSame(identity, reserved) && modifiedAt >= reserved.since;
}
