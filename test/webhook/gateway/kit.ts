import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:https';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Registry } from 'prom-client';
import type { PodPlace } from '../../../kube/pod-nodes.ts';
import type { UserInfo } from '../../../kube/types.ts';
import { createLog } from '../../../observe/log.ts';
import { type GatewayOptions, startGateway } from '../../../webhook/gateway/main.ts';
import { type Authority, type Credentials, createAuthority } from '../../cluster/authority.ts';

export const DOOR_NAME = 'checkpoint-warden-door.checkpoint-warden.svc';

/** What a fake door was asked. */
export interface DoorAsk {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Resolves when the gateway has gone. */
  readonly gone: Promise<void>;
}

export type DoorAnswer = (asked: DoorAsk, response: ServerResponse, request: IncomingMessage) => void;

export interface FakeDoor {
  readonly port: number;
  readonly asked: DoorAsk[];
  /** Bytes that came, before or behind a handshake. */
  readonly connections: () => number;
  answer: DoorAnswer;
  close(): Promise<void>;
}

/** A door's side of TLS, whose answers are a test's own. */
export async function startFakeDoor(
  { certificate, key }: Credentials,
  { host = '127.0.0.1', port = 0 } = {},
): Promise<FakeDoor> {
  const server = createServer({ cert: certificate, key });
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const door: FakeDoor = {
    get port() {
      const bound = server.address();
      return typeof bound === 'object' && bound !== null ? bound.port : 0;
    },
    asked: [],
    connections: () => connections,
    answer: (_, response) => answerWith(response, 200, '{"items":["/x/checkpoint-cart_shop-main.tar"]}'),
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      return closed;
    },
  };
  server.on('request', (incoming, response) => {
    const gone = new Promise<void>((resolve) => response.once('close', () => resolve()));
    const asked = { method: incoming.method ?? '', url: incoming.url ?? '', headers: incoming.headers, gone };
    door.asked.push(asked);
    door.answer(asked, response, incoming);
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  return door;
}

export function answerWith(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(body);
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

export interface AskOptions {
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly signal?: AbortSignal;
  readonly from?: string;
}

/** For all tests of a file: keys take time to make. */
let authorities: Promise<[Authority, Authority]> | undefined;

/** A gateway before a fake door; the API server's part is played by maps. */
export type OpenGateway = Awaited<ReturnType<typeof openGateway>>;

export async function openGateway(more: Partial<GatewayOptions> = {}) {
  const scratch = mkdtempSync(join(tmpdir(), 'open-gateway-'));
  authorities ??= Promise.all([createAuthority('cluster'), createAuthority('others')]);
  const [authority, others] = await authorities;
  const own = authority.issue({ name: 'gateway', hosts: ['127.0.0.1'] });
  const ofDoor = authority.issue({ name: 'door', hosts: [DOOR_NAME] });
  const door = await startFakeDoor(ofDoor);
  const caFile = join(scratch, 'ca.crt');
  writeFileSync(caFile, authority.certificate);
  const tokens = new Map<string, UserInfo>([['good', { username: 'ada', groups: [] }]]);
  const rights = new Set(['ada shop']);
  const places = new Map<string, PodPlace>([['shop/cart', at('node1', '127.0.0.1')]]);
  /** What the API server says where it is asked anew. */
  const fresh = new Map<string, PodPlace>();
  const state = { down: false, synced: true, reviews: 0, finds: 0 };
  const unlessDown = async <T>(value: T): Promise<T> => {
    if (state.down) throw new Error('POST https://10.0.0.1:6443 had no answer');
    return value;
  };
  const lines: string[] = [];
  const log = createLog({ level: 'debug', destination: { write: (line) => void lines.push(line) } });
  const registry = new Registry();
  const gateway = await startGateway({
    listen: { host: '127.0.0.1', port: 0 },
    certificate: { ...own, ca: authority.certificate },
    tokens: {
      whose(token) {
        state.reviews += 1;
        return unlessDown(tokens.get(token) ?? null);
      },
    },
    rights: { mayCheckpoint: (user, namespace) => unlessDown(rights.has(`${user.username} ${namespace}`)) },
    places: {
      get synced() {
        return state.synced;
      },
      find(namespace, pod, isFresh = false) {
        state.finds += 1;
        const key = `${namespace}/${pod}`;
        return unlessDown((isFresh ? fresh.get(key) : undefined) ?? places.get(key) ?? { kind: 'noPod' });
      },
    },
    doors: { ca: caFile, name: DOOR_NAME, port: door.port },
    ...{ log, registry },
    ...more,
  });
  return {
    ...{ scratch, authority, others, ofDoor, door, caFile, tokens, rights, places, fresh, state, lines },
    ...{ registry, gateway },
    ask: (path = '/checkpoint/shop/cart/main', options: AskOptions = {}) =>
      ask(gateway.url, authority, path, options),
    async stop() {
      await gateway.stop(0);
      await door.close();
      rmSync(scratch, { recursive: true });
    },
  };
}

export function at(node: string, address: string): PodPlace {
  return { kind: 'there', node, address };
}

/** One request by an ordinary client, on a connection of its own. */
export function ask(
  url: string,
  { certificate }: Pick<Authority, 'certificate'>,
  path: string,
  { token = 'good', headers, method = 'POST', signal, from }: AskOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        ...{ method, path, ca: certificate, agent: false },
        ...(signal && { signal }),
        ...(from !== undefined && { localAddress: from }),
        headers: { ...(token !== null && { authorization: `Bearer ${token}` }), ...headers },
      },
      (incoming) => {
        const { statusCode: status = 0, headers: received } = incoming;
        text(incoming).then((body) => resolve({ status, body, headers: received }), reject);
      },
    );
    // An answer to CONNECT; what comes of its body by then stands in the head.
    outgoing.once('connect', ({ statusCode: status = 0, headers: received }, socket, head) => {
      socket.destroy();
      resolve({ status, body: head.toString(), headers: received });
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}
