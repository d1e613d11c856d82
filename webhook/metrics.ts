import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { watchCertificate } from '../certs/metrics.ts';
import type { CertificateSource } from '../certs/source.ts';
import type { EventOutcome } from '../kube/events.ts';
import type { Exposition } from '../observe/listener.ts';
import { LAG_MS } from '../observe/metrics.ts';
import { remembered } from '../policy/remembered.ts';
import type { PolicySource } from '../source/source.ts';
import type { Shed } from './bounds.ts';
import type { Answer } from './reply.ts';
import type { StatusWrite } from './status/keeper.ts';

/** What is counted of the webhook. */
export interface Metrics {
  readonly registry: Registry;
  reviewed(endpoint: string, verdict: Answer['verdict'], seconds: number): void;
  /** A request that got no AdmissionReview, by its HTTP status. */
  turnedAway(status: number): void;
  /** What gave way because there was too much at once. */
  shed(what: Shed): void;
  /** Nobody could say whether an author may govern. */
  rightUnknown(): void;
  /** A connection that ended in its handshake, by the error's code. */
  tlsFailed(code: string): void;
  /** The gateway's thread has ended on its own. */
  gatewayCrashed(): void;
  /** The status of a policy was written, or was not. */
  statusWritten(outcome: StatusWrite): void;
  /** An Event was written, or was not. */
  eventWritten(outcome: EventOutcome): void;
}

export function createMetrics(
  source: Pick<PolicySource, 'isFresh' | 'staleness' | 'resources' | 'problems'>,
  certificates: Pick<CertificateSource, 'describe' | 'current'>,
): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const duration = new Histogram({
    name: 'checkpoint_warden_admission_duration_seconds',
    help: 'Time from the whole request to the answer.',
    labelNames: ['endpoint'] as const,
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const decisions = new Counter({
    name: 'checkpoint_warden_admission_decisions_total',
    help: 'Answers by verdict: allowed, denied, error (no judgement was possible) or malformed.',
    labelNames: ['endpoint', 'verdict'] as const,
    registers,
  });
  const refused = new Counter({
    name: 'checkpoint_warden_http_errors_total',
    help: 'Requests that were answered without an AdmissionReview, by HTTP status.',
    labelNames: ['status'] as const,
    registers,
  });
  const shed = new Counter({
    name: 'checkpoint_warden_shed_total',
    help: 'What gave way because there was too much at once: connection, handshake, body or review.',
    labelNames: ['what'] as const,
    registers,
  });
  const unknownRights = new Counter({
    name: 'checkpoint_warden_access_review_failures_total',
    help: 'SubjectAccessReviews without an answer.',
    registers,
  });
  const tlsErrors = new Counter({
    name: 'checkpoint_warden_tls_errors_total',
    help: 'Connections that failed in their TLS handshake, by error code.',
    labelNames: ['code'] as const,
    registers,
  });
  const crashes = new Counter({
    name: 'checkpoint_warden_gateway_crashes_total',
    help: "How often the gateway's thread ended on its own and was begun again.",
    registers,
  });
  const statusWrites = new Counter({
    name: 'checkpoint_warden_status_writes_total',
    help: 'Writes of the status of policies: written, outdated (another replica was first) or failed.',
    labelNames: ['outcome'] as const,
    registers,
  });
  const events = new Counter({
    name: 'checkpoint_warden_events_total',
    help: 'Kubernetes Events: written, dropped (too many at once, or nobody to read them) or failed.',
    labelNames: ['outcome'] as const,
    registers,
  });
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name: `checkpoint_warden_${name}`,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  watchCertificate(registry, certificates);
  gauge('policy_source_fresh', '1 while the policies are known to be current.', () =>
    Number(source.isFresh()),
  );
  gauge(
    'policy_source_staleness_seconds',
    'How long ago the policies were last known to be those of their source.',
    () => (source.staleness?.() ?? 0) / 1000,
  );
  gauge('policy_resources', 'Policy resources in force.', () => source.resources().length);
  gauge(
    'policy_problems',
    'Errors and warnings on the policies as they are.',
    () => source.problems().length,
  );

  // To find a series by its labels takes as long as to judge a policy of two lines.
  const durationOf = remembered((endpoint) => duration.labels({ endpoint }));
  const decisionsOf = remembered((series) => {
    const [endpoint = '', verdict = ''] = series.split(' ');
    return decisions.labels({ endpoint, verdict });
  });

  return {
    registry,
    reviewed(endpoint, verdict, seconds) {
      durationOf(endpoint).observe(seconds);
      decisionsOf(`${endpoint} ${verdict}`).inc();
    },
    turnedAway: (status) => refused.inc({ status }),
    shed: (what) => shed.inc({ what }),
    rightUnknown: () => unknownRights.inc(),
    tlsFailed: (code) => tlsErrors.inc({ code }),
    gatewayCrashed: () => crashes.inc(),
    eventWritten: (outcome) => events.inc({ outcome }),
    statusWritten: (outcome) => statusWrites.inc({ outcome }),
  };
}

/**
 * What is measured of the webhook and of its process.
 * @param more what others have measured, as text.
 */
export function expositionOf(
  { registry }: Metrics,
  more: () => Promise<string> = async () => '',
): Exposition {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_MS });
  return {
    contentType: registry.contentType,
    metrics: async () => (await Promise.all([registry.metrics(), more()])).join(''),
  };
}
