import type { Command, HelpConfiguration } from 'commander';
import { shownFlags } from './options.ts';

/** Help as the documentation spells things: `--directory DIR`, and the program's name on every line of usage. */
export const helpStyle: HelpConfiguration = {
  optionTerm: (option) => shownFlags(option.flags),
  argumentTerm: (argument) => argument.name().toUpperCase(),
  commandUsage(command) {
    const parents: string[] = [];
    for (let parent = command.parent; parent !== null; parent = parent.parent) parents.unshift(parent.name());
    return [...parents, command.name(), shownFlags(command.usage())].join(' ');
  },
  subcommandTerm: (command) =>
    [command.name(), ...command.registeredArguments.map((each) => each.name().toUpperCase())].join(' '),
};

/** How a person calls a command: `kubectl checkpoint ls`. */
export function callOf(command: Command): string {
  return `${command.parent?.name() ?? ''} ${command.name()}`.trim();
}

/** Appends the part that a person learns from: sentences, then calls that work. */
export function explainCommand(
  command: Command,
  text: string,
  examples: readonly (readonly [string, string])[],
): void {
  const shown = examples.map(([call, effect]) => `  ${call}\n      ${effect}`).join('\n');
  command.addHelpText('after', `\n${text.trim()}\n\nExamples:\n${shown}`);
}
