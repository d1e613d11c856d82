import type { KubeClient } from '../../kube/client.ts';
import { serverTime } from '../../kube/secrets.ts';
import { formatDuration } from '../../policy/duration.ts';
import type { Instant } from '../../policy/types.ts';
import { BACKDATED_MS } from '../validity.ts';
import { messageOf } from './view.ts';

export interface ServerClockOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly now: () => Instant;
}

/** Beyond it, what this machine's clock dates would be good for nobody else. */
const MOST_SKEW_MS = BACKDATED_MS - 60_000;

/**
 * The time that certificates are judged and dated by: this machine's, unless it is far from the API server's. That one
 * counts then, because it is the API server that verifies.
 */
export class ServerClock {
  /** Milliseconds that the API server's clock is ahead of this one; 0 while they agree. */
  offset = 0;
  /** As a sentence. */
  problem: string | null = null;
  readonly #options: ServerClockOptions;

  constructor(options: ServerClockOptions) {
    this.#options = options;
  }

  now(): Instant {
    return this.#options.now() + this.offset;
  }

  /** Asks the API server. Never rejects. @returns `corrected` when the time is another one from now on */
  async compare(): Promise<'corrected' | 'right' | 'unknown'> {
    const { client, namespace, now } = this.#options;
    try {
      const ahead = (await serverTime(client, namespace)) - now();
      const offset = Math.abs(ahead) <= MOST_SKEW_MS ? 0 : ahead;
      const isAnother = Math.abs(offset - this.offset) > MOST_SKEW_MS;
      if (isAnother) this.offset = offset;
      this.problem = this.offset === 0 ? null : sentence(this.offset);
      return isAnother ? 'corrected' : 'right';
    } catch (error) {
      this.problem = `the API server's clock is not known: ${messageOf(error)}`;
      return 'unknown';
    }
  }

  /** Whether it is still so. */
  async review(): Promise<void> {
    if (this.problem !== null) await this.compare();
  }
}

function sentence(offset: number): string {
  const side = offset > 0 ? 'behind' : 'ahead of';
  return `this machine's clock is ${formatDuration(Math.abs(offset))} ${side} the API server's, which counts here; set it right`;
}
