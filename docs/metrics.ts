import { Registry } from 'prom-client';
import { watchCertificate } from '../certs/metrics.ts';
import { createDoorMetrics, watchDoor } from '../gc/door/metrics.ts';
import { createScheduleMetrics } from '../gc/schedule/metrics.ts';
import { createMetrics as collectorMetrics } from '../observe/metrics.ts';
import { fieldsOf, own } from '../policy/json.ts';
import { createApiMetrics, watchApi } from '../webhook/gateway/api/metrics.ts';
import { createGatewayMetrics, watchGateway } from '../webhook/gateway/metrics.ts';
import { createMetrics as webhookMetrics } from '../webhook/metrics.ts';

export interface DescribedMetric {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

/** What each process shows of itself under `/metrics`, beside the usual metrics of Node and its process. */
export function describedMetrics(): ReadonlyMap<string, readonly DescribedMetric[]> {
  const door = new Registry();
  createDoorMetrics(door);
  watchCertificate(door, NO_CERTIFICATES);
  watchDoor(door, { reserved: () => [], turns: () => ({ busy: 0, waiting: 0 }) });
  const schedules = new Registry();
  createScheduleMetrics(schedules);
  const gateway = new Registry();
  createGatewayMetrics(gateway);
  watchGateway(gateway, { underWay: () => 0, known: () => null });
  const api = new Registry();
  createApiMetrics(api);
  watchApi(api, () => ({ lists: 0, watches: 0, others: 0 }));
  return new Map([
    ['The collector', described(collectorMetrics({ ofProcess: false }).registry)],
    ["The node's door", described(door)],
    ['Schedules on a node', described(schedules)],
    ['The webhook', described(webhookMetrics(NO_SOURCE, NO_CERTIFICATES).registry)],
    ['The gateway', described(gateway)],
    ['The aggregated API', described(api)],
  ]);
}

function described(registry: Registry): readonly DescribedMetric[] {
  return registry.getMetricsAsArray().map((metric) => {
    const { name, help, type } = metric;
    const labels = own(fieldsOf(metric), 'labelNames');
    return { name, help, type: String(type), labels: Array.isArray(labels) ? labels.map(String) : [] };
  });
}

const NO_SOURCE = { isFresh: () => false, resources: () => [], problems: () => [] };

const NO_CERTIFICATES = {
  describe: () => ({ origin: '', names: [], notBefore: 0, notAfter: 0, problem: null }),
  current: () => ({ certificate: '', key: '', ca: '' }),
};
