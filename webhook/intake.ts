import type { IncomingMessage } from 'node:http';
import type { Bounds } from './bounds.ts';

/**
 * The API server takes requests of at most 3 MiB; a review of an update carries the object twice, and user,
 * options and names besides.
 */
export const LARGEST_BODY = (2 * 3 + 1) * 1024 * 1024;

/**
 * A body, whole; or why there is none: `large` for its own sake, `shed` because of the others, `cut` because the
 * caller went away, so that there is nobody to answer.
 */
export type Arrival = Buffer | 'large' | 'shed' | 'cut';

interface Arriving {
  bytes: number;
  end(arrival: Arrival): void;
}

/**
 * Bodies on their way in. All of them together are bounded: whose body has been arriving the longest gives way, so
 * that callers who send slowly keep out nobody who sends as the API server does.
 */
export class Intake {
  readonly #bounds: Pick<Bounds, 'bodies' | 'bodyBytes'>;
  readonly #largest: number;
  /** Oldest first. */
  readonly #arriving = new Set<Arriving>();
  #bytes = 0;

  constructor(bounds: Pick<Bounds, 'bodies' | 'bodyBytes'>, largest = LARGEST_BODY) {
    this.#bounds = bounds;
    this.#largest = largest;
  }

  /** Bytes that count: of bodies that are arriving, and of those that have not been given back. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Reads a body. What is not wanted any more is read and dropped, so that the caller gets to read the answer; the
   * server's time limit on requests bounds it. A whole body counts until it is given back.
   */
  read(request: IncomingMessage): Promise<Arrival> {
    if (Number(request.headers['content-length'] ?? 0) > this.#largest) {
      request.resume();
      return Promise.resolve('large');
    }
    return new Promise((resolve) => {
      const chunks: Buffer[] = [];
      let ended = false;
      const arriving: Arriving = {
        bytes: 0,
        end: (arrival) => {
          if (ended) return;
          ended = true;
          this.#arriving.delete(arriving);
          if (!Buffer.isBuffer(arrival)) this.#bytes -= arriving.bytes;
          chunks.length = 0;
          resolve(arrival);
        },
      };
      this.#arriving.add(arriving);
      if (this.#arriving.size > this.#bounds.bodies) this.#shedOldest();
      request.on('data', (chunk: Buffer) => {
        if (ended) return;
        chunks.push(chunk);
        arriving.bytes += chunk.length;
        this.#bytes += chunk.length;
        if (arriving.bytes > this.#largest) arriving.end('large');
        else if (this.#bytes > this.#bounds.bodyBytes) this.#shedOldest();
      });
      request.on('end', () => {
        const [only] = chunks;
        arriving.end(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks));
      });
      const cut = () => arriving.end('cut');
      request.on('error', cut);
      request.on('close', cut);
    });
  }

  /** It has been answered. */
  giveBack(body: Buffer): void {
    this.#bytes -= body.length;
  }

  #shedOldest(): void {
    const [oldest] = this.#arriving;
    oldest?.end('shed');
  }
}
