import type { InformerTiming } from '../kube/informer.ts';

/** Milliseconds. */
export interface Timings {
  /** From the connection to the end of the TLS handshake. */
  readonly handshake: number;
  /** From the first byte of a request to the end of its headers. */
  readonly headers: number;
  /** From the first byte of a request to its last. */
  readonly request: number;
  /** That an idle connection stays open. */
  readonly keepAlive: number;
  /** How often the two limits on requests are looked at. */
  readonly check: number;
  /** From the wish to stop to the end of new connections, while the endpoints of the Service catch up. */
  readonly drain: number;
  /** From then on, for what is in flight; at its end connections are cut. */
  readonly finish: number;
}

export const TIMINGS: Timings = {
  handshake: 10_000,
  headers: 10_000,
  request: 20_000,
  // The API server keeps idle connections for 90 s: whoever closes first must not be us, or requests get lost.
  keepAlive: 100_000,
  check: 2_000,
  drain: 10_000,
  finish: 15_000,
};

/**
 * How the webhook follows the policies of a cluster. A single API server that restarts takes all replicas' sight at
 * once; were they unready when it is back, it would refuse every policy until its endpoints have caught up. So a view
 * that is known to be lost goes on for a minute, and a few replicas may try often where thousands of collectors must
 * not.
 */
export const SOURCE_TIMING: Pick<InformerTiming, 'freshMs' | 'lostMs' | 'mostBackoffMs'> = {
  lostMs: 60_000,
  // A silent connection is noticed after 75 s; the rest is `lostMs`.
  freshMs: 150_000,
  mostBackoffMs: 2_000,
};
