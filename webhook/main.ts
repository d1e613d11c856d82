import { setTimeout as sleep } from 'node:timers/promises';
import { shownTime } from '../certs/inspect.ts';
import type { CertificateSource } from '../certs/source.ts';
import type { Reviewer, UserInfo } from '../kube/types.ts';
import { serveMetrics, urlHost } from '../observe/listener.ts';
import type { Logger } from '../observe/log.ts';
import type { Schedule } from '../policy/schedule/types.ts';
import type { Instant } from '../policy/types.ts';
import type { PolicySource } from '../source/source.ts';
import { createApp, type Judge } from './app.ts';
import { BOUNDS, type Bounds } from './bounds.ts';
import { type ConnectOptions, connect, onlyAbout, policiesOnly } from './connect.ts';
import type { GatewaySettings } from './gateway/messages.ts';
import { type GatewayThread, startGatewayThread } from './gateway/thread.ts';
import { LiveCatalog } from './live-catalog.ts';
import { createMetrics, expositionOf, type Metrics } from './metrics.ts';
import { mutate } from './mutate.ts';
import { mutatePod } from './pods.ts';
import { readiness } from './readiness.ts';
import { allowed } from './reply.ts';
import { EVERYBODY, type Rights, reviewedRights } from './rights.ts';
import { mutateSchedule, validateSchedule } from './schedules.ts';
import { type RunningServer, startServer } from './server.ts';
import { openStatus, type StatusPart } from './status/open.ts';
import { TIMINGS, type Timings } from './timings.ts';
import type { TlsVersion } from './tls.ts';
import { type Bench, validate } from './validate.ts';

export interface ListenAddress {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
}

export interface WebhookOptions {
  readonly listen: ListenAddress;
  readonly source: PolicySource;
  readonly certificates: CertificateSource;
  /** Who may govern; null without an API server: then whoever asks is taken for an administrator. */
  readonly reviewer: Reviewer | null;
  readonly log: Logger;
  /** Where `/metrics` is served, in plain HTTP; absent: nowhere. */
  readonly metrics?: ListenAddress;
  /** The schedules that are known, to tell of two over one container; absent: none are. */
  readonly schedules?: () => readonly Schedule[];
  /** What `/connect` says to checkpoint requests through `nodes/proxy`, and to whom it says nothing. */
  readonly connect?: ConnectOptions;
  /** The gateway, in a thread of its own, with this webhook's certificate; absent: none. */
  readonly gateway?: Omit<GatewaySettings, 'minTlsVersion'>;
  /** Writes on each policy what has become of it; absent: nobody does. */
  readonly status?: StatusPart;
  /** Default TLSv1.3. */
  readonly minTlsVersion?: TlsVersion;
  /** Without a reviewer there is no Service to catch up, so `drain` is 0 by default. */
  readonly timings?: Partial<Timings>;
  readonly bounds?: Partial<Bounds>;
  readonly now?: () => Instant;
}

export interface Webhook {
  /** `https://127.0.0.1:8443` */
  readonly url: string;
  readonly port: number;
  /** `http://127.0.0.1:9090/metrics` */
  readonly metricsUrl?: string;
  /** `https://127.0.0.1:9444` */
  readonly gatewayUrl?: string;
  /** Unready at once, then as `RunningServer.stop`; stops the source and the certificates as well. */
  stop(): Promise<void>;
}

/**
 * Starts certificates, server and source, in this order; resolves once policies can be judged. It owns the source
 * and the certificates from then on: `stop` stops them, and so does a failure to start.
 */
export async function startWebhook(options: WebhookOptions): Promise<Webhook> {
  // Ended last to first: the server drains while all it answers from is still there.
  const parts = new AsyncDisposableStack();
  try {
    return await start(options, parts);
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

async function start(options: WebhookOptions, parts: AsyncDisposableStack): Promise<Webhook> {
  const { source, certificates, log, now = Date.now } = options;
  const metrics = createMetrics(source, certificates);
  parts.defer(() => certificates.stop());
  await certificates.start();
  const gateway = await gatewayOf(options, metrics);
  if (gateway) parts.defer(gateway.stop);
  const scraped =
    options.metrics && (await serveMetrics(expositionOf(metrics, gateway?.metrics), options.metrics));
  if (scraped) parts.defer(() => scraped.close());

  const bounds = { ...BOUNDS, ...options.bounds };
  let catalog: LiveCatalog | null = null;
  let server: RunningServer | null = null;
  let stopping: Promise<void> | null = null;
  const app = createApp({
    judges: judges(
      {
        catalog: () => (source.isFresh() ? catalog : null),
        schedules: () => options.schedules?.() ?? [],
        rights: rightsOf(options, metrics),
      },
      options.connect ?? {},
      log,
    ),
    unready: readiness({
      source,
      certificates,
      now,
      listening: () => server,
      started: () => catalog !== null,
      stopping: () => stopping !== null,
    }),
    remarks() {
      const { problem } = certificates.describe();
      return problem === null ? [] : [`certificate: ${problem}`];
    },
    log,
    metrics,
    now,
    bounds,
  });
  parts.defer(() => source.stop());
  parts.defer(() => catalog?.stop());
  const timings = { ...TIMINGS, ...(options.reviewer === null && { drain: 0 }), ...options.timings };
  server = await startServer({
    ...options.listen,
    app,
    certificates,
    minTlsVersion: options.minTlsVersion ?? 'TLSv1.3',
    timings,
    bounds,
    onShed: metrics.shed,
    onTlsError: tlsErrorLog(log, metrics.tlsFailed, now),
  });
  // The gateway goes on for as long as the endpoints of its Service take to catch up.
  const stopGateway = () => gateway && sleep(timings.drain).then(gateway.stop);
  parts.defer(async () => void (await Promise.all([server?.stop(), stopGateway()])));
  await source.start();
  catalog = new LiveCatalog(source, now);
  const status =
    options.status &&
    openStatus({
      ...{ ...options.status, source, log, now },
      ...{ onWrite: metrics.statusWritten, onEvent: metrics.eventWritten },
    });
  if (status) parts.defer(() => status.stop());

  const url = `https://${urlHost(server.address)}:${server.port}`;
  const { origin, names, notAfter } = certificates.describe();
  log.info({ url, certificate: { origin, names, notAfter: shownTime(notAfter) } }, 'the webhook serves');
  return {
    url,
    port: server.port,
    ...(scraped && { metricsUrl: scraped.url }),
    ...(gateway && { gatewayUrl: gateway.url }),
    stop() {
      stopping ??= (async () => {
        log.info({}, 'the webhook stops: unready, then drained');
        await parts.disposeAsync();
        log.info({}, 'the webhook has stopped');
      })();
      return stopping;
    },
  };
}

async function gatewayOf(
  { gateway, certificates, log, minTlsVersion = 'TLSv1.3' }: WebhookOptions,
  { gatewayCrashed }: Metrics,
): Promise<GatewayThread | null> {
  if (gateway === undefined) return null;
  const settings = { minTlsVersion, ...gateway };
  return startGatewayThread({ settings, certificates, log, onCrash: gatewayCrashed });
}

const SCHEDULES = 'schedules';

function judges(bench: Bench, ways: ConnectOptions, log: Logger): Readonly<Record<string, Judge>> {
  const onPodFailure = (err: unknown) => log.error({ err }, 'a pod got no preStop hook');
  return {
    '/mutate': policiesOnly((request, deadline) => mutate(request, bench, deadline)),
    '/validate': policiesOnly((request, deadline) => validate(request, bench, deadline)),
    '/mutate-schedules': onlyAbout('schedule', SCHEDULES, (request, deadline) => {
      return mutateSchedule(request, bench, deadline);
    }),
    '/validate-schedules': onlyAbout('schedule', SCHEDULES, (request, deadline) => {
      return validateSchedule(request, bench, deadline);
    }),
    '/mutate-pods': onlyAbout('pod', 'pods that are created', async (request) => {
      return 'object' in request ? mutatePod(request, onPodFailure) : allowed();
    }),
    '/connect': (request, deadline) => connect(request, ways, deadline),
  };
}

function rightsOf({ reviewer, log, now }: WebhookOptions, { rightUnknown }: Metrics): Rights {
  if (reviewer === null) {
    log.info({}, 'no API server to ask: whoever applies a policy is taken for an administrator');
    return EVERYBODY;
  }
  const onFailure = (err: unknown, { username }: UserInfo) => {
    rightUnknown();
    log.warn({ err, user: username }, 'whether an author may govern could not be asked');
  };
  return reviewedRights(reviewer, onFailure, now);
}

const TLS_LOG_EVERY_MS = 60_000;

/** One line a minute for each kind of failure: a port scanner must not fill the log. */
function tlsErrorLog(log: Logger, count: (code: string) => void, now: () => Instant) {
  const loggedAt = new Map<string, Instant>();
  return (error: NodeJS.ErrnoException) => {
    const code = error.code ?? error.name;
    count(code);
    if (now() - (loggedAt.get(code) ?? Number.NEGATIVE_INFINITY) < TLS_LOG_EVERY_MS) return;
    loggedAt.set(code, now());
    log.warn(
      { code, err: error },
      'a connection failed in its TLS handshake; does the caller trust the authority?',
    );
  };
}
