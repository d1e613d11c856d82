/** One line for the person who waits; on stderr, so that it mixes with no test's output. */
export function progress(line: string): void {
  process.stderr.write(`cluster: ${line}\n`);
}
