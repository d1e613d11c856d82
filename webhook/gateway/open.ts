import { setTimeout as delay } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { tokenReviewer } from '../../kube/authentication.ts';
import { createClient } from '../../kube/client.ts';
import { PodNodeInformers } from '../../kube/pod-nodes.ts';
import { checkpointReviewer } from '../../kube/reviews.ts';
import { createLog } from '../../observe/log.ts';
import { type RunningGateway, startGateway } from './main.ts';
import type { ThreadData } from './messages.ts';

/** A gateway with all that it answers from. */
export interface OpenGateway {
  readonly gateway: RunningGateway;
  stop(): Promise<void>;
}

/** Starts the gateway in this thread, with a client and informers of its own. Rejects when it cannot begin. */
export async function openGateway(data: ThreadData, registry: Registry): Promise<OpenGateway> {
  const { listen, certificate, minTlsVersion, kubeconfig, audiences, doors, bounds } = data;
  const log = createLog({ level: data.logLevel, fields: { part: 'gateway' } });
  // Ended last to first.
  const parts = new AsyncDisposableStack();
  try {
    const client = await createClient({ log, ...(kubeconfig !== undefined && { kubeconfig }) });
    parts.defer(() => client.close());
    const pause = (ms: number, signal: AbortSignal) => delay(ms, undefined, { signal }).catch(() => {});
    const places = new PodNodeInformers({ client, log, pause });
    parts.defer(() => places.stop());
    const gateway = await startGateway({
      ...{ listen, certificate, minTlsVersion, places, doors, log, registry },
      tokens: tokenReviewer(client, { audiences }),
      rights: checkpointReviewer(client),
      ...(bounds && { bounds }),
    });
    parts.defer(() => gateway.stop());
    return { gateway, stop: () => parts.disposeAsync() };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}
