import { setPriority } from 'node:os';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Registry } from 'prom-client';
import type { FromThread, ThreadData, ToThread } from './messages.ts';
import { type OpenGateway, openGateway } from './open.ts';

const NICENESS = 19;

/** Serves in this thread until it is told to stop. */
async function serve(port: MessagePort, data: ThreadData): Promise<void> {
  const tell = (message: FromThread) => port.postMessage(message);
  // Of this thread alone, on Linux.
  setPriority(0, data.niceness ?? NICENESS);
  const registry = new Registry();
  let open: OpenGateway;
  try {
    open = await openGateway(data, registry);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof Error && 'code' in error ? { code: String(error.code) } : {};
    tell({ kind: 'failed', message, ...code });
    port.close();
    return;
  }
  port.on('message', async (message: ToThread) => {
    if (message.kind === 'certificate') open.setCertificate(message.certificate);
    else if (message.kind === 'metrics') {
      tell({ kind: 'metrics', id: message.id, text: await registry.metrics() });
    } else {
      await open.stop();
      port.close();
    }
  });
  tell({ kind: 'open', url: open.gateway.url, port: open.gateway.port });
}

if (parentPort !== null) await serve(parentPort, workerData);
