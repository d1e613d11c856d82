import type { JsonObject } from '../policy/json.ts';
import { API_VERSION, KIND, PLURAL } from '../policy/schema.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './error.ts';

/** Which version of a policy somebody has looked at. */
export interface PolicyVersion {
  readonly namespace: string;
  readonly name: string;
  readonly resourceVersion: string;
}

/** Writes what has become of a policy. */
export interface PolicyStatusWriter {
  /**
   * Rejects with a KubeError.
   * @returns false where the policy is another by now, or gone: then nothing was written.
   */
  write(policy: PolicyVersion, status: JsonObject): Promise<boolean>;
}

const MANAGER = 'checkpoint-warden-webhook';

/**
 * Writes by server-side apply, under one name for all replicas, and only over the version that was looked at: of two
 * replicas that have the same to say the second is told that it comes too late.
 */
export function policyStatusWriter(client: KubeClient): PolicyStatusWriter {
  return {
    async write({ namespace, name, resourceVersion }, status) {
      const [ns, policy] = [namespace, name].map(encodeURIComponent);
      try {
        await client.request({
          method: 'PATCH',
          path: `/apis/${API_VERSION}/namespaces/${ns}/${PLURAL}/${policy}/status`,
          query: { fieldManager: MANAGER, force: true },
          contentType: 'application/apply-patch+yaml',
          body: {
            ...{ apiVersion: API_VERSION, kind: KIND },
            ...{ metadata: { namespace, name, resourceVersion }, status },
          },
        });
        return true;
      } catch (error) {
        if (error instanceof KubeError && (error.status === 409 || error.status === 404)) return false;
        throw error;
      }
    },
  };
}
