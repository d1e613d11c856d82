/** Bytes of one line: the API server takes no object beyond 3 MiB, and escapes can double it. */
const LONGEST = 8 * 1024 * 1024;

/** Each line of a stream, read as JSON. Throws when one cannot be, or when the stream ends within a line. */
export async function* jsonLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      const line = Buffer.concat([...pieces, chunk.subarray(start, end)]);
      pieces.length = 0;
      length = 0;
      start = end + 1;
      if (line.length > 0) yield JSON.parse(line.toString('utf8'));
    }
    const rest = chunk.subarray(start);
    if (rest.length === 0) continue;
    pieces.push(rest);
    length += rest.length;
    if (length > LONGEST) throw new Error(`a line of the answer has more than ${LONGEST} bytes`);
  }
  if (length > 0) throw new Error('the answer ended within a line');
}
