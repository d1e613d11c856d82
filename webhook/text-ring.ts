/** Where a text stands in a ring. */
export interface Place {
  /** Bytes written before it, since the ring's beginning. */
  readonly start: number;
  readonly length: number;
}

/** UTF-8 takes at most as many bytes for a character of JavaScript's. */
const MOST_BYTES = 3;

/**
 * The last texts that were written, up to so many bytes, outside of V8's heap: texts that live for seconds would be
 * copied to its old generation, and to collect that takes hidden classes and inline caches with it, which costs each
 * review behind it more than the collection itself.
 */
export class TextRing {
  readonly #size: number;
  #bytes: Buffer | null = null;
  #end = 0;

  /** @param size bytes; taken when the first text comes */
  constructor(size: number) {
    this.#size = size;
  }

  /** @returns null for a text that might not fit into a ring that held nothing else. */
  write(text: string): Place | null {
    const most = text.length * MOST_BYTES;
    if (most > this.#size) return null;
    this.#bytes ??= Buffer.allocUnsafeSlow(this.#size);
    const left = this.#size - (this.#end % this.#size);
    const start = most <= left ? this.#end : this.#end + left;
    const length = this.#bytes.write(text, start % this.#size, 'utf8');
    this.#end = start + length;
    return { start, length };
  }

  /** The text; null once others stand there. */
  read({ start, length }: Place): string | null {
    if (this.#bytes === null || start < this.#end - this.#size) return null;
    const from = start % this.#size;
    return this.#bytes.toString('utf8', from, from + length);
  }
}
