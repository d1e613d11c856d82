import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { CertificateSource } from '../../certs/source.ts';
import type { Log } from '../../kube/types.ts';
import type { FromThread, GatewaySettings, ThreadData, ToThread } from './messages.ts';
import { systemTimers, type Timers } from './timers.ts';

/** A gateway in a thread of its own, so that nothing that happens there holds up the admission of the cluster. */
export interface GatewayThread {
  readonly url: string;
  readonly port: number;
  /** The gateway's metrics as text; empty while it does not say. */
  metrics(): Promise<string>;
  /** Resolves when what was under way has ended. */
  stop(): Promise<void>;
}

export interface GatewayThreadOptions {
  readonly settings: GatewaySettings;
  /** Started by whoever owns them. */
  readonly certificates: CertificateSource;
  readonly log: Log;
  /** The thread ended on its own and is begun again. */
  onCrash(): void;
  readonly timers?: Timers;
  /** What the thread runs, for tests; default the gateway. */
  readonly script?: URL;
}

/** Megabytes: whatever fills it ends the thread, and not the process. */
const MEMORY_MB = 1_024;
const METRICS_MS = 1_000;
/** Between a crash and the next beginning. */
const AGAIN_MS = 1_000;
/** The gateway gives its requests 15 s. */
const STOP_MS = 20_000;

/** The gateway could not begin. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  /** The system's, such as `EADDRINUSE`; null for another reason. */
  readonly code: string | null;

  constructor(message: string, code: string | null) {
    super(message);
    this.code = code;
  }
}

interface Live {
  readonly worker: Worker;
  readonly url: string;
  readonly port: number;
}

/** Rejects with a GatewayError when it cannot begin. */
export async function startGatewayThread(options: GatewayThreadOptions): Promise<GatewayThread> {
  const { certificates, log, timers = systemTimers, script = WORKER } = options;
  let settings = options.settings;
  let live: Live | null = null;
  let stopping: Promise<void> | null = null;
  let cancelAgain = () => {};

  const send = (message: ToThread) => live?.worker.postMessage(message);
  const begin = async (): Promise<Live> => {
    const next = await open(script, { ...settings, certificate: certificates.current() });
    if (stopping !== null) {
      await next.worker.terminate();
      return next;
    }
    live = next;
    // A free port that was chosen once stays the one.
    settings = { ...settings, listen: { ...settings.listen, port: next.port } };
    next.worker.on('error', (err) => log.error({ err }, 'the gateway has crashed; it is begun again'));
    next.worker.once('exit', () => {
      if (live === next) live = null;
      if (stopping !== null) return;
      options.onCrash();
      again();
    });
    // What was renewed in the meantime.
    send({ kind: 'certificate', certificate: certificates.current() });
    return next;
  };
  const again = () => {
    cancelAgain = timers.after(AGAIN_MS, () => {
      begin().catch((err: unknown) => {
        log.error({ err }, 'the gateway cannot be begun again, trying on');
        if (stopping === null) again();
      });
    });
  };

  const { url, port } = await begin();
  const unsubscribe = certificates.onChange(() =>
    send({ kind: 'certificate', certificate: certificates.current() }),
  );
  let asked = 0;
  return {
    url,
    port,
    metrics() {
      asked += 1;
      const id = asked;
      const worker = live?.worker;
      const { promise, resolve } = Promise.withResolvers<string>();
      const hear = (message: FromThread) => {
        if (message.kind === 'metrics' && message.id === id) resolve(message.text);
      };
      worker?.on('message', hear);
      const cancel = timers.after(METRICS_MS, () => resolve(''));
      if (worker === undefined) resolve('');
      send({ kind: 'metrics', id });
      return promise.finally(() => {
        cancel();
        worker?.off('message', hear);
      });
    },
    stop() {
      stopping ??= (async () => {
        unsubscribe();
        cancelAgain();
        if (live === null) return;
        const { worker } = live;
        const ended = once(worker, 'exit');
        const cancel = timers.after(STOP_MS, () => void worker.terminate());
        send({ kind: 'stop' });
        await ended;
        cancel();
      })();
      return stopping;
    },
  };
}

/** This file's ending is that of the others, from source and built. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

async function open(script: URL, data: ThreadData): Promise<Live> {
  const worker = new Worker(script, {
    workerData: data,
    name: 'gateway',
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
  });
  const { promise, resolve, reject } = Promise.withResolvers<Live>();
  const hear = (message: FromThread) => {
    if (message.kind === 'open') resolve({ worker, url: message.url, port: message.port });
    else if (message.kind === 'failed') {
      reject(new GatewayError(message.message, message.code ?? null));
    }
  };
  worker.on('message', hear);
  worker.once('error', reject);
  worker.once('exit', (code) => reject(new GatewayError(`its thread ended with ${code}`, null)));
  try {
    return await promise;
  } catch (error) {
    await worker.terminate();
    throw error;
  } finally {
    worker.off('message', hear);
    worker.off('error', reject);
  }
}
