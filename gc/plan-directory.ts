import type { PodLookup } from '../kube/types.ts';
import type { PolicySet } from '../policy/govern.ts';
import { plan } from '../policy/plan.ts';
import type { Archive, Disk, Instant, OrphanProof, Plan, PolicyResource } from '../policy/types.ts';
import { ActivePolicies } from './deciding/active.ts';
import { sinceMade } from './deciding/missing-pods.ts';
import { whyGone } from './deciding/orphans.ts';
import { watchedPods } from './deciding/watched-pods.ts';
import { Inventory } from './inventory/inventory.ts';
import type { OnProgress } from './inventory/scan.ts';
import { type Clock, pause, systemClock } from './system/clock.ts';
import { explain, type FileSystem } from './system/files.ts';
import { nodeFiles } from './system/node-files.ts';
import { sameDirectoryAs } from './system/same-directory.ts';

export interface PlanDirectoryOptions {
  /** Absolute. */
  readonly directory: string;
  /** Names of archives; default the kubelet's. */
  readonly patterns?: readonly string[];
  readonly resources: readonly PolicyResource[];
  /** The pods of a list: what it lacks is missing since the archive was made. Without it nothing is an orphan. */
  readonly pods?: PodLookup | null;
  /** The time that ages are counted to. */
  readonly now: Instant;
  /** As a collector does with policies from files: one for the kubelet's directory acts here too. Default true. */
  readonly lenientDirectory?: boolean;
  readonly files?: FileSystem;
  readonly clock?: Clock;
  readonly onProgress?: OnProgress;
  /** One that was just scanned, in the place of a new one. */
  readonly inventory?: Inventory;
}

export interface PlannedDirectory {
  readonly plan: Plan;
  readonly inventory: Inventory;
  readonly policies: PolicySet;
  /** Resources for other directories, which have no part in the plan. */
  readonly elsewhere: readonly PolicyResource[];
  /** Null when it cannot be told; then the plan has nothing of disk pressure. */
  readonly disk: Disk | null;
}

/** Archives that were written a moment ago get this long (milliseconds) to be seen standing still. */
const SETTLE_MS = 3_000;

/**
 * What a collector would do with a directory now. Reads only. Rejects with a sentence when the directory cannot be
 * read, or a look-up of a pod fails; RangeError for a pattern that cannot be one.
 */
export async function planDirectory(options: PlanDirectoryOptions): Promise<PlannedDirectory> {
  const { directory, resources, now, lenientDirectory = true, files = nodeFiles } = options;
  const inventory = options.inventory ?? (await takeInventory(options, files));
  const isSameDirectory = sameDirectoryAs(directory, files);
  const active = new ActivePolicies({ directory, lenientDirectory, isSameDirectory });
  active.update(resources, now);
  const policies = active.set;
  const proofs = await proofsOf(inventory, policies, options.pods ?? null, now);
  const byName = [...inventory.archives()].sort((a, b) => (a.file < b.file ? -1 : 1));
  const archives = byName.map((archive): Archive => {
    const orphan = proofs.get(archive.file);
    return orphan === undefined ? archive : { ...archive, orphan };
  });
  const disk = await files.statfs(directory).catch(() => null);
  const planned = plan({ archives, ...(disk && { disk }) }, policies, now);
  return { plan: planned, inventory, policies, elsewhere: active.elsewhere, disk };
}

async function takeInventory(options: PlanDirectoryOptions, files: FileSystem): Promise<Inventory> {
  const { directory, patterns, clock = systemClock, onProgress } = options;
  const inventory = new Inventory({
    files,
    directory,
    clock: () => clock.now(),
    onChange: () => {},
    ...(patterns && patterns.length > 0 && { patterns }),
  });
  await inventory.scan(onProgress);
  const settled = clock.now() + SETTLE_MS;
  for (let due = inventory.nextLook(); due !== null && due <= settled; due = inventory.nextLook()) {
    await pause(clock, Math.max(1, due - clock.now()));
    await inventory.look();
    if (clock.now() > settled) break;
  }
  const { state } = inventory;
  if (!state.ok) throw new Error(state.reason);
  return inventory;
}

async function proofsOf(
  inventory: Inventory,
  policies: PolicySet,
  pods: PodLookup | null,
  now: Instant,
): Promise<ReadonlyMap<string, OrphanProof>> {
  const proofs = new Map<string, OrphanProof>();
  if (pods === null) return proofs;
  for (const { namespace, pod, archives } of watchedPods(inventory.archives(), policies)) {
    const facts = await pods.get(namespace, pod).catch((error: unknown) => {
      const message = `the pod ${namespace}/${pod} could not be looked up: ${explain(error)}`;
      throw new Error(message, { cause: error });
    });
    for (const archive of archives) {
      const why = whyGone(archive.identity, facts);
      if (why !== null) proofs.set(archive.file, { since: sinceMade.since(archive, now), why });
    }
  }
  return proofs;
}
