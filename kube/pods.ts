import { isLabel, isSubdomain } from '../policy/fields.ts';
import { fieldsOf, isObject, own, text } from '../policy/json.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './error.ts';
import type { PodFacts, PodLookup } from './types.ts';

const CONFIG_HASH = 'kubernetes.io/config.hash';

/** Looks single pods up, each by one GET. */
export function podLookup(client: KubeClient): PodLookup {
  return {
    async get(namespace, name) {
      // Names come out of archives: one like `..` or an empty one would ask for something else.
      if (!isLabel(namespace) || !isSubdomain(name)) {
        throw new Error(`no pod can be called ${JSON.stringify(`${namespace}/${name}`)}`);
      }
      try {
        const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
        return podFacts(await client.request({ path }), namespace, name);
      } catch (error) {
        if (isOwnNotFound(error, name)) return null;
        throw error;
      }
    },
  };
}

/**
 * Whether the API server itself says that there is no such pod, or no such object of another kind. A 404 of a proxy,
 * or of an API server that does not know the path, says nothing about it.
 */
export function isOwnNotFound(error: unknown, name: string, kind = 'pods'): boolean {
  if (!(error instanceof KubeError) || error.status !== 404) return false;
  const { details } = error;
  return details?.reason === 'NotFound' && details.kind === kind && details.name === name;
}

/** @throws when that is not this pod */
export function podFacts(pod: unknown, namespace: string, name: string): PodFacts {
  const metadata = fieldsOf(isObject(pod) ? own(pod, 'metadata') : undefined);
  const uid = text(own(metadata, 'uid'));
  const isPod = isObject(pod) && own(pod, 'kind') === 'Pod';
  const isThis = own(metadata, 'namespace') === namespace && own(metadata, 'name') === name;
  if (!isPod || !isThis || uid === '') {
    throw new KubeError(`the answer to GET pod ${namespace}/${name} is not that pod`);
  }
  return { uid, configHash: configHashOf(pod) };
}

/** The hash of a static pod's manifest; null for any other pod. */
export function configHashOf(pod: Readonly<Record<string, unknown>>): string | null {
  const annotations = fieldsOf(own(fieldsOf(own(pod, 'metadata')), 'annotations'));
  return text(own(annotations, CONFIG_HASH)) || null;
}
