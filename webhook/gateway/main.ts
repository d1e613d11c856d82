import { Registry } from 'prom-client';
import type { Certificate } from '../../certs/source.ts';
import type { TokenReviewer } from '../../kube/authentication.ts';
import type { PodNodeInformers, PodNodes } from '../../kube/pod-nodes.ts';
import type { CheckpointReviewer } from '../../kube/reviews.ts';
import type { Log } from '../../kube/types.ts';
import { urlHost } from '../../observe/listener.ts';
import type { Instant } from '../../policy/types.ts';
import type { TlsVersion } from '../tls.ts';
import { BOUNDS, type Bounds } from './bounds.ts';
import { Callers } from './callers.ts';
import { doorTrust } from './door-authority.ts';
import { type DoorAccess, DoorClient, type DoorClientBounds } from './door-client.ts';
import { Gateway } from './gateway.ts';
import { createGatewayMetrics, watchGateway } from './metrics.ts';
import { startGatewayServer } from './server.ts';
import { systemTimers, type Timers } from './timers.ts';

/** The doors of the cluster. */
export interface Doors extends DoorAccess {
  /** A file with the authority of their certificates; null: the authority that the gateway's own certificate is of. */
  readonly ca: string | null;
}

export interface GatewayOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly certificate: Certificate;
  readonly minTlsVersion?: TlsVersion;
  readonly tokens: TokenReviewer;
  readonly rights: CheckpointReviewer;
  readonly places: PodNodes & Partial<Pick<PodNodeInformers, 'synced' | 'sizes'>>;
  readonly doors: Doors;
  readonly log: Log;
  /** Where the gateway's metrics go; absent: nowhere. */
  readonly registry?: Registry;
  readonly bounds?: Partial<Bounds>;
  readonly doorBounds?: Partial<DoorClientBounds>;
  readonly now?: () => Instant;
  readonly timers?: Timers;
}

export interface RunningGateway {
  /** `https://127.0.0.1:8443` */
  readonly url: string;
  readonly address: string;
  readonly port: number;
  setCertificate(certificate: Certificate): void;
  /**
   * Refuses what comes from now on; what doors are at is waited for so many milliseconds, and then cut. May be called
   * twice.
   */
  stop(finishMs?: number): Promise<void>;
}

/** For requests under way; a checkpoint that takes longer ends without its answer, and is in the door's ledger. */
const FINISH_MS = 15_000;

/** For the last answers to get through. */
const CUT_MS = 500;

/** Starts the gateway in this thread; rejects when it cannot listen. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { listen, certificate, minTlsVersion = 'TLSv1.3', tokens, rights, places, doors, log } = options;
  const { registry = new Registry(), now = Date.now, timers = systemTimers } = options;
  const bounds = { ...BOUNDS, ...options.bounds };
  const metrics = createGatewayMetrics(registry);
  let trusted = certificate.ca;
  const trust = doorTrust(doors.ca, () => trusted, log, now);
  const gateway = new Gateway({
    callers: new Callers({ tokens, rights, bounds, now }),
    places,
    ready: () => places.synced ?? true,
    doors: new DoorClient(doors, trust, options.doorBounds),
    ...{ bounds, metrics, log },
    clock: () => performance.now(),
  });
  watchGateway(registry, { underWay: () => gateway.underWay, known: () => places.sizes ?? null });
  const server = await startGatewayServer({
    ...listen,
    ...{ certificate, minTlsVersion, bounds, metrics, log, now },
    handle: (ask) => gateway.handle(ask),
  });
  const url = `https://${urlHost(server.address)}:${server.port}`;
  log.info({ url, doors: { port: doors.port, name: doors.name } }, 'the gateway is open');
  let stopping: Promise<void> | null = null;
  const stop = async (finishMs: number) => {
    const closed = server.close();
    const cancel = timers.after(finishMs, server.cut);
    await gateway.stop();
    cancel();
    const cancelCut = timers.after(Math.min(finishMs, CUT_MS), server.cut);
    await closed;
    cancelCut();
  };
  return {
    url,
    address: server.address,
    port: server.port,
    setCertificate(next) {
      trusted = next.ca;
      server.setCertificate(next);
    },
    stop(finishMs = FINISH_MS) {
      stopping ??= stop(finishMs);
      return stopping;
    },
  };
}
