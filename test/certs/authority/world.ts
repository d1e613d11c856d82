import { X509Certificate } from 'node:crypto';
import { Keeper, type KeeperOptions, type Look } from '../../../certs/authority/keeper.ts';
import { certificatesIn } from '../../../certs/bundle.ts';
import { createKey, type KeyPair } from '../../../certs/x509.ts';
import type { KubeRequest } from '../../../kube/client.ts';
import { fieldsOf, own, text } from '../../../policy/json.ts';
import { failure, MemoryApi } from './memory-api.ts';

export const START = Date.UTC(2026, 10, 21);
export const MINUTE = 60_000;
export const DAY = 86_400_000;
export const NAMESPACE = 'checkpoint-warden';

const SECRETS = `/api/v1/namespaces/${NAMESPACE}/secrets`;
export const AUTHORITY = `${SECRETS}/checkpoint-warden-authority`;
export const LEAF = `${SECRETS}/webhook-certificate`;
export const DOOR = `${SECRETS}/door-certificate`;
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
export const MUTATING = `${ADMISSION}/mutatingwebhookconfigurations/checkpoint-warden-policies`;
export const VALIDATING = `${ADMISSION}/validatingwebhookconfigurations/checkpoint-warden-policies`;
export const CONNECT = `${ADMISSION}/validatingwebhookconfigurations/checkpoint-warden-connect`;
export const CRD =
  '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/checkpointrestoreoperators.criu.org';
export const API_SERVICE = '/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.checkpoint.criu.org';

export const TERMS = { authorityLife: 365 * DAY, leafLife: 30 * DAY, propagation: 10 * MINUTE };

/** Keys take time to make: all tests take turns with these. */
const pool: Promise<KeyPair>[] = [];
let turn = 0;
export function pooledKey(): Promise<KeyPair> {
  const index = turn++ % 12;
  pool[index] ??= createKey();
  return pool[index];
}

/** An API server with what the manifests bring, and a clock. */
export class World {
  now = START;
  readonly api = new MemoryApi(() => this.now);

  /** Another with the same objects. */
  copy(): World {
    const world = new World();
    world.now = this.now;
    for (const [path, object] of this.api.objects()) world.api.put(path, object);
    return world;
  }

  constructor() {
    const hook = (name: string) => ({ name, clientConfig: { service: { name: 'webhook' } } });
    this.api.put(MUTATING, { webhooks: [hook('mutate')] });
    this.api.put(VALIDATING, { webhooks: [hook('validate'), hook('second')] });
    this.api.put(CONNECT, { webhooks: [hook('connect')] });
  }

  keeper(options: Partial<KeeperOptions> = {}): Keeper {
    return new Keeper({
      client: this.api.client(),
      namespace: NAMESPACE,
      terms: TERMS,
      now: () => this.now,
      early: 0,
      newKey: pooledKey,
      ...options,
    });
  }

  /** Whom the first entry of an object trusts. */
  authorities(path: string): readonly X509Certificate[] {
    return this.#bundles(path)[0] ?? [];
  }

  /** Fingerprints of whom each object trusts, one list for each of its entries. */
  trusted(path: string): string[][] {
    return this.#bundles(path).map((each) => each.map(({ fingerprint256 }) => fingerprint256));
  }

  #bundles(path: string): (readonly X509Certificate[])[] {
    const object = fieldsOf(this.api.get(path));
    const spec = fieldsOf(own(object, 'spec'));
    const webhooks = own(object, 'webhooks');
    const conversion = own(fieldsOf(own(fieldsOf(own(spec, 'conversion')), 'webhook')), 'clientConfig');
    const configs = Array.isArray(webhooks)
      ? webhooks.map((each: unknown) => own(fieldsOf(each), 'clientConfig'))
      : [conversion ?? spec];
    return configs.map((each) => {
      const pem = Buffer.from(text(own(fieldsOf(each), 'caBundle')), 'base64').toString('utf8');
      return certificatesIn(pem).all;
    });
  }

  fingerprint(path: string, key: string): string {
    return new X509Certificate(this.api.secret(path, key)).fingerprint256;
  }

  generation(): number {
    const metadata = fieldsOf(own(fieldsOf(this.api.get(AUTHORITY)), 'metadata'));
    return Number(own(fieldsOf(own(metadata, 'annotations')), 'checkpoint.criu.org/generation'));
  }

  annotate(path: string, annotations: Readonly<Record<string, string>>): void {
    const object = fieldsOf(this.api.get(path));
    const metadata = fieldsOf(own(object, 'metadata'));
    const merged = { ...fieldsOf(own(metadata, 'annotations')), ...annotations };
    this.api.put(path, { ...object, metadata: { ...metadata, annotations: merged } });
  }

  /** From now on these are forbidden; an empty list gives the rights back. */
  forbid(...rights: readonly (readonly [method: string, path: string])[]): void {
    this.api.fail = ({ method = 'GET', path }: KubeRequest) =>
      rights.some(([verb, at]) => verb === method && at === path)
        ? failure(403, 'Forbidden', path, path.split('/').at(-1) ?? '')
        : undefined;
  }
}

/** Fails when a look left a problem. */
export function wellLooked(look: Look): Look {
  if (look.problems.size > 0) throw new Error([...look.problems.values()].join('; '));
  return look;
}

/** SHA-256 of the certificate that is to be served. */
export function servedBy(look: Look): string {
  if (look.serving === null) throw new Error('nothing is served');
  return new X509Certificate(look.serving.inspected.certificate.certificate).fingerprint256;
}
