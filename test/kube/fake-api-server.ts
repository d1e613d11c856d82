import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { fieldsOf, own, text } from '../../policy/json.ts';
import { type Authority, createAuthority } from '../cluster/authority.ts';
import { writeKubeconfig } from '../cluster/kubeconfig.ts';

/** What a request is answered with instead; undefined leaves it to the fake. */
export type Override = (request: IncomingMessage, response: ServerResponse) => boolean;

export const PODS = '/api/v1/pods';
export const POLICIES = '/apis/criu.org/v1/checkpointrestoreoperators';
const COLLECTIONS: ReadonlySet<string> = new Set([PODS, POLICIES]);

interface ObjectToStore {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

interface Stored {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly resourceVersion: string };
}

interface Watcher {
  readonly path: string;
  readonly send: (event: object) => void;
}

/**
 * As much of an API server as our rooms use: single objects, lists in pages, watches with bookmarks and expiry,
 * access reviews. The contract suites hold it to the real one.
 */
export class FakeApiServer implements AsyncDisposable {
  /** `METHOD /path?query` of each request, in order. */
  readonly requests: string[] = [];
  /** Bodies of access reviews. */
  readonly reviews: unknown[] = [];
  /** Connections that were made. */
  connections = 0;
  /** Users and groups that may govern. */
  readonly governors = new Set<string>();
  override: Override = () => false;
  readonly directory: string;
  readonly authority: Authority;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #objects = new Map<string, Stored>();
  readonly #watchers = new Set<Watcher>();
  readonly #history: { readonly version: number; readonly path: string; readonly event: object }[] = [];
  /** Versions up to this one have been forgotten. */
  #compacted = 100;
  #version = 100;

  static async start(): Promise<FakeApiServer> {
    const directory = await mkdtemp(join(tmpdir(), 'checkpoint-warden-fake-'));
    const fake = new FakeApiServer(directory, await createAuthority('fake authority'));
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  private constructor(directory: string, authority: Authority) {
    this.directory = directory;
    this.authority = authority;
    const { certificate, key } = authority.issue({ name: 'fake', hosts: ['127.0.0.1', 'localhost'] });
    this.#server = createServer({ cert: certificate, key });
    this.#server.on('request', (request, response) => void this.#answer(request, response));
    this.#server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  get port(): number {
    const address: string | AddressInfo | null = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Path of a new kubeconfig; `port` leads here, too, by way of a pass-through. */
  async kubeconfig(port = this.port): Promise<string> {
    const file = join(this.directory, `kubeconfig-${port}`);
    const credentials = this.authority.issue({ name: 'admin' });
    const url = `https://127.0.0.1:${port}`;
    await writeKubeconfig(file, { url, ca: this.authority.certificate, user: 'admin', credentials });
    return file;
  }

  /** Creates or replaces an object of a collection: `/api/v1/…/pods` without its namespace. */
  put(collection: string, object: ObjectToStore): string {
    const key = keyOf(collection, object.metadata.namespace, object.metadata.name);
    const former = this.#objects.get(key);
    this.#version += 1;
    const stored = {
      ...object,
      metadata: {
        uid: `uid-${this.#version}`,
        ...(former && fieldsOf(former.metadata)),
        ...object.metadata,
        resourceVersion: String(this.#version),
      },
    };
    this.#objects.set(key, stored);
    this.#tell(collection, { type: former ? 'MODIFIED' : 'ADDED', object: stored });
    return text(own(stored.metadata, 'uid'));
  }

  remove(collection: string, namespace: string, name: string): void {
    const key = keyOf(collection, namespace, name);
    const former = this.#objects.get(key);
    if (former === undefined) return;
    this.#objects.delete(key);
    this.#version += 1;
    const object = { ...former, metadata: { ...former.metadata, resourceVersion: String(this.#version) } };
    this.#tell(collection, { type: 'DELETED', object });
  }

  /** Forgets what happened so far: versions up to now have expired. */
  compact(): void {
    this.#compacted = this.#version;
    this.#history.length = 0;
  }

  /** Closes what is connected, as a server does that is restarted. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dropConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.directory, { recursive: true, force: true });
  }

  #tell(path: string, event: object): void {
    this.#history.push({ version: this.#version, path, event });
    for (const watcher of this.#watchers) if (watcher.path === path) watcher.send(event);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push(`${request.method} ${request.url}`);
    if (this.override(request, response)) return;
    const url = new URL(request.url ?? '', 'https://fake');
    const parts = url.pathname.split('/').filter(Boolean);
    if (request.method === 'POST' && parts.at(-1) === 'subjectaccessreviews') {
      const review = await json(request);
      this.reviews.push(review);
      reply(response, 201, { ...fieldsOf(review), status: { allowed: this.#mayGovern(review) } });
      return;
    }
    const at = parts.indexOf('namespaces');
    if (at !== -1 && parts.length === at + 4) {
      const [, namespace = '', resource = '', name = ''] = parts.slice(at);
      const object = this.#objects.get(
        keyOf(`/${[...parts.slice(0, at), resource].join('/')}`, namespace, name),
      );
      if (object) reply(response, 200, object);
      else reply(response, 404, notFound(resource, name));
    } else if (!COLLECTIONS.has(url.pathname)) {
      reply(response, 404, status(404, 'NotFound', 'the server could not find the requested resource'));
    } else if (url.searchParams.has('watch')) this.#watch(url, response);
    else this.#list(url, response);
  }

  #mayGovern(review: unknown): boolean {
    const spec = fieldsOf(own(fieldsOf(review), 'spec'));
    const asked = fieldsOf(own(spec, 'resourceAttributes'));
    if (own(asked, 'verb') !== 'govern' || own(asked, 'namespace') !== undefined) return false;
    const groups = own(spec, 'groups');
    return [own(spec, 'user'), ...(Array.isArray(groups) ? groups : [])].some((each) =>
      this.governors.has(text(each)),
    );
  }

  #list({ pathname, searchParams }: URL, response: ServerResponse): void {
    const all = [...this.#objects]
      .filter(([key]) => key.startsWith(`${pathname}|`))
      .map(([, object]) => object);
    const [version = String(this.#version), from = '0'] = searchParams.get('continue')?.split('/') ?? [];
    const end = Number(from) + Number(searchParams.get('limit') ?? all.length);
    const more = end < all.length ? { continue: `${version}/${end}` } : {};
    reply(response, 200, {
      kind: 'List',
      apiVersion: 'v1',
      metadata: { resourceVersion: version, ...more },
      items: all.slice(Number(from), end),
    });
  }

  #watch({ pathname, searchParams }: URL, response: ServerResponse): void {
    const from = Number(searchParams.get('resourceVersion'));
    const send = (event: object) => response.write(`${JSON.stringify(event)}\n`);
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.flushHeaders();
    if (from < this.#compacted) {
      send({ type: 'ERROR', object: status(410, 'Expired', `too old resource version: ${from}`) });
      response.end();
      return;
    }
    for (const { version, path, event } of this.#history)
      if (path === pathname && version > from) send(event);
    const watcher = { path: pathname, send };
    this.#watchers.add(watcher);
    const end = () => {
      if (this.#watchers.delete(watcher)) {
        send({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(this.#version) } } });
        response.end();
      }
    };
    // Ten times as fast as it should be, so that tests are.
    const timer = setTimeout(end, Number(searchParams.get('timeoutSeconds') ?? 60) * 100);
    response.on('close', () => {
      clearTimeout(timer);
      this.#watchers.delete(watcher);
    });
  }
}

function keyOf(collection: string, namespace: string, name: string): string {
  return `${collection}|${namespace}/${name}`;
}

export function status(code: number, reason: string, message: string, details: object = {}): object {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    details,
    code,
  };
}

export function notFound(resource: string, name: string): object {
  return status(404, 'NotFound', `${resource} "${name}" not found`, { name, kind: resource });
}

export function reply(response: ServerResponse, code: number, body: object | string): void {
  const isText = typeof body === 'string';
  response.writeHead(code, { 'Content-Type': isText ? 'text/html' : 'application/json' });
  response.end(isText ? body : JSON.stringify(body));
}
