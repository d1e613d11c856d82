import { buildConnector, Client } from 'undici';
import type { Log } from '../../kube/types.ts';
import { fieldsOf, isObject, type JsonObject, own, text } from '../../policy/json.ts';
import type { Instant } from '../../policy/types.ts';
import { namesToCheck } from '../door/kubelet.ts';
import { KubeletAccessFiles, type KubeletFiles } from '../door/kubelet-access.ts';

/** What one container uses now. */
export interface Usage {
  /** Null where the kubelet has not measured it yet. */
  readonly cpuCores: number | null;
  /** The working set; null likewise. */
  readonly memoryBytes: number | null;
}

/** What the containers of this node use. */
export interface UsageSource {
  /** By `podUid/container`. Rejects when the kubelet does not tell. */
  read(): Promise<ReadonlyMap<string, Usage>>;
}

export interface KubeletUsageOptions {
  /** `https://10.1.2.3:10250` */
  readonly url: string;
  /** Names and addresses, of which the kubelet's certificate must be for one; absent: the URL's host. */
  readonly serverNames?: readonly string[];
  readonly files: KubeletFiles;
  readonly log: Log;
  readonly now: () => Instant;
}

const TIMEOUT_MS = 10_000;
/** Of an answer: some 1.5 KiB for each container. */
const MOST_BYTES = 8 * 1024 * 1024;

/**
 * Asks the kubelet of this node, which measures every ten to fifteen seconds: no metrics server is needed, and no
 * right beyond `get` on `nodes/stats`.
 */
export function kubeletUsage({ url, serverNames, files, log, now }: KubeletUsageOptions): UsageSource {
  const access = new KubeletAccessFiles(files, log, now);
  const { origin } = new URL(url);
  return {
    async read() {
      const { secureContext, authorization } = await access.current();
      const connect = buildConnector({
        secureContext,
        timeout: TIMEOUT_MS,
        allowH2: false,
        maxCachedSessions: 0,
        // Explicit: an environment variable could turn it off.
        rejectUnauthorized: true,
        ...(serverNames !== undefined && namesToCheck(serverNames)),
      });
      const times = { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS };
      const client = new Client(origin, { connect, ...times, maxResponseSize: MOST_BYTES });
      try {
        const { statusCode, body } = await client.request({
          method: 'GET',
          path: '/stats/summary?only_cpu_and_memory=true',
          headers: {
            accept: 'application/json',
            'user-agent': 'checkpoint-warden',
            ...(authorization !== null && { authorization }),
          },
        });
        const answer = await body.text();
        if (statusCode === 401) access.invalidate();
        if (statusCode !== 200) throw new Error(`the kubelet answered ${statusCode} to GET /stats/summary`);
        return usageIn(JSON.parse(answer));
      } finally {
        client.destroy().catch(() => {});
      }
    },
  };
}

/** Reads the kubelet's summary. @throws where it is none. */
export function usageIn(summary: unknown): ReadonlyMap<string, Usage> {
  const pods = isObject(summary) ? own(summary, 'pods') : undefined;
  if (!Array.isArray(pods)) throw new Error('the kubelet answered GET /stats/summary with no list of pods');
  const usage = new Map<string, Usage>();
  for (const pod of pods.filter(isObject)) {
    const uid = text(own(fieldsOf(own(pod, 'podRef')), 'uid'));
    const containers = own(pod, 'containers');
    for (const each of Array.isArray(containers) ? containers.filter(isObject) : []) {
      usage.set(`${uid}/${text(own(each, 'name'))}`, usageOf(each));
    }
  }
  return usage;
}

function usageOf(container: JsonObject): Usage {
  const nanoCores = numberIn(own(container, 'cpu'), 'usageNanoCores');
  return {
    cpuCores: nanoCores === null ? null : nanoCores / 1e9,
    memoryBytes: numberIn(own(container, 'memory'), 'workingSetBytes'),
  };
}

function numberIn(group: unknown, key: string): number | null {
  const value = own(fieldsOf(group), key);
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
