import type { CheckpointNodeWriter } from '../../kube/checkpoint-nodes.ts';
import type { Log } from '../../kube/types.ts';
import type { CollectorMetrics } from '../../observe/metrics.ts';
import type { JsonObject } from '../../policy/json.ts';
import { HEARTBEAT_MS } from '../../policy/node-schema.ts';
import type { Instant } from '../../policy/types.ts';
import type { Clock } from '../system/clock.ts';
import { essenceOf } from './node-status.ts';

export interface NodeReporterOptions {
  readonly writer: CheckpointNodeWriter;
  /** What there is to say now. */
  readonly status: () => Promise<JsonObject>;
  readonly clock: Clock;
  /** 0 to 1: so that the nodes of a cluster that starts do not write at one moment. */
  readonly random: () => number;
  readonly metrics: CollectorMetrics;
  readonly log: Log;
}

/** A node that takes a checkpoint a second writes as often as this. */
const LEAST_BETWEEN_MS = 5_000;
/** The first one comes within this time. */
const SPREAD_MS = 10_000;
const MOST_BACKOFF_MS = 5 * 60_000;

/** Writes what the node's object says: on change, some seconds apart, and now and then without one. */
export class NodeReporter {
  readonly #options: NodeReporterOptions;
  #written: { readonly essence: string; readonly at: Instant } | null = null;
  #nextAt: Instant;
  #failures = 0;
  #cancel: (() => void) | null = null;
  #writing: Promise<void> | null = null;
  #isWanted = false;
  #stopped = false;

  constructor(options: NodeReporterOptions) {
    this.#options = options;
    this.#nextAt = options.clock.now() + SPREAD_MS * options.random();
  }

  /**
   * Something may have changed.
   * @param where `everywhere`: on all nodes at once, as policies do; then they do not all write at one moment.
   */
  wake(where: 'here' | 'everywhere' = 'here'): void {
    this.#isWanted = true;
    if (this.#stopped || this.#writing !== null || this.#cancel !== null) return;
    const { clock, random } = this.#options;
    const spread = where === 'everywhere' ? SPREAD_MS * random() : 0;
    // A clock that was set back does not make it wait for longer.
    const wait = Math.min(Math.max(spread, this.#nextAt - clock.now()), Math.max(SPREAD_MS, this.#pauseMs()));
    this.#cancel = clock.after(wait, () => {
      this.#cancel = null;
      this.#writing = this.#write().finally(() => {
        this.#writing = null;
        if (this.#isWanted) this.wake();
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { writer, status, clock, metrics, log } = this.#options;
    this.#isWanted = false;
    try {
      const now = clock.now();
      const current = await status();
      const essence = essenceOf(current);
      const isDue = this.#written === null || Math.abs(now - this.#written.at) >= HEARTBEAT_MS;
      if (!isDue && essence === this.#written?.essence) return;
      await writer.write(current);
      if (this.#failures > 0) log.info({}, "the node's object can be written again");
      this.#failures = 0;
      this.#written = { essence, at: now };
    } catch (err) {
      this.#failures += 1;
      this.#isWanted = true;
      metrics.errors.inc({ operation: 'status' });
      if (this.#failures === 1) log.warn({ err }, "the node's object (CheckpointNode) cannot be written");
    }
    this.#nextAt = clock.now() + this.#pauseMs();
  }

  #pauseMs(): number {
    const { random } = this.#options;
    const pause = Math.min(LEAST_BETWEEN_MS * 2 ** Math.min(this.#failures, 10), MOST_BACKOFF_MS);
    return pause * (1 + random() / 2);
  }
}
