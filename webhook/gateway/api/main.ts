import { setTimeout as delay } from 'node:timers/promises';
import { Registry } from 'prom-client';
import type { Certificate } from '../../../certs/source.ts';
import type { KubeClient } from '../../../kube/client.ts';
import type { PodNodes } from '../../../kube/pod-nodes.ts';
import type { Log } from '../../../kube/types.ts';
import { urlHost } from '../../../observe/listener.ts';
import type { Instant } from '../../../policy/types.ts';
import type { TlsVersion } from '../../tls.ts';
import type { Bounds } from '../bounds.ts';
import type { DoorClient } from '../door-client.ts';
import { systemTimers, type Timers } from '../timers.ts';
import { API_BOUNDS, Api, type ApiBounds } from './api.ts';
import { FrontProxyWatch } from './front-proxy.ts';
import { createApiMetrics, watchApi } from './metrics.ts';
import { NodeArchives, type NodePlace } from './node-archives.ts';
import { Reading, type ReadingOptions } from './reading.ts';
import { type ApiServer, startApiServer } from './server.ts';
import { Writing } from './writing.ts';

export interface AggregatedApiOptions extends Pick<ReadingOptions, 'deadlineMs' | 'bookmarkMs'> {
  readonly listen: { readonly host: string; readonly port: number };
  readonly certificate: Certificate;
  readonly minTlsVersion: TlsVersion;
  readonly client: Pick<KubeClient, 'request'>;
  readonly places: PodNodes & { nodes(): readonly NodePlace[] };
  readonly doors: Pick<DoorClient, 'ask'>;
  /** The gateway's own token for the doors. */
  readonly token: () => Promise<string>;
  readonly bounds: Bounds;
  readonly apiBounds?: Partial<ApiBounds>;
  readonly log: Log;
  readonly registry?: Registry;
  readonly now?: () => Instant;
  readonly timers?: Timers;
}

export interface RunningApi {
  readonly url: string;
  readonly port: number;
  setCertificate(certificate: Certificate): void;
  /** Reads the API server's authority anew. */
  reload(): Promise<void>;
  stop(finishMs?: number): Promise<void>;
}

const FINISH_MS = 15_000;
const CUT_MS = 500;

/** Starts the aggregated API in this thread; rejects when it cannot listen. */
export async function startAggregatedApi(options: AggregatedApiOptions): Promise<RunningApi> {
  const { listen, certificate, minTlsVersion, client, places, doors, token, bounds, log } = options;
  const { registry = new Registry(), now = Date.now, timers = systemTimers, apiBounds } = options;
  const { deadlineMs, bookmarkMs } = options;
  let server: ApiServer | null = null;
  const frontProxy = new FrontProxyWatch({
    ...{ client, timers, log },
    onChange: () => server?.clientCaChanged(),
  });
  const nodes = new NodeArchives({ doors, token, nodes: () => places.nodes() });
  const pause = (ms: number, signal: AbortSignal) => delay(ms, undefined, { signal }).catch(() => {});
  const reading = new Reading({
    ...{ nodes, now, pause, log },
    ...(deadlineMs !== undefined && { deadlineMs }),
    ...(bookmarkMs !== undefined && { bookmarkMs }),
  });
  const writing = new Writing({ nodes, places, reading, log });
  const api = new Api({
    frontProxy: () => frontProxy.current,
    ...{ reading, writing, log },
    bounds: { ...API_BOUNDS, ...apiBounds },
    metrics: createApiMetrics(registry),
  });
  watchApi(registry, () => api.underWay);
  await frontProxy.start();
  server = await startApiServer({
    ...listen,
    ...{ certificate, minTlsVersion, bounds, api, log },
    clientCa: () => frontProxy.current?.ca ?? null,
  });
  const running = server;
  const url = `https://${urlHost(running.address)}:${running.port}`;
  log.info({ url }, 'the aggregated API is open');
  let stopping: Promise<void> | null = null;
  const stop = async (finishMs: number) => {
    frontProxy.stop();
    const closed = running.close();
    const cancel = timers.after(finishMs, running.cut);
    await api.stop();
    cancel();
    const cancelCut = timers.after(Math.min(finishMs, CUT_MS), running.cut);
    await closed;
    cancelCut();
  };
  return {
    url,
    port: running.port,
    setCertificate: (next) => running.setCertificate(next),
    reload: () => frontProxy.read(),
    stop(finishMs = FINISH_MS) {
      stopping ??= stop(finishMs);
      return stopping;
    },
  };
}
