import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { getObjectIfAny } from '../../kube/objects.ts';
import { API_VERSION, KIND, PLURAL } from '../../policy/schema.ts';
import { type Check, fail, ok, type Patient, unknown, whyOf } from './check.ts';

const NAME = 'webhook';
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const CONFIGURATION = 'checkpoint-warden-policies';
const REGISTER = 'register it: kubectl apply -k manifests/overlays/self-signed (or the overlay that you use)';

/** A policy that the schema lets through, and the webhook must not: eviction would end where it begins. */
function unsoundPolicy(namespace: string): object {
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { generateName: 'checkpoint-warden-doctor-', namespace },
    spec: { globalPolicy: { diskPressure: { highWatermark: '50%', lowWatermark: '60%' } } },
  };
}

/** Whether the webhook is asked, and answers: an unsound policy, in a dry run, must be refused by it. */
export async function checkWebhook({ client, namespace }: Patient): Promise<Check> {
  try {
    await client.request({
      method: 'POST',
      path: `/apis/${API_VERSION}/namespaces/${namespace}/${PLURAL}`,
      query: { dryRun: 'All' },
      body: unsoundPolicy(namespace),
      repeatable: true,
      timeoutMs: 30_000,
    });
    return fail(
      NAME,
      'an unsound policy would be let in (tried in a dry run), so the API server does not ask the webhook',
      REGISTER,
    );
  } catch (error) {
    const check = judgeRefusal(error, namespace);
    return check.verdict === 'ok' ? ((await missingRegistration(client)) ?? check) : check;
  }
}

/** Either of the two refuses what is unsound by itself; the other may be missing. Null where it is not seen to be. */
async function missingRegistration(client: KubeClient): Promise<Check | null> {
  for (const kind of ['Mutating', 'Validating'] as const) {
    const path = `${ADMISSION}/${kind.toLowerCase()}webhookconfigurations/${CONFIGURATION}`;
    const isThere = await getObjectIfAny(client, path).then(
      (found) => found !== null,
      () => true,
    );
    if (isThere) continue;
    const effect =
      kind === 'Mutating'
        ? 'nobody stamps policies of administrators'
        : 'nobody judges policies beside each other';
    return fail(NAME, `${kind}WebhookConfiguration ${CONFIGURATION} is missing, so ${effect}`, REGISTER);
  }
  return null;
}

export function judgeRefusal(error: unknown, namespace: string): Check {
  const status = error instanceof KubeError ? error.status : null;
  const why = whyOf(error);
  if (/admission webhook "[^"]*\bcriu\.org" denied the request/.test(why)) {
    return ok(NAME, 'answers: an unsound policy is refused (tried in a dry run)');
  }
  if (/failed calling webhook/.test(why)) {
    const cause = /failed to call webhook: (.*)$/s.exec(why)?.[1] ?? why;
    const remedy = /x509|certificate/i.test(cause)
      ? `see the check certificate: checkpoint-warden certs status --namespace ${namespace}`
      : `see whether its pods are ready, and what they log: kubectl -n ${namespace} get pods -o wide; kubectl -n ${namespace} logs deployment/webhook`;
    return fail(NAME, `cannot be reached by the API server, so no policy can be written: ${cause}`, remedy);
  }
  if (status === 404) {
    const install = 'kubectl apply -k manifests/overlays/self-signed';
    return fail(
      NAME,
      `cannot be tried: there are no ${PLURAL}, or no namespace ${namespace}`,
      `install checkpoint-warden (${install}), or name its namespace with --namespace`,
    );
  }
  return unknown(NAME, error, `create ${PLURAL} in namespace ${namespace}`);
}
