import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { Cluster } from '../../cluster/nodes/cluster.ts';

export interface ProxyAnswer {
  readonly status: number;
  readonly body: string;
}

/** Somebody who asks for `/api/v1/nodes/…`; what he sends is not normalised. */
export interface Caller extends Disposable {
  ask(path: string, method?: string, headers?: Readonly<Record<string, string>>): Promise<ProxyAnswer>;
  /** All of them, a few at a time, in the order of the paths. */
  askAll(paths: readonly string[]): Promise<ProxyAnswer[]>;
}

const AT_ONCE = 6;

export function callerAs(cluster: Cluster, name: string, groups: readonly string[] = []): Caller {
  const { certificate: cert, key } = cluster.authority.issue({ name, groups });
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE, ca: cluster.ca, cert, key });
  const ask: Caller['ask'] = async (path, method = 'POST', headers = {}) => {
    const sent = request(cluster.url, {
      agent,
      method,
      headers,
      path: `/api/v1/nodes/${path}`,
      timeout: 60_000,
    });
    sent.once('timeout', () => sent.destroy(new Error(`no answer to ${path.slice(0, 200)} within a minute`)));
    sent.end();
    const [response] = await once(sent, 'response');
    return { status: response.statusCode, body: await text(response) };
  };
  return {
    ask,
    async askAll(paths) {
      const answers: ProxyAnswer[] = [];
      const rest = paths.entries();
      const work = async () => {
        for (const [index, path] of rest) answers[index] = await ask(path);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      return answers;
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}

/** The kubelet's own words for a checkpoint that it could not begin: its handler was reached. */
export function reachedHandler({ body }: ProxyAnswer): boolean {
  return /^(pod does not exist|container .* does not exist)/s.test(body);
}

/** By admission, a webhook or a policy; a 403 of RBAC or of the kubelet is something else. */
export function isDenied({ status, body }: ProxyAnswer): boolean {
  return status === 403 && /denied (the )?request: /.test(body);
}
