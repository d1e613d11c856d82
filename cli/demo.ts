import type { Command } from 'commander';
import type { Context } from './context.ts';
import { runDemo } from './demo/run.ts';
import { explainCommand } from './help.ts';
import { flag, optional } from './options.ts';
import { path } from './values.ts';

const EXPLANATION = `
Lays checkpoint archives into a scratch directory, some of them real ones, starts a collector and a webhook with a
certificate of its own on loopback, and shows what they do: a policy is refused, another one is accepted and acts,
new checkpoints arrive, a pin holds. No cluster and no root are needed, and nothing else on the machine is touched.

Then it goes on running until Ctrl-C, with commands to try from another terminal, and cleans up behind itself.`;

export function define(command: Command): (context: Context) => Promise<number> {
  const exit = flag(command, '--exit', 'end after the show');
  const directory = optional(
    command,
    '--directory <dir>',
    'where to make the scratch directory (default: the folder of the system for temporary files)',
    path,
  );
  explainCommand(command, EXPLANATION, [
    ['checkpoint-warden demo', 'shows it and goes on; npm start does the same'],
    ['checkpoint-warden demo --exit', 'shows it and ends with status 0'],
  ]);
  return (context) => runDemo({ exit: exit(), within: directory() ?? null }, context);
}
