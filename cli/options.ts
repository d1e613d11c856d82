import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from './errors.ts';
import { nonEmpty, path } from './values.ts';

/** Reads an option's text; throws InvalidArgumentError with a sentence when it cannot be one. */
export type Parse<T> = (text: string) => T;

/** An option that may be given once. @returns its value after parsing; undefined when it was not given. */
export function optional<T>(
  command: Command,
  flags: string,
  help: string,
  parse: Parse<T>,
): () => T | undefined {
  let value: T | undefined;
  let given = false;
  const option = new Option(flags, help).argParser((text) => {
    if (given) throw new InvalidArgumentError('It is given twice.');
    given = true;
    value = parse(text);
  });
  command.addOption(option);
  return () => value;
}

/** An option that must be given once. */
export function required<T>(command: Command, flags: string, help: string, parse: Parse<T>): () => T {
  const value = optional(command, flags, help, parse);
  return () => {
    const given = value();
    if (given === undefined) throw new UsageError(`${command.name()} needs ${shownFlags(flags)}`);
    return given;
  };
}

/** An option that may be given several times, in order. */
export function repeated<T>(
  command: Command,
  flags: string,
  help: string,
  parse: Parse<T>,
): () => readonly T[] {
  const values: T[] = [];
  command.addOption(new Option(flags, help).argParser((text) => void values.push(parse(text))));
  return () => values;
}

/** An option that must be given, and may be several times. */
export function repeatedAtLeastOnce<T>(
  command: Command,
  flags: string,
  help: string,
  parse: Parse<T>,
): () => readonly T[] {
  const values = repeated(command, flags, help, parse);
  return () => {
    if (values().length === 0) throw new UsageError(`${command.name()} needs ${shownFlags(flags)}`);
    return values();
  };
}

export function flag(command: Command, flags: string, help: string): () => boolean {
  const option = new Option(flags, help);
  command.addOption(option);
  return () => command.getOptionValue(option.attributeName()) === true;
}

/** A flag `--no-…`. @returns false where it is given. */
export function flagUnless(command: Command, flags: `--no-${string}`, help: string): () => boolean {
  const option = new Option(flags, help);
  command.addOption(option);
  return () => command.getOptionValue(option.attributeName()) !== false;
}

export function choice<T extends string>(
  command: Command,
  flags: string,
  help: string,
  choices: readonly [T, ...T[]],
): () => T {
  const value = optional(command, flags, `${help}: ${choices.join(', ')} (default ${choices[0]})`, (text) => {
    const chosen = choices.find((each) => each === text);
    if (chosen === undefined) throw new InvalidArgumentError(`Write ${choices.join(' or ')}.`);
    return chosen;
  });
  return () => value() ?? choices[0];
}

/** `--directory <dir>` as the documentation writes it: `--directory DIR`. */
export function shownFlags(flags: string): string {
  return flags.replace(/<([^>]+)>/g, (_, name: string) => name.toUpperCase());
}

/** The one argument of commands for one archive: its path. */
export function archiveArgument(command: Command): () => string {
  command.argument('<archive>', 'path of the archive');
  return () => path(command.args[0] ?? '');
}

/** `--directory DIR`: where the archives are. */
export function directoryOption(command: Command): () => string {
  return required(command, '--directory <dir>', 'the directory of the archives', path);
}

export function patternOption(command: Command): () => readonly string[] {
  return repeated(
    command,
    '--pattern <glob>',
    "names of archives, * and ? stand for anything; repeatable (default checkpoint-*.tar, the kubelet's)",
    nonEmpty,
  );
}

const LEVELS = ['info', 'debug', 'warn', 'error', 'silent'] as const;

export function logLevelOption(command: Command): () => (typeof LEVELS)[number] {
  return choice(command, '--log-level <level>', 'what to log', LEVELS);
}
