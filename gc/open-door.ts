import type { Decision } from '../policy/types.ts';
import type { Assembled } from './assemble.ts';
import { stateDirectoryOf } from './assemble.ts';
import type { DoorArchives } from './door/archives/open.ts';
import { type RunningDoor, startDoor } from './door/main.ts';
import type { CollectorOptions, DoorPart } from './options.ts';

/**
 * Opens the node's door onto a collector; null where none is asked for. Rejects with a sentence when it cannot
 * listen, or keep its ledger.
 */
export async function openDoor(options: CollectorOptions, assembled: Assembled): Promise<RunningDoor | null> {
  const { door: part, stateDirectory, nodeName, directory, log, metrics, clock, dryRun } = options;
  if (part === undefined) return null;
  if (dryRun) throw new RangeError('a dry run makes no room, so it has no door');
  if (stateDirectory === undefined) throw new RangeError('the door needs a state directory for its ledger');
  if (nodeName === undefined) throw new RangeError("the door needs the node's name in the API");
  const { archives: callers, ...rest } = part;
  const { inventory, active, evictions, disk, clockWatch, changes, audit } = assembled;
  const door = await startDoor({
    ...rest,
    nodeName,
    // A request is the checkpoint that policies may be waiting for.
    policies: () => (active.isKnown ? active.forRequests : null),
    directory: inventory,
    ...(callers && { archives: archivesOf(callers, directory, assembled) }),
    disk: () => disk.measure(),
    evict: (decisions) => evictions.carryOut(decisions),
    withheld: (decisions) => evictions.withheld(decisions),
    trustedNow: () => clockWatch.trustedNow(),
    state: stateDirectoryOf(stateDirectory, directory),
    audit,
    log,
    ...(metrics && { registry: metrics.registry }),
    ...(clock && { clock }),
  });
  changes.add(() => door.directoryChanged());
  return door;
}

/** What the door's archives are made of, for the gateway. */
function archivesOf(
  callers: NonNullable<DoorPart['archives']>,
  directory: string,
  { inventory, active, enforcer, feed, collector }: Assembled,
): DoorArchives {
  return {
    ...{ ...callers, directory, inventory, enforcer, feed },
    policies: () => (active.isKnown ? active.set : null),
    deletions: () => collector.report?.plan.deletions ?? NONE,
  };
}

const NONE: readonly Decision[] = [];
