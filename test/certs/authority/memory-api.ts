import type { KubeClient, KubeRequest, WatchRequest } from '../../../kube/client.ts';
import { KubeError, statusError } from '../../../kube/error.ts';
import { fieldsOf, isObject, own, text } from '../../../policy/json.ts';

type Stored = Readonly<Record<string, unknown>>;

/**
 * As much of an API server as the authority uses, in memory: single objects with resource versions, conflicts, JSON
 * Patch with `test`, dry runs that tell the time, and watches of one object. test/e2e/authority.test.ts has the real one.
 */
export class MemoryApi {
  /** `METHOD /path` of each request and watch, in order. */
  readonly calls: string[] = [];
  /** Milliseconds since the epoch. */
  now: () => number;
  /** What a request is refused with in place of its answer; undefined leaves it be. */
  fail: (request: KubeRequest) => Error | undefined = () => undefined;
  /** After a request was carried out: an error in place of its answer. */
  lose: (request: KubeRequest) => Error | undefined = () => undefined;
  readonly #objects = new Map<string, Stored>();
  readonly #watchers = new Set<{ readonly path: string; readonly send: (event: object) => void }>();
  #version = 100;

  constructor(now: () => number) {
    this.now = now;
  }

  /** A client of its own for each process. */
  client(): KubeClient {
    return {
      server: 'https://memory',
      request: async (request) => {
        this.calls.push(`${request.method ?? 'GET'} ${request.path}`);
        // As over a network: others come in between.
        await new Promise(setImmediate);
        const refused = this.fail(request);
        if (refused) throw refused;
        const answer = this.#answer(request);
        const lost = this.lose(request);
        if (lost) throw lost;
        return structuredClone(answer);
      },
      stream: async (request) => {
        this.calls.push(`WATCH ${request.path}`);
        const refused = this.fail(request);
        if (refused) throw refused;
        return this.#watch(request);
      },
      close: () => {},
    };
  }

  objects(): Iterable<readonly [path: string, object: Stored]> {
    return this.#objects;
  }

  get(path: string): Stored | undefined {
    return this.#objects.get(path);
  }

  /** Creates or replaces, as somebody with all rights would. */
  put(path: string, object: Stored): void {
    this.#version += 1;
    const metadata = {
      ...fieldsOf(object.metadata),
      name: nameIn(path),
      resourceVersion: `${this.#version}`,
    };
    const stored = { ...object, metadata };
    this.#objects.set(path, stored);
    this.#tell(path, stored);
  }

  remove(path: string): void {
    this.#objects.delete(path);
    this.#version += 1;
    this.#tell(path, { metadata: { name: nameIn(path), resourceVersion: `${this.#version}` } });
  }

  /** One text of a Secret's data. */
  secret(path: string, key: string): string {
    const data = fieldsOf(own(fieldsOf(this.get(path)), 'data'));
    return Buffer.from(text(own(data, key)), 'base64').toString('utf8');
  }

  /** Changes a Secret's data by hand; undefined removes a key. */
  edit(path: string, changes: Readonly<Record<string, string | undefined>>): void {
    const former = fieldsOf(this.get(path));
    const data = Object.entries({ ...fieldsOf(own(former, 'data')), ...inBase64(changes) });
    this.put(path, { ...former, data: Object.fromEntries(data.filter(([, each]) => each !== undefined)) });
  }

  #answer({ method = 'GET', path, query, body }: KubeRequest): Stored {
    const sent = fieldsOf(body);
    if (method === 'POST') {
      const name = text(own(fieldsOf(own(sent, 'metadata')), 'name'));
      if (query?.dryRun === 'All') {
        return { ...sent, metadata: { creationTimestamp: new Date(this.now()).toISOString() } };
      }
      const at = `${path}/${name}`;
      if (this.#objects.has(at)) throw failure(409, 'AlreadyExists', path, name);
      this.put(at, sent);
      return fieldsOf(this.get(at));
    }
    const stored = this.#objects.get(path);
    if (stored === undefined) throw failure(404, 'NotFound', path, nameIn(path));
    const version = text(own(fieldsOf(stored.metadata), 'resourceVersion'));
    if (method === 'PUT') {
      if (text(own(fieldsOf(own(sent, 'metadata')), 'resourceVersion')) !== version) {
        throw failure(409, 'Conflict', path, nameIn(path));
      }
      this.put(path, sent);
    } else if (method === 'PATCH') {
      const patched = structuredClone({ ...stored });
      for (const operation of Array.isArray(body) ? body : []) {
        if (!applied(patched, fieldsOf(operation))) throw failure(422, 'Invalid', path, nameIn(path));
      }
      this.put(path, patched);
    }
    return fieldsOf(this.get(path));
  }

  async *#watch({ path, query, signal }: WatchRequest): AsyncGenerator<unknown> {
    const events: object[] = [];
    let wake = () => {};
    const end = () => wake();
    signal?.addEventListener('abort', end, { once: true });
    const name = text(query?.fieldSelector).replace('metadata.name=', '');
    const watcher = {
      path: `${path}/${name}`,
      send: (event: object) => {
        events.push(event);
        wake();
      },
    };
    this.#watchers.add(watcher);
    try {
      while (signal?.aborted !== true) {
        yield* events.splice(0);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  #tell(path: string, object: Stored): void {
    for (const watcher of this.#watchers) {
      if (watcher.path === path) watcher.send({ type: 'MODIFIED', object });
    }
  }
}

/** A refusal as the API server writes it. */
export function failure(code: number, reason: string, path: string, name: string): KubeError {
  const [kind = ''] = path.split('/').slice(path.endsWith(`/${name}`) ? -2 : -1);
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    code,
    reason,
    message: `${reason} ${name}`,
    details: { kind, name },
  };
  return statusError(path, status, code) ?? new KubeError(reason, { status: code });
}

/** No answer at all. */
export function silence(): KubeError {
  return new KubeError('GET https://memory had no answer: connect ECONNREFUSED');
}

function applied(target: Stored, { op, path, value }: Readonly<Record<string, unknown>>): boolean {
  const keys = text(path).split('/').slice(1);
  const last = keys.pop() ?? '';
  let at: unknown = target;
  for (const key of keys) at = Array.isArray(at) ? at[Number(key)] : own(fieldsOf(at), key);
  if (!isObject(at)) return false;
  if (op === 'test') return own(at, last) === value;
  Object.assign(at, { [last]: value });
  return true;
}

function nameIn(path: string): string {
  return path.split('/').at(-1) ?? '';
}

function inBase64(texts: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(texts).map(([key, each]) => [key, each && Buffer.from(each).toString('base64')]),
  );
}
