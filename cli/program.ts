import { Command, CommanderError } from 'commander';
import { keepHeapSmall } from '../gc/system/memory.ts';
import type { Context, Output } from './context.ts';
import { EXIT, InputError, UsageError } from './errors.ts';
import { beginYoung } from './heap.ts';
import { helpStyle } from './help.ts';
import { version } from './package.ts';
import { paintFor } from './paint.ts';
import { printable } from './text.ts';

/** What the file of a command exports. */
export interface CommandFile {
  /** Adds arguments, options and help, and says what to run. @returns what runs the parsed call: its exit code. */
  define(command: Command): (context: Context) => Promise<number>;
}

/** A command of a program. */
export interface Entry {
  readonly name: string;
  readonly summary: string;
  /** Loaded when it is called only: a policy is validated without loading a Kubernetes client. */
  load(): Promise<CommandFile>;
  /** Called before it is loaded to be run. */
  prepare?(): void;
}

export const COMMANDS: readonly Entry[] = [
  {
    name: 'validate',
    summary: 'say what is wrong with policy files, as kubectl apply would',
    load: () => import('./validate.ts'),
  },
  {
    name: 'plan',
    summary: 'show what gc would do with each archive of a directory, and why; changes nothing',
    load: () => import('./plan.ts'),
  },
  {
    name: 'gc',
    summary: "keep a node's archives within policy: delete what it no longer keeps",
    load: () => import('./gc.ts'),
    prepare: () => keepHeapSmall(),
  },
  {
    name: 'webhook',
    summary: 'judge policies for the API server: admission on create and update',
    load: () => import('./webhook.ts'),
    prepare: beginYoung,
  },
  {
    name: 'certs',
    summary: "tell whether the webhook's certificates are well, and what comes next: certs status",
    load: () => import('./certs.ts'),
  },
  {
    name: 'doctor',
    summary: 'examine an installation: what is wrong, and what to do about it',
    load: () => import('./doctor.ts'),
  },
  {
    name: 'ls',
    summary: 'list the archives of a directory, unreadable and foreign files included',
    load: () => import('./ls.ts'),
  },
  {
    name: 'show',
    summary: 'tell everything about one archive but its memory',
    load: () => import('./show.ts'),
  },
  { name: 'pin', summary: 'hold an archive: no policy deletes it', load: () => import('./pin.ts') },
  { name: 'unpin', summary: 'let an archive go again', load: () => import('./unpin.ts') },
  {
    name: 'demo',
    summary: 'show it all on a scratch directory; what runs without a command',
    load: () => import('./demo.ts'),
  },
];

/** One of the programs of this package. */
export interface Program {
  /** As a person calls it. */
  readonly name: string;
  readonly description: string;
  readonly commands: readonly Entry[];
  /** What runs without a command. */
  readonly usual: readonly string[];
  /** Below the list of commands. */
  readonly about: string;
  /** In front of what went wrong. */
  readonly errorPrefix: string;
}

const NAME = 'checkpoint-warden';

export const WARDEN: Program = {
  name: NAME,
  description: 'Limits on how many container checkpoints a node keeps, how large and how old.',
  commands: COMMANDS,
  usual: ['demo'],
  about: `
A policy is a CheckpointRestoreOperator (criu.org/v1) in a YAML file or in a cluster. Start with

  ${NAME} demo
  ${NAME} validate --help

Exit codes: 0 done or sound, 1 refused or failed, 2 wrong call.`,
  errorPrefix: NAME,
};

/** Runs one call of a program. @returns its exit code; whatever goes wrong is told in one sentence. */
export async function run(
  args: readonly string[],
  context: Context,
  program: Program = WARDEN,
): Promise<number> {
  const called = args.length === 0 ? [...program.usual] : helpOfKnown(args, program);
  let run: ((context: Context) => Promise<number>) | undefined;
  try {
    const commander = newProgram(program, context.out);
    const wanted = called.find((each) => !each.startsWith('-') && each !== 'help');
    for (const entry of program.commands) {
      const command = addCommand(commander, entry);
      if (entry.name !== wanted) continue;
      entry.prepare?.();
      const definition = (await entry.load()).define(command);
      command.action(() => {
        run = definition;
      });
    }
    await commander.parseAsync(called, { from: 'user' });
    return run === undefined ? EXIT.done : await run(context);
  } catch (error) {
    return tell(error, context, called, program);
  }
}

/** `help NAME` of a command that there is not is the call of a command that there is not. */
function helpOfKnown(args: readonly string[], { commands }: Program): string[] {
  const [first, name] = args;
  if (first !== 'help' || name === undefined || name.startsWith('-')) return [...args];
  if (name === 'help') return ['--help'];
  return commands.some((each) => each.name === name) ? [...args] : [name];
}

/** The whole program with every command loaded, for the reference. */
export async function wholeProgram(program: Program = WARDEN): Promise<Command> {
  const commander = newProgram(program, NOWHERE);
  for (const entry of program.commands) (await entry.load()).define(addCommand(commander, entry));
  return commander;
}

function addCommand(commander: Command, { name, summary }: Entry): Command {
  return commander.command(name).summary(summary).description(sentence(summary));
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}

const NOWHERE: Output = { write: () => {}, isTerminal: false, hasColour: false, width: null };

function newProgram({ name, description, about }: Program, out: Output): Command {
  const paint = paintFor(out);
  return new Command(name)
    .description(description)
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    .configureHelp({ ...helpStyle, styleTitle: (title) => paint('bold', title) })
    .configureOutput({
      writeOut: (text) => out.write(text),
      // `tell` writes errors, so that they are one sentence each.
      writeErr: () => {},
      outputError: () => {},
      getOutHelpWidth: () => Math.min(out.width ?? 100, 100),
    })
    .addHelpText('after', about);
}

/** Writes what went wrong in one sentence. @returns the exit code. */
function tell(error: unknown, { err }: Context, called: readonly string[], program: Program): number {
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
  const { name, commands, errorPrefix } = program;
  const message = error instanceof CommanderError ? plainMessage(error) : messageOf(error);
  const sentence = printable(message).replace(/[.\s]+$/, '');
  if (error instanceof CommanderError || error instanceof UsageError) {
    const command = commands.find((each) => called.includes(each.name));
    const help = [name, command?.name, '--help'].filter((each) => each !== undefined).join(' ');
    err.write(`${errorPrefix}: ${sentence}${sentence.endsWith('?') ? ' See' : '; see'} ${help}\n`);
    return EXIT.wrongCall;
  }
  err.write(`${errorPrefix}: ${sentence}\n`);
  return error instanceof InputError ? EXIT.wrongCall : EXIT.refused;
}

/** What nobody foresaw: a sentence as well, and the stack for who asks for it. @returns the exit code. */
export function tellUnforeseen(error: unknown, { err }: Context): number {
  err.write(`${NAME}: ${printable(messageOf(error))}; DEBUG=1 shows where\n`);
  if (process.env.DEBUG !== undefined && error instanceof Error) err.write(`${error.stack}\n`);
  return EXIT.refused;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Commander's message as a part of one sentence. */
function plainMessage(error: CommanderError): string {
  return error.message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.+)\?\)$/, '; did you mean $1?')
    .replace(/<([^>]+)>/g, (_, name: string) => name.toUpperCase());
}
