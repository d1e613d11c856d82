import { readArchiveRoute } from '../../../../policy/archive-routes.ts';
import { byPosition, type ListedArchive } from '../../../../policy/listed-archive.ts';
import {
  type AggregatedApiOptions,
  type RunningApi,
  startAggregatedApi,
} from '../../../../webhook/gateway/api/main.ts';
import { BOUNDS } from '../../../../webhook/gateway/bounds.ts';
import type { DoorClient, DoorOutcome } from '../../../../webhook/gateway/door-client.ts';
import { type Authority, type Credentials, createAuthority } from '../../../cluster/authority.ts';
import { request } from '../../../cluster/nodes/request.ts';

/** A door of a test's own: answers without a network. */
export interface FakeNode {
  readonly name: string;
  /** In order. */
  archives: ListedArchive[];
  /** Lets no answer through while it is set. */
  silent: boolean;
  /** How many pages it has given. */
  pages: number;
}

export const BASE = '/apis/checkpoint.criu.org/v1alpha1';

let shared: Promise<readonly [Authority, Authority, Authority]> | null = null;

/** An aggregated API before fake doors, whose API server is played by certificates. */
export async function startApiKit(more: Partial<AggregatedApiOptions> = {}, names = ['front-proxy-client']) {
  shared ??= Promise.all([
    createAuthority('warden'),
    createAuthority('front-proxy'),
    createAuthority('other'),
  ]);
  const [warden, frontProxy, other] = await shared;
  const published = { ca: frontProxy.certificate, names, users: ['X-Remote-User'] };
  const nodes: FakeNode[] = [];
  const errors: string[] = [];
  const tell = (_: object, message: string) => void errors.push(message);
  const api: RunningApi = await startAggregatedApi({
    listen: { host: '127.0.0.1', port: 0 },
    certificate: { ...warden.issue({ name: 'webhook', hosts: ['127.0.0.1'] }), ca: warden.certificate },
    minTlsVersion: 'TLSv1.3',
    client: {
      request: async () => ({
        data: {
          'requestheader-client-ca-file': published.ca,
          'requestheader-allowed-names': JSON.stringify(published.names),
          'requestheader-username-headers': JSON.stringify(published.users),
        },
      }),
    },
    places: {
      nodes: () => nodes.map(({ name }) => ({ node: name, address: name })),
      find: async () => ({ kind: 'noPod' }),
    },
    doors: { ask: (asked) => answerOf(nodes, asked) },
    token: async () => 'token',
    bounds: BOUNDS,
    log: { info() {}, warn: tell, error: tell },
    deadlineMs: 200,
    ...more,
  });
  const believed = frontProxy.issue({ name: 'front-proxy-client' });
  return {
    ...{ api, nodes, errors, published, warden, frontProxy, other, believed },
    ask(
      path: string,
      options: { credentials?: Credentials | null; headers?: Record<string, string>; method?: string } = {},
    ) {
      const { credentials = believed, headers = { 'x-remote-user': 'ada' }, method = 'GET' } = options;
      return request(`${api.url}/`, {
        ...{ path, method, headers, ca: warden.certificate, timeout: 20_000 },
        ...(credentials !== null && { credentials }),
      });
    },
  };
}

async function answerOf(
  nodes: readonly FakeNode[],
  { address, method, path, signal }: Parameters<DoorClient['ask']>[0],
): Promise<DoorOutcome> {
  const node = nodes.find(({ name }) => name === address);
  const route = readArchiveRoute(method, path);
  if (node === undefined || route === null || route.kind !== 'list') throw new Error(`${method} ${path}`);
  if (node.silent) {
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }
  node.pages += 1;
  const { limit, after } = route;
  const behind = after === null ? 0 : node.archives.findIndex((each) => byPosition(each, after) > 0);
  const items = behind < 0 ? [] : node.archives.slice(behind, behind + limit);
  const more = behind >= 0 && behind + limit < node.archives.length;
  const body = Buffer.from(JSON.stringify({ version: 1_000_000, items, more }));
  return { kind: 'answered', status: 200, headers: {}, body };
}
