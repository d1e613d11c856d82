import { fieldsOf, isObject, own, text } from '../policy/json.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './error.ts';
import { isOwnNotFound } from './pods.ts';

/** What a Secret holds, as far as it is ours to write. */
export interface SecretContent {
  /** Texts by key, not in base64. */
  readonly data: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A Secret as it was read. */
export interface Secret extends SecretContent {
  readonly name: string;
  readonly resourceVersion: string;
  /** The whole object, so that an update leaves alone what is not ours. */
  readonly object: object;
}

/** The Secrets of one namespace, by name. All reject with a KubeError. */
export interface Secrets {
  readonly namespace: string;
  /** Null only for the API server's own 404 of that Secret. */
  get(name: string): Promise<Secret | null>;
  /** Rejects with a conflict when there is one already. @param type `kubernetes.io/tls` or `Opaque` */
  create(name: string, type: string, content: SecretContent): Promise<void>;
  /**
   * Replaces the data, and those annotations that are given (an empty one is removed). Rejects with a conflict when
   * the Secret is no longer what was read.
   */
  update(former: Secret, content: SecretContent): Promise<void>;
}

/** True when somebody else was faster: then what he wrote is there to be read. */
export function isConflict(error: unknown): boolean {
  return error instanceof KubeError && error.status === 409;
}

export function secretsOf(client: KubeClient, namespace: string): Secrets {
  const path = secretsPath(namespace);
  const envelope = { apiVersion: 'v1', kind: 'Secret' };
  return {
    namespace,
    async get(name) {
      try {
        return secretIn(await client.request({ path: `${path}/${name}` }), name);
      } catch (error) {
        if (isOwnNotFound(error, name, 'secrets')) return null;
        throw error;
      }
    },
    async create(name, type, { data, annotations }) {
      const metadata = { name, namespace, annotations: withoutEmpty(annotations) };
      const body = { ...envelope, type, metadata, data: inBase64(data) };
      await client.request({ method: 'POST', path, body });
    },
    async update(former, { data, annotations }) {
      const metadata = fieldsOf(own(fieldsOf(former.object), 'metadata'));
      const merged = withoutEmpty({ ...former.annotations, ...annotations });
      const body = {
        ...former.object,
        ...envelope,
        metadata: { ...metadata, annotations: merged, resourceVersion: former.resourceVersion },
        data: inBase64(data),
      };
      await client.request({ method: 'PUT', path: `${path}/${former.name}`, body });
    },
  };
}

export function secretsPath(namespace: string): string {
  return `/api/v1/namespaces/${namespace}/secrets`;
}

/**
 * The API server's clock, to the second: what it would date a new Secret with. Nothing is stored.
 * @returns milliseconds since the epoch
 */
export async function serverTime(client: KubeClient, namespace: string): Promise<number> {
  const path = secretsPath(namespace);
  const body = { apiVersion: 'v1', kind: 'Secret', metadata: { generateName: 'checkpoint-warden-clock-' } };
  const dated = await client.request({
    method: 'POST',
    path,
    query: { dryRun: 'All' },
    body,
    repeatable: true,
  });
  const at = Date.parse(text(own(fieldsOf(own(fieldsOf(dated), 'metadata')), 'creationTimestamp')));
  if (Number.isNaN(at)) throw new KubeError(`POST ${path} (dryRun) was answered without a creationTimestamp`);
  return at;
}

function secretIn(object: unknown, name: string): Secret {
  const metadata = fieldsOf(isObject(object) ? own(object, 'metadata') : undefined);
  const resourceVersion = text(own(metadata, 'resourceVersion'));
  if (!isObject(object) || own(metadata, 'name') !== name || resourceVersion === '') {
    throw new KubeError(`the answer to GET secret ${name} is not that Secret`);
  }
  return {
    name,
    resourceVersion,
    object,
    annotations: textsIn(own(metadata, 'annotations'), (each) => each),
    data: textsIn(own(object, 'data'), (each) => Buffer.from(each, 'base64').toString('utf8')),
  };
}

function textsIn(object: unknown, read: (text: string) => string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fieldsOf(object)).map(([key, each]) => [key, read(text(each))] as const),
  );
}

function inBase64(data: SecretContent['data']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data).map(([key, each]) => [key, Buffer.from(each).toString('base64')]),
  );
}

function withoutEmpty(texts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).filter(([, each]) => each !== ''));
}
