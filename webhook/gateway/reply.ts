/** An answer of the gateway, its own or a door's. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** A request as it came in. */
export interface Ask {
  readonly method: string | undefined;
  /** The raw request target. */
  readonly url: string | undefined;
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
  readonly authorization: string | undefined;
  /** Whether another request of the same connection is still without an answer. */
  readonly pipelined: boolean;
  /** The other side's address. */
  readonly from: string;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
}

/** The reason with which a caller's signal is aborted. */
export class CallerLeft extends Error {
  override readonly name = 'CallerLeft';
}
