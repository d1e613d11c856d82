import { parentPort } from 'node:worker_threads';
import type { FromThread } from '../../../webhook/gateway/messages.ts';

/** A thread that says it is open, and ends as soon as somebody asks it for metrics. */
const opened: FromThread = { kind: 'open', url: 'https://127.0.0.1:1', port: 1 };
parentPort?.postMessage(opened);
parentPort?.on('message', ({ kind }: { readonly kind: string }) => {
  if (kind === 'metrics') throw new Error('a fault that nobody foresaw');
  if (kind === 'stop') parentPort?.close();
});
