import type { Command } from 'commander';
import type { Context } from './context.ts';
import { EXIT } from './errors.ts';
import { explainCommand } from './help.ts';
import { archiveArgument, optional, patternOption } from './options.ts';
import {
  MANAGER,
  type Pin,
  readPin,
  requireArchive,
  requireRoomForPin,
  telling,
  writePin,
} from './pin-file.ts';
import { printableName } from './text.ts';
import { nonEmpty } from './values.ts';

export function define(command: Command): (context: Context) => Promise<number> {
  const archive = archiveArgument(command);
  const reason = optional(command, '--reason <text>', 'why it is held; stands in the pin', nonEmpty);
  const patterns = patternOption(command);
  explainCommand(
    command,
    `A pin is a file ARCHIVE.keep beside the archive, as the public operator knows it: whatever is in it, the
archive is never deleted, and it still counts towards limits. A pin that is there already stays as it is.`,
    [
      [
        'checkpoint-warden pin /var/lib/kubelet/checkpoints/checkpoint-cart_shop-main-2026-11-21T00:19:10Z.tar --reason "incident 42"',
        'holds it until unpin',
      ],
    ],
  );
  return (context) => pin(archive(), reason() ?? null, patterns(), context);
}

async function pin(
  archive: string,
  reason: string | null,
  patterns: readonly string[],
  { out, now }: Context,
): Promise<number> {
  await telling(`${archive} could not be pinned`, async () => {
    requireArchive(archive, patterns);
    requireRoomForPin(archive);
    const existing = await readPin(archive);
    const isNews = existing?.managedBy === MANAGER && reason !== null && existing.note !== reason;
    if (existing === null || isNews) {
      await writePin(archive, { reason }, new Date(now()));
      out.write(`pinned ${printableName(archive)}\n`);
    } else {
      out.write(`${printableName(archive)} is pinned already, by ${holder(existing)}\n`);
    }
  });
  return EXIT.done;
}

/** Who made a pin, for a sentence. */
export function holder({ managedBy }: Pin): string {
  return managedBy === null ? 'a hand-made pin' : printableName(managedBy);
}
