import { KubeError } from '../../kube/error.ts';
import { getObjectIfAny } from '../../kube/objects.ts';
import { type Check, fail, ok, type Patient, unknown, whyOf } from './check.ts';

const NAME = 'aggregated-api';
export const CHECKPOINT_API = 'checkpoint.criu.org/v1alpha1';

/** Whether archives are to be had as objects; where nothing answers, no namespace of the cluster can be deleted. */
export async function checkAggregatedApi({ client }: Patient): Promise<Check> {
  try {
    const served = await getObjectIfAny(client, `/apis/${CHECKPOINT_API}`);
    if (served !== null) return ok(NAME, `${CHECKPOINT_API} answers`);
    return ok(
      NAME,
      `${CHECKPOINT_API} is not installed, which is optional: kubectl apply -k manifests/overlays/api`,
    );
  } catch (error) {
    if (!(error instanceof KubeError) || error.status === null || error.status < 500) {
      return unknown(NAME, error, 'get /apis (ClusterRole system:discovery)');
    }
    const message = `${CHECKPOINT_API} is registered and does not answer (${whyOf(error)}), so no namespace of the cluster can be deleted`;
    const remedy =
      'see kubectl describe apiservice v1alpha1.checkpoint.criu.org, or take it away: kubectl delete apiservice v1alpha1.checkpoint.criu.org';
    return fail(NAME, message, remedy);
  }
}
