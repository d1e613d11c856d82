import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { connectPolicy, connectWebhookConfiguration } from '../../../manifests/connect.ts';
import { eventually } from '../../cluster/eventually.ts';
import type { Cluster } from '../../cluster/nodes/cluster.ts';
import { startTestWebhook } from '../../webhook/kit.ts';
import type { Caller } from './caller.ts';

/** What stands between a caller and the kubelet's checkpoint API. */
export type Posture = 'nothing' | 'webhook' | 'webhook away' | 'policy' | 'both' | 'both, webhook away';

/** How each posture answers a plain checkpoint request; a container that is not there is asked for. */
const ANSWERS: Readonly<Record<Posture, RegExp>> = {
  nothing: /^container missing does not exist/,
  webhook: /admission webhook .* denied the request/,
  'webhook away': /failed calling webhook/,
  policy: /ValidatingAdmissionPolicy .* denied request/,
  both: /ValidatingAdmissionPolicy .* denied request/,
  'both, webhook away': /ValidatingAdmissionPolicy .* denied request/,
};

const PROBE = 'node1/proxy/checkpoint/default/counter/missing';
/** The API server's informers of configurations and of policies are two; a third look shows that both have settled. */
const SETTLED_MS = 1_500;

export interface Guard extends AsyncDisposable {
  take(posture: Posture): Promise<void>;
}

/** Registrations of a webhook that answers, and of one that does not, and the policy. */
export async function startConnectGuard(
  cluster: Cluster,
  caller: Caller,
  exemptUsers: readonly string[],
): Promise<Guard> {
  const hook = await startTestWebhook();
  const at = (url: string) =>
    connectWebhookConfiguration({ clientConfig: { url, caBundle: hook.ca }, exemptUsers });
  const there = at(hook.webhook.url.replace('127.0.0.1', 'localhost'));
  // Nobody listens on the port of discard.
  const away = at('https://localhost:9');
  const policy = connectPolicy({ exemptUsers });

  const remove = (kinds: string, name: string) =>
    cluster.kubectl(['delete', kinds, name, '--ignore-not-found', '--wait=true']);
  return {
    async take(posture) {
      if (/^(nothing|policy)$/.test(posture))
        await remove('validatingwebhookconfigurations', there.metadata.name);
      else await cluster.apply(stringify(posture.endsWith('away') ? away : there));
      if (/policy|both/.test(posture))
        await cluster.apply(policy.map((each) => stringify(each)).join('---\n'));
      else {
        await remove('validatingadmissionpolicybindings', policy[1].metadata.name);
        await remove('validatingadmissionpolicies', policy[0].metadata.name);
      }
      await sleep(SETTLED_MS);
      await eventually(async () => {
        const { body } = await caller.ask(PROBE);
        if (!ANSWERS[posture].test(body)) throw new Error(`with ${posture} in place: ${body}`);
      });
    },
    [Symbol.asyncDispose]: () => hook[Symbol.asyncDispose](),
  };
}
