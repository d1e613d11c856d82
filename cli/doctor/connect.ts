import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { getObjectIfAny, objectsAt, textAt, textsAt } from '../../kube/objects.ts';
import { type Check, fail, ok, type Patient, unknown, warn } from './check.ts';

const NAME = 'connect';
const POLICY = 'checkpoint-warden-connect';
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
/** No node is called so: were the request let through, it would end at the API server. */
const NO_NODE = 'checkpoint-warden-doctor.invalid';
const REMEDY = 'kubectl apply -k manifests/overlays/self-signed (or the overlay that you use)';

/** What one request through `nodes/proxy` came to: the answer of admission, or why there was none. */
export type Tried = 'denied' | 'let through' | 'forbidden' | 'failed';

/** Whether checkpoints through `nodes/proxy` are denied: by trying, and where one may not, by what is registered. */
export async function checkConnect({ client }: Patient): Promise<Check> {
  try {
    const tried = await tryConnect(client);
    if (tried !== 'forbidden') return judgeTried(tried);
    return await judgeRegistered(client);
  } catch (error) {
    return unknown(NAME, error, 'get nodes/proxy, or validatingadmissionpolicies and their bindings');
  }
}

/** @returns what becomes of a checkpoint of a node that there is not: admission is asked before the node is looked for. */
export async function tryConnect(client: KubeClient): Promise<Tried> {
  const path = `/api/v1/nodes/${NO_NODE}/proxy/checkpoint/default/doctor/main`;
  try {
    await client.request({ path });
    return 'let through';
  } catch (error) {
    if (!(error instanceof KubeError) || error.status === null) throw error;
    if (/denied (?:the )?request/.test(error.message)) return 'denied';
    if (error.status === 403) return 'forbidden';
    return /failed calling webhook/.test(error.message) ? 'failed' : 'let through';
  }
}

function judgeTried(tried: Exclude<Tried, 'forbidden'>): Check {
  if (tried === 'denied') return ok(NAME, 'checkpoints through nodes/proxy are denied (tried)');
  if (tried === 'failed') {
    const message =
      'checkpoints through nodes/proxy fail, since the webhook that judges them does not answer (tried)';
    return warn(NAME, message, 'see the check webhook');
  }
  return fail(NAME, 'a checkpoint through nodes/proxy is not denied (tried)', REMEDY);
}

async function judgeRegistered(client: KubeClient): Promise<Check> {
  const [policy, binding, webhook] = await Promise.all([
    getObjectIfAny(client, `${ADMISSION}/validatingadmissionpolicies/${POLICY}`),
    getObjectIfAny(client, `${ADMISSION}/validatingadmissionpolicybindings/${POLICY}`),
    getObjectIfAny(client, `${ADMISSION}/validatingwebhookconfigurations/${POLICY}`),
  ]);
  const denies =
    textsAt(binding, 'spec', 'validationActions').includes('Deny') &&
    textAt(binding, 'spec', 'policyName') === POLICY;
  if (policy !== null && denies) {
    return ok(NAME, `ValidatingAdmissionPolicy ${POLICY} and its binding are there, and deny`);
  }
  if (objectsAt(webhook, 'webhooks').some((each) => textAt(each, 'failurePolicy') === 'Fail')) {
    return ok(NAME, `ValidatingWebhookConfiguration ${POLICY} is there, and fails closed`);
  }
  const message =
    policy === null
      ? `neither ValidatingAdmissionPolicy ${POLICY} nor a webhook that fails closed guards nodes/proxy`
      : `ValidatingAdmissionPolicy ${POLICY} has no binding of its name that denies, so it does nothing`;
  return fail(NAME, message, REMEDY);
}
