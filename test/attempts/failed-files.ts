import type { TestEvent } from 'node:test/reporters';

/** A reporter of node's test runner: a line for each file with a failure, as often as it has one. */
export default async function* failedFiles(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    if (type === 'test:fail' && data.file !== undefined) yield `${data.file}\n`;
  }
}
