import { CHECKPOINT_GROUP, type CheckpointReviewer, type CheckpointVerb } from '../../kube/reviews.ts';
import type { UserInfo } from '../../kube/types.ts';
import { noAnswer } from './authenticate.ts';
import { type Container, containerName } from './container.ts';
import { Refusal } from './refusal.ts';

export interface Authorizer {
  /**
   * @param verb `create` for a checkpoint, `get` for a verdict; default `create`.
   * @throws Refusal forbidden, noReview, reviewsBusy
   */
  authorize(user: UserInfo, container: Container, verb?: CheckpointVerb): Promise<void>;
}

/** Lets through who has the verb on `pods/checkpoint` in the pod's namespace, or for that pod by name. */
export function authorizer(reviewer: CheckpointReviewer): Authorizer {
  return {
    async authorize(user, container, verb = 'create') {
      const { namespace, pod } = container;
      const what = verb === 'create' ? 'checkpoint' : 'ask for a verdict on';
      const may = await reviewer.mayCheckpoint(user, namespace, pod, verb).catch((cause: unknown) => {
        throw noAnswer(`whether ${user.username} may ${what} ${namespace}/${pod}`, cause);
      });
      if (may) return;
      const right = `to ${verb} pods/checkpoint in the group ${CHECKPOINT_GROUP}`;
      const message = `${user.username} may not ${what} ${containerName(container)}`;
      throw Refusal.of('forbidden', `${message}: that takes the right ${right} in namespace ${namespace}`);
    },
  };
}
