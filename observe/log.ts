import { type DestinationStream, pino } from 'pino';
import { scrub } from './scrub.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** A logger of pino, as far as this project uses it; `kube/types.ts` has a part of it for rooms that only tell. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** The same log with these fields in every line. */
  child(fields: Record<string, unknown>): Logger;
}

export interface LogOptions {
  /** Default `info`. */
  readonly level?: LogLevel;
  /** Default `stderr`, so that what a command prints stays apart. */
  readonly to?: 'stdout' | 'stderr';
  /** In every line: `{node: 'worker-1'}`. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Takes the lines in place of `to`. */
  readonly destination?: { write(line: string): void };
  /**
   * Lines below `warn` are written together, some hundredths of a second later: for a server that logs each request. A
   * process that is killed may lose those; one that ends loses none. Default false.
   */
  readonly together?: boolean;
}

/**
 * A log of JSON lines. Lines are written before the call returns, so that a process that ends loses none, unless
 * `together` says otherwise. What looks like a token, a password or a private key is taken out of every line, wherever it stands in it.
 */
export function createLog(options: LogOptions = {}): Logger {
  const { level = 'info', to = 'stderr', fields = {}, together = false } = options;
  const destination = options.destination ?? standardStream(to);
  return pino(
    {
      level,
      base: { ...fields },
      messageKey: 'message',
      timestamp: isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorFields, error: errorFields },
      hooks: { streamWrite: scrub },
    },
    together ? gathered(destination) : destination,
  );
}

let [shownAt, shown] = [Number.NaN, ''];

/** The time as pino puts it into a line; in a millisecond of load there are many lines. */
function isoTime(): string {
  const now = Date.now();
  if (now !== shownAt) [shownAt, shown] = [now, `,"time":"${new Date(now).toISOString()}"`];
  return shown;
}

/** Lines that wait while they cannot be written; the lines behind them are lost. */
const MOST_WAITING_BYTES = 1024 * 1024;

/**
 * A log that leads to a full disk must not end the program that is to make room there: its lines wait for the next
 * one that can be written. There is nowhere left to tell of it.
 */
function standardStream(to: 'stdout' | 'stderr'): DestinationStream {
  const fd = to === 'stdout' ? 1 : 2;
  return pino.destination({ fd, sync: true, maxLength: MOST_WAITING_BYTES }).on('error', () => {});
}

/** A quarter of what a pipe holds: a write waits for no reader that is a little late. */
const MOST_GATHERED = 16 * 1024;
const GATHERED_MS = 20;

/** How lines begin that may wait; `level` stands first in all of them. */
const CALM = /^\{"level":"(?:info|debug)"/;

/** Each write is a call of the system and wakes who reads: as much as half a review. */
function gathered(destination: { write(line: string): void }): { write(line: string): void } {
  let lines = '';
  let due: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(due);
    due = undefined;
    if (lines === '') return;
    const text = lines;
    lines = '';
    destination.write(text);
  };
  process.once('exit', flush);
  return {
    write(line) {
      lines += line;
      if (lines.length > MOST_GATHERED || !CALM.test(line)) flush();
      else due ??= setTimeout(flush, GATHERED_MS).unref();
    },
  };
}

/** How long a message of an error may be: some carry a whole answer of the API server. */
const LONGEST_MESSAGE = 1_000;
const MOST_CAUSES = 5;

/** An error as a log shows it: its further properties stay out, for they may hold requests with their headers. */
export function errorFields(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return typeof error === 'string' ? shortened(error) : error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return {
    type: error.name,
    message: shortened(error.message),
    ...(code !== undefined && { code }),
    ...(error.cause !== undefined && depth < MOST_CAUSES && { cause: errorFields(error.cause, depth + 1) }),
    // Errors of the system come from where the machine is at fault, and not from a place in the program.
    ...(depth === 0 && code === undefined && error.stack !== undefined && { stack: shortened(error.stack) }),
  };
}

function shortened(text: string): string {
  return text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE)}…` : text;
}
