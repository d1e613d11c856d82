import { setTimeout as delay } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import type { Certificate } from '../../certs/source.ts';
import { tokenReviewer } from '../../kube/authentication.ts';
import { createClient, type KubeClient } from '../../kube/client.ts';
import { PodNodeInformers } from '../../kube/pod-nodes.ts';
import { checkpointReviewer } from '../../kube/reviews.ts';
import type { Log } from '../../kube/types.ts';
import { createLog } from '../../observe/log.ts';
import { tokenFile } from '../verdicts.ts';
import { type RunningApi, startAggregatedApi } from './api/main.ts';
import { BOUNDS } from './bounds.ts';
import { doorTrust } from './door-authority.ts';
import { DoorClient } from './door-client.ts';
import { type RunningGateway, startGateway } from './main.ts';
import type { ThreadData } from './messages.ts';

/** A gateway with all that it answers from. */
export interface OpenGateway {
  readonly gateway: RunningGateway;
  setCertificate(certificate: Certificate): void;
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
    const api = data.api && (await openApi(data, data.api, { client, places, log, registry }));
    // Beside the gateway, not behind it: each takes its time, and there is one.
    if (api) parts.defer(() => Promise.all([api.stop(), gateway.stop()]).then(() => {}));
    return {
      gateway,
      setCertificate(next) {
        gateway.setCertificate(next);
        api?.setCertificate(next);
      },
      stop: () => parts.disposeAsync(),
    };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

interface ApiParts {
  readonly client: KubeClient;
  readonly places: PodNodeInformers;
  readonly log: Log;
  readonly registry: Registry;
}

async function openApi(
  { certificate, minTlsVersion, doors, bounds }: ThreadData,
  { listen, token }: NonNullable<ThreadData['api']>,
  parts: ApiParts,
): Promise<RunningApi> {
  let trusted = certificate.ca;
  const trust = doorTrust(doors.ca, () => trusted, parts.log, Date.now);
  const api = await startAggregatedApi({
    ...{ listen, certificate, minTlsVersion, ...parts },
    doors: new DoorClient(doors, trust),
    token: tokenFile(token),
    bounds: { ...BOUNDS, ...bounds },
  });
  return {
    ...api,
    setCertificate(next) {
      trusted = next.ca;
      api.setCertificate(next);
    },
  };
}
