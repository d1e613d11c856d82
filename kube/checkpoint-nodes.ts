import { fieldsOf, type JsonObject, own, text } from '../policy/json.ts';
import { type NodeFacts, readNode } from '../policy/node-facts.ts';
import { NODE_API_VERSION, NODE_KIND, NODE_PLURAL } from '../policy/node-schema.ts';
import type { KubeClient } from './client.ts';
import { Informer, type InformerOptions } from './informer.ts';
import { isOwnNotFound } from './pods.ts';

/** The object in which one node's collector says what it sees. */
export interface CheckpointNodeWriter {
  /** Makes the object where there is none. Rejects with a KubeError. */
  write(status: JsonObject): Promise<void>;
}

const MANAGER = 'checkpoint-warden-collector';
const APPLY = 'application/apply-patch+yaml';

/** Writes by server-side apply: what others add to the object stays theirs. */
export function checkpointNodeWriter(client: KubeClient, node: string): CheckpointNodeWriter {
  const name = encodeURIComponent(node);
  const path = `/apis/${NODE_API_VERSION}/${NODE_PLURAL}/${name}`;
  const envelope = { apiVersion: NODE_API_VERSION, kind: NODE_KIND };
  const query = { fieldManager: MANAGER, force: true };
  const writeStatus = (status: JsonObject) =>
    client.request({
      ...{ method: 'PATCH', path: `${path}/status`, query, contentType: APPLY },
      body: { ...envelope, metadata: { name: node }, status },
    });
  /** Owned by the node, it goes when the node goes. */
  const create = async () => {
    const found = fieldsOf(await client.request({ path: `/api/v1/nodes/${name}` }));
    const uid = text(own(fieldsOf(own(found, 'metadata')), 'uid'));
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name: node, uid }];
    await client.request({
      ...{ method: 'PATCH', path, query, contentType: APPLY },
      body: { ...envelope, metadata: { name: node, ownerReferences } },
    });
  };
  return {
    async write(status) {
      try {
        await writeStatus(status);
      } catch (error) {
        if (!isOwnNotFound(error, node, NODE_PLURAL)) throw error;
        await create();
        await writeStatus(status);
      }
    },
  };
}

/** What all collectors say, kept up to date by a list and a watch. */
export function checkpointNodes(
  options: Omit<InformerOptions<NodeFacts>, 'path' | 'parse'>,
): Informer<NodeFacts> {
  return new Informer({ ...options, path: `/apis/${NODE_API_VERSION}/${NODE_PLURAL}`, parse: readNode });
}
