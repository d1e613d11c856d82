import type { Log, UserInfo } from '../../../kube/types.ts';
import type { Audit } from '../../../observe/audit.ts';
import { CHECKPOINT_API } from '../../../policy/checkpoint-object.ts';
import type { Decision } from '../../../policy/types.ts';
import { PIN_SUFFIX } from '../../archive/names.ts';
import { PinError, readPin, removePin, requireRoomForPin, writePin } from '../../archive/pin-file.ts';
import type { Enforcer } from '../../deleting/enforce.ts';
import type { Inventory } from '../../inventory/inventory.ts';
import type { Clock } from '../../system/clock.ts';
import { errorCode, explain } from '../../system/files.ts';
import { Refusal } from '../refusal.ts';
import type { OwnedArchive } from './name.ts';

export interface ActsOptions {
  readonly node: string;
  readonly directory: string;
  readonly inventory: Pick<Inventory, 'get' | 'look'>;
  readonly enforcer: Pick<Enforcer, 'carryOut'>;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Log;
}

/** What people do to archives through the API, in the one process that owns the directory. */
export class ArchiveActs {
  readonly #options: ActsOptions;

  constructor(options: ActsOptions) {
    this.#options = options;
  }

  /**
   * Deletes an archive by the collector's own way: a last look, a tombstone, the audit record.
   * @throws Refusal pinned, archiveChanged, notDeleted
   */
  async delete(archive: OwnedArchive, user: UserInfo): Promise<void> {
    const { inventory, enforcer } = this.#options;
    const { file } = archive;
    const decision: Decision = {
      ...{ archive, action: 'delete', rule: 'request', policy: null, resource: null },
      reason: `${user.username} has asked for its deletion through ${CHECKPOINT_API.group}`,
    };
    const isCurrent = () => inventory.get(file) === archive && !archive.pinned;
    const { deleted } = await enforcer.carryOut([decision], isCurrent);
    if (deleted.length > 0) return;
    await inventory.look([file]);
    const found = inventory.get(file);
    if (found?.pinned) throw Refusal.of('pinned', 'the archive is pinned');
    if (found === archive) throw Refusal.of('notDeleted', 'the archive could not be deleted');
    throw Refusal.of('archiveChanged', 'the archive has changed or gone meanwhile');
  }

  /** Holds it against every deletion. One that is held already stays as it is. @throws Refusal */
  async pin(archive: OwnedArchive, user: UserInfo): Promise<void> {
    if (archive.pinned) return;
    const { clock } = this.#options;
    const path = this.#pathOf(archive);
    await this.#touching(archive, async () => {
      requireRoomForPin(path);
      const through = { group: CHECKPOINT_API.group, user: user.username };
      await writePin(path, { reason: null, through }, new Date(clock.now()));
    });
    this.#record(archive, user, 'pin');
  }

  /**
   * Takes a pin away that was set through the API. What somebody holds on the node, or another program, is not a
   * tenant's to let go. @throws Refusal
   */
  async unpin(archive: OwnedArchive, user: UserInfo): Promise<void> {
    if (!archive.pinned) return;
    const path = this.#pathOf(archive);
    await this.#touching(archive, async () => {
      const pin = await readPin(path);
      if (pin === null) return;
      if (pin.through !== CHECKPOINT_API.group) {
        const holder = pin.managedBy === null ? 'by hand' : `by ${pin.managedBy} on the node`;
        throw Refusal.of('pinnedElsewhere', `the archive was pinned ${holder}, not through the API`);
      }
      await removePin(path);
    });
    this.#record(archive, user, 'unpin');
  }

  async #touching({ file }: OwnedArchive, act: () => Promise<void>): Promise<void> {
    const { inventory, log } = this.#options;
    try {
      await act();
    } catch (error) {
      if (error instanceof Refusal) throw error;
      if (!(error instanceof PinError) && errorCode(error) === null) throw error;
      log.error({ archive: file, err: error }, `a pin could not be written or removed: ${explain(error)}`);
      throw Refusal.of('archiveChanged', 'the pin could not be written or removed', { cause: error });
    } finally {
      await inventory.look([file + PIN_SUFFIX, file]);
    }
  }

  #pathOf({ file }: OwnedArchive): string {
    return `${this.#options.directory}/${file}`;
  }

  #record({ file, identity, bytes }: OwnedArchive, user: UserInfo, act: 'pin' | 'unpin'): void {
    const { audit, clock, node, directory, log } = this.#options;
    const { namespace, pod, container, podUid } = identity;
    const timestamp = new Date(clock.now()).toISOString();
    audit.record({
      operation: 'modify',
      timestamp,
      resource: { node, directory, file, namespace, pod, container, podUid },
      metadata: { act, user: user.username, through: CHECKPOINT_API.group, bytes },
    });
    log.info({ archive: file, namespace, pod, container, user: user.username }, `${act} through the API`);
  }
}
