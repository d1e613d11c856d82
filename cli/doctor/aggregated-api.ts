import { KubeError } from '../../kube/error.ts';
import { getObjectIfAny } from '../../kube/objects.ts';
import { CHECKPOINT_API } from '../../policy/checkpoint-object.ts';
import { type Check, fail, ok, type Patient, unknown, whyOf } from './check.ts';

const NAME = 'aggregated-api';
const { groupVersion } = CHECKPOINT_API;

/** Whether archives are to be had as objects; where nothing answers, no namespace of the cluster can be deleted. */
export async function checkAggregatedApi({ client }: Patient): Promise<Check> {
  try {
    const served = await getObjectIfAny(client, `/apis/${groupVersion}`);
    if (served !== null) return ok(NAME, `${groupVersion} answers`);
    return ok(
      NAME,
      `${groupVersion} is not installed, which is optional: kubectl apply -k manifests/overlays/api, then kubectl apply -k manifests/registration`,
    );
  } catch (error) {
    if (!(error instanceof KubeError) || error.status === null || error.status < 500) {
      return unknown(NAME, error, 'get /apis (ClusterRole system:discovery)');
    }
    const message = `${groupVersion} is registered and does not answer (${whyOf(error)}), so no namespace of the cluster can be deleted`;
    const remedy =
      'see kubectl describe apiservice v1alpha1.checkpoint.criu.org, or take it away: kubectl delete apiservice v1alpha1.checkpoint.criu.org';
    return fail(NAME, message, remedy);
  }
}
