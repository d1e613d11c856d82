import type { ListPosition } from './listed-archive.ts';

/*
 * What the gateway asks a node's door about its archives. Both sides build and read these paths here. All names in
 * the paths are DNS names, so nothing is encoded but the position of a list in its query.
 */

/** The header with which the gateway tells whose request it passes on: base64url of JSON `{username, uid}`. */
export const ACTOR_HEADER = 'checkpoint-warden-user';

/** The virtual resource of the group `checkpoint.criu.org`, cluster-wide, whose verbs open these paths. */
export const ARCHIVES_RESOURCE = 'archives';

/**
 * What the gateway's own token for these paths is for, and nothing else: a node that is taken over gets a token that the
 * API server does not take.
 */
export const DOORS_AUDIENCE = 'checkpoint-warden-doors';

export type ArchiveVerb = 'list' | 'get' | 'watch' | 'create' | 'patch' | 'delete';

export type ArchiveRoute =
  | {
      readonly kind: 'list';
      readonly limit: number;
      readonly after: ListPosition | null;
      readonly namespace?: string;
      readonly pod?: string;
    }
  | {
      readonly kind: 'changes';
      readonly since: number;
      /** Milliseconds that the answer may wait for a change. */
      readonly wait: number;
      readonly namespace?: string;
    }
  | { readonly kind: 'get' | 'delete' | 'pin' | 'unpin'; readonly namespace: string; readonly name: string }
  | {
      readonly kind: 'create' | 'verdict';
      readonly namespace: string;
      readonly pod: string;
      readonly container: string;
      readonly timeoutSeconds?: number;
    };

/** Which right each of them takes. */
export const VERB_OF: Readonly<Record<ArchiveRoute['kind'], ArchiveVerb>> = {
  list: 'list',
  changes: 'watch',
  get: 'get',
  delete: 'delete',
  pin: 'patch',
  unpin: 'patch',
  create: 'create',
  verdict: 'create',
};

export const LONGEST_WAIT_MS = 30_000;
export const MOST_LISTED = 500;

export function isArchiveRoute(url: string | undefined): boolean {
  return /^\/archives(?:[/?]|$)/.test(url ?? '');
}

const LABEL = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
const SUBDOMAIN = '(?=[^/]{1,253}/)[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?';
const LIST = /^\/archives\?([a-z]+=[\w.%+*-]*(?:&[a-z]+=[\w.%+*-]*){0,5})$/;
const CHANGES = /^\/archives\/changes\?([a-z]+=[\w.%+*-]*(?:&[a-z]+=[\w.%+*-]*){0,5})$/;
const ONE = new RegExp(`^/archives/(${LABEL})/(${LABEL})(/pin)?$`);
const CONTAINER = new RegExp(
  `^/archives/(${LABEL})/(${SUBDOMAIN})/(${LABEL})/(checkpoint|verdict)(?:\\?timeout=(\\d{1,10}))?$`,
);
/** A position is a name of a file, which may have 255 bytes, each of them encoded by three, and two DNS names. */
const LONGEST = 1_536;

/** Reads the raw request target; null for what is none of these, in whatever way. */
export function readArchiveRoute(method: string | undefined, url: string | undefined): ArchiveRoute | null {
  const target = url ?? '';
  if (target.length > LONGEST) return null;
  const list = LIST.exec(target);
  if (list !== null) return method === 'GET' ? listRoute(new URLSearchParams(list[1])) : null;
  const changes = CHANGES.exec(target);
  if (changes !== null) return method === 'GET' ? changesRoute(new URLSearchParams(changes[1])) : null;
  const one = ONE.exec(target);
  if (one !== null) {
    const [, namespace = '', name = '', pin] = one;
    const kind = ONE_KINDS.get(`${method} ${pin ?? ''}`);
    return kind === undefined ? null : { kind, namespace, name };
  }
  const container = CONTAINER.exec(target);
  if (container === null) return null;
  const [, namespace = '', pod = '', name = '', what, timeout] = container;
  const kind = what === 'verdict' ? 'verdict' : 'create';
  if (method !== (kind === 'verdict' ? 'GET' : 'POST')) return null;
  const timeoutSeconds = timeout === undefined ? undefined : Number(timeout);
  return {
    ...{ kind, namespace, pod, container: name },
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
  };
}

const ONE_KINDS = new Map<string, 'get' | 'delete' | 'pin' | 'unpin'>([
  ['GET ', 'get'],
  ['DELETE ', 'delete'],
  ['PUT /pin', 'pin'],
  ['DELETE /pin', 'unpin'],
]);

function listRoute(query: URLSearchParams): ArchiveRoute | null {
  const limit = Number(query.get('limit') ?? MOST_LISTED);
  const token = query.get('after');
  const after = token === null ? null : readPosition(token);
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST_LISTED || after === undefined) return null;
  return { kind: 'list', limit, after, ...named(query, 'namespace'), ...named(query, 'pod') };
}

function changesRoute(query: URLSearchParams): ArchiveRoute | null {
  const [since, wait] = [Number(query.get('since') ?? Number.NaN), Number(query.get('wait') ?? 0)];
  if (!Number.isSafeInteger(since) || since < 0) return null;
  if (!Number.isInteger(wait) || wait < 0 || wait > LONGEST_WAIT_MS) return null;
  return { kind: 'changes', since, wait, ...named(query, 'namespace') };
}

function named<K extends string>(query: URLSearchParams, key: K): Partial<Record<K, string>> {
  const value = query.get(key);
  const part: Partial<Record<K, string>> = {};
  if (value !== null && value !== '') part[key] = value;
  return part;
}

/** The path of a route, with its method. */
export function archivePath(route: ArchiveRoute): {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
} {
  switch (route.kind) {
    case 'list': {
      const { limit, after, namespace, pod } = route;
      const query = new URLSearchParams({ limit: String(limit) });
      if (after !== null) query.set('after', positionText(after));
      if (namespace !== undefined) query.set('namespace', namespace);
      if (pod !== undefined) query.set('pod', pod);
      return { method: 'GET', path: `/archives?${query}` };
    }
    case 'changes': {
      const query = new URLSearchParams({ since: String(route.since), wait: String(route.wait) });
      if (route.namespace !== undefined) query.set('namespace', route.namespace);
      return { method: 'GET', path: `/archives/changes?${query}` };
    }
    case 'get':
      return { method: 'GET', path: `/archives/${route.namespace}/${route.name}` };
    case 'delete':
      return { method: 'DELETE', path: `/archives/${route.namespace}/${route.name}` };
    case 'pin':
      return { method: 'PUT', path: `/archives/${route.namespace}/${route.name}/pin` };
    case 'unpin':
      return { method: 'DELETE', path: `/archives/${route.namespace}/${route.name}/pin` };
    case 'create':
    case 'verdict': {
      const { namespace, pod, container, timeoutSeconds, kind } = route;
      const what = kind === 'create' ? 'checkpoint' : 'verdict';
      const query = timeoutSeconds === undefined ? '' : `?timeout=${timeoutSeconds}`;
      const path = `/archives/${namespace}/${pod}/${container}/${what}${query}`;
      return { method: kind === 'create' ? 'POST' : 'GET', path };
    }
  }
}

/** A position as a text of three lines, the last of which may hold anything. */
export function positionText({ namespace, pod, file }: ListPosition): string {
  return `${namespace}\n${pod}\n${file}`;
}

/** Undefined for what is none. */
export function readPosition(lines: string): ListPosition | undefined {
  const match = /^([^\n]+)\n([^\n]+)\n([^/\0]+)$/.exec(lines);
  if (match === null) return undefined;
  const [, namespace = '', pod = '', file = ''] = match;
  return { namespace, pod, file };
}
