import { Counter, Gauge, type Registry } from 'prom-client';

/** What the aggregated API counts. Label values come from fixed sets. */
export interface ApiMetrics {
  /** `status` is `left` for callers who have gone. */
  readonly requests: Counter<'verb' | 'status'>;
}

const PREFIX = 'checkpoint_warden_api_';

/** @param registry gets them; each of them once. */
export function createApiMetrics(registry: Registry): ApiMetrics {
  return {
    requests: new Counter({
      name: `${PREFIX}requests_total`,
      help: 'Requests of the API server for checkpoints, by verb and HTTP status; document is discovery and OpenAPI.',
      labelNames: ['verb', 'status'],
      registers: [registry],
    }),
  };
}

export function watchApi(
  registry: Registry,
  underWay: () => Readonly<Record<'lists' | 'watches' | 'others', number>>,
): void {
  new Gauge({
    name: `${PREFIX}requests_under_way`,
    help: 'Requests of the API server without their end, by kind.',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      for (const [kind, value] of Object.entries(underWay())) this.set({ kind }, value);
    },
  });
}
