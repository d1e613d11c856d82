import { fieldsOf, own } from '../policy/json.ts';
import type { KubeClient } from './client.ts';
import { isOwnNotFound } from './pods.ts';

/** Look-ups of nodes, each by one GET. */
export interface NodeLookup {
  /** Null only for the API server's own 404 of that node; rejects for everything else, because that proves nothing. */
  get(name: string): Promise<NodeFacts | null>;
}

export interface NodeFacts {
  /** `kubectl cordon`, and so the first step of a drain. */
  readonly unschedulable: boolean;
}

export function nodeLookup(client: KubeClient): NodeLookup {
  return {
    async get(name) {
      try {
        const node = await client.request({ path: `/api/v1/nodes/${encodeURIComponent(name)}` });
        return { unschedulable: own(fieldsOf(own(fieldsOf(node), 'spec')), 'unschedulable') === true };
      } catch (error) {
        if (isOwnNotFound(error, name, 'nodes')) return null;
        throw error;
      }
    },
  };
}
