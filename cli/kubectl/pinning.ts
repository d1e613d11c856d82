import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { EXIT, UsageError } from '../errors.ts';
import { callOf, explainCommand } from '../help.ts';
import { printableName } from '../text.ts';
import { encodeList, formatOption } from './output.ts';
import { explained, namesOf, namespacedOptions, resourceName } from './session.ts';

/** `pin` or `unpin`: several archives, one answer each. */
export function definePinning(command: Command, pinned: boolean): (context: Context) => Promise<number> {
  command.argument('<name...>', 'names of checkpoints, as kubectl checkpoint ls shows them');
  const open = namespacedOptions(command);
  const format = formatOption(command);
  const call = callOf(command);
  const explanation = pinned
    ? 'A pinned archive is deleted by no policy and no pressure on the disk, and still counts towards every limit.\nIt is the label checkpoint.criu.org/pinned: "true" of the object, and a file ARCHIVE.keep on the node.'
    : 'An archive that is let go again is judged at once: kubectl checkpoint explain NAME says what becomes of it.';
  explainCommand(command, explanation, [
    [`${call} cart-main-7x2k -n shop`, pinned ? 'holds one archive' : 'lets one archive go'],
    pinned
      ? [
          `kubectl checkpoint plan -n shop -o name | xargs ${call} -n shop`,
          'holds all that would be deleted now; as they still count, others may have to go in their place',
        ]
      : [
          `kubectl checkpoint ls -n shop -l checkpoint.criu.org/pinned=true -o name | xargs ${call} -n shop`,
          'lets all go that are held',
        ],
  ]);
  return (context) =>
    open(context, async ({ checkpoints, namespace }) => {
      const names = namesOf(command);
      if (names.length === 0) throw new UsageError(`${command.name()} needs the NAME of a checkpoint`);
      let code: number = EXIT.done;
      const changed = [];
      for (const name of names) {
        try {
          changed.push(await checkpoints.pin(namespace, name, pinned));
          if (format() === 'table' || format() === 'wide') {
            context.out.write(`${printableName(resourceName(name))} ${pinned ? 'pinned' : 'unpinned'}\n`);
          }
        } catch (error) {
          if (names.length === 1) throw error;
          const told = explained(error);
          context.err.write(`error: ${told instanceof Error ? told.message : String(told)}\n`);
          code = EXIT.refused;
        }
      }
      context.out.write(encodeList(changed, format()) ?? '');
      return code;
    });
}
