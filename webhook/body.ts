import type { IncomingMessage } from 'node:http';

/**
 * The API server takes requests of at most 3 MiB; a review of an update carries the object twice, and user,
 * options and names besides.
 */
export const LARGEST_BODY = (2 * 3 + 1) * 1024 * 1024;

export class BodyTooLarge extends Error {
  override name = 'BodyTooLarge';
}

/** The caller went away; there is nobody to answer. */
export class BodyCutShort extends Error {
  override name = 'BodyCutShort';
}

/**
 * Reads a body whole.
 * @throws BodyTooLarge as soon as that is known; the rest is read and dropped, so that the caller gets to read
 *   the answer. The server's time limit on requests bounds it.
 * @throws BodyCutShort
 */
export function readBody(request: IncomingMessage, largest = LARGEST_BODY): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  if (Number(request.headers['content-length'] ?? 0) > largest) {
    request.resume();
    reject(new BodyTooLarge());
    return promise;
  }
  const chunks: Buffer[] = [];
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= largest) chunks.push(chunk);
    else {
      chunks.length = 0;
      reject(new BodyTooLarge());
    }
  });
  request.on('end', () => {
    const [only] = chunks;
    resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks));
  });
  request.on('error', (cause) => reject(new BodyCutShort('the body was cut short', { cause })));
  request.on('close', () => {
    if (!request.complete) reject(new BodyCutShort('the body was cut short'));
  });
  return promise;
}
