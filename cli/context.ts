import { constants } from 'node:os';
import type { WriteStream } from 'node:tty';
import { errorCode, explain } from '../gc/system/files.ts';
import type { Instant } from '../policy/types.ts';
import { EXIT } from './errors.ts';

/** Where a command writes. */
export interface Output {
  write(text: string): void;
  /** A person reads it: colour and progress make sense. */
  readonly isTerminal: boolean;
  /** Colour is wanted: a terminal, and neither NO_COLOR nor a dumb one. */
  readonly hasColour: boolean;
  /** Columns of the terminal; null where lines may be as long as they like. */
  readonly width: number | null;
}

/** What a command needs of the process that it runs in. */
export interface Context {
  readonly out: Output;
  readonly err: Output;
  now(): Instant;
  /** Aborted by SIGINT and SIGTERM from the first call on; who never calls it is ended by them as usual. */
  untilStopped(): AbortSignal;
}

/** The context of the real process, and its end. */
export interface ProcessContext extends Context {
  /** Ends the process when its output is written; with 1 and a sentence when it cannot be. */
  end(code: number): void;
}

/** The real process. */
export function processContext(): ProcessContext {
  let stopping: AbortController | undefined;
  let failure: Error | undefined;
  const err = outputTo(process.stderr);
  process.stdout.on('error', (error) => {
    if (failure === undefined && errorCode(error) !== 'EPIPE') err.write(unwritable(error));
    failure ??= error;
    if (stopping === undefined) process.exit(codeAfter(failure, EXIT.done));
    stopping.abort();
  });
  process.stderr.on('error', () => {});
  return {
    out: outputTo(process.stdout),
    err,
    now: Date.now,
    untilStopped() {
      stopping ??= stopBySignals();
      return stopping.signal;
    },
    end(code) {
      // What is written may still wait in a pipe; a handle that somebody forgot must not keep the process.
      process.stdout.write('', () => {
        // An error of the last write is told by its event, which comes behind the call-back.
        setImmediate(() => process.exit(codeAfter(failure, code)));
      });
    },
  };
}

/** Who reads only the first lines (`… | head`) closes the pipe, and has what he wanted. */
function codeAfter(failure: Error | undefined, code: number): number {
  return failure === undefined || errorCode(failure) === 'EPIPE' ? code : EXIT.refused;
}

function unwritable(error: Error): string {
  const why = errorCode(error) === 'ENOSPC' ? 'no space is left there (ENOSPC)' : explain(error);
  return `checkpoint-warden: standard output cannot be written: ${why}; see where it leads to\n`;
}

function stopBySignals(): AbortController {
  const controller = new AbortController();
  const stop = (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') => {
    // Asked twice: the person does not want to wait for the clean end. A shell reports such an end in this way.
    if (controller.signal.aborted) process.exit(128 + constants.signals[signal]);
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // The terminal was closed. Under nohup, which redirects, it is to be survived.
  if (process.stdout.isTTY) process.on('SIGHUP', stop);
  return controller;
}

function outputTo(stream: WriteStream): Output {
  const isTerminal = stream.isTTY === true;
  return {
    write: (text) => {
      stream.write(text);
    },
    isTerminal,
    hasColour: isTerminal && stream.hasColors(),
    get width() {
      return isTerminal && stream.columns > 0 ? stream.columns : null;
    },
  };
}
