import type { Command } from 'commander';
import { PIN_SUFFIX } from '../gc/archive/names.ts';
import { nodeFiles } from '../gc/system/node-files.ts';
import type { Context } from './context.ts';
import { EXIT, InputError, Refusal } from './errors.ts';
import { explainCommand } from './help.ts';
import { archiveArgument, flag } from './options.ts';
import { holder } from './pin.ts';
import { MANAGER, readPin, removePin, telling } from './pin-file.ts';
import { printableName } from './text.ts';

export function define(command: Command): (context: Context) => Promise<number> {
  const archive = archiveArgument(command);
  const force = flag(command, '--force', 'remove a pin that another program keeps');
  explainCommand(
    command,
    `Removes ARCHIVE.keep. From then on policy decides again: where it asks for it, the archive is deleted within
moments. A pin that another program keeps, the public operator for a restore, is left alone without --force.`,
    [
      [
        'checkpoint-warden unpin /var/lib/kubelet/checkpoints/checkpoint-cart_shop-main-2026-11-21T00:19:10Z.tar',
        'lets it go',
      ],
    ],
  );
  return (context) => unpin(archive(), force(), context);
}

async function unpin(archive: string, force: boolean, { out }: Context): Promise<number> {
  await telling(`${archive} could not be unpinned`, async () => {
    const pin = await readPin(archive);
    if (pin === null) {
      if (!nodeFiles.exists(archive)) throw new InputError(`${archive} does not exist`);
      out.write(`${printableName(archive)} is not pinned\n`);
      return;
    }
    if (pin.managedBy !== null && pin.managedBy !== MANAGER && !force) {
      const owners = pin.owners.length > 0 ? ` for ${pin.owners.join(', ')}` : '';
      throw new Refusal(
        `${archive}${PIN_SUFFIX} is kept by ${holder(pin)}${owners}; end it there, or give --force`,
      );
    }
    await removePin(archive);
    out.write(`unpinned ${printableName(archive)}\n`);
  });
  return EXIT.done;
}
