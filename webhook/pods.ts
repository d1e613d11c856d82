import { beforeStop } from '../policy/schedule/before-stop.ts';
import { type Answer, allowed } from './reply.ts';
import type { WriteRequest } from './review.ts';
import { warningParts } from './words.ts';

const FIELD = 'spec.containers';

/**
 * Gives pods that ask for it by their label time to be checkpointed in when they are stopped. Whatever happens the pod
 * is let in: no checkpoint is worth a pod that cannot be made.
 */
export function mutatePod(request: WriteRequest, onFailure: (error: unknown) => void): Answer {
  if (request.operation !== 'CREATE') return allowed();
  try {
    const { patch, warnings } = beforeStop(request.object);
    return allowed([], { patch, warnings: warnings.flatMap((each) => warningParts(each, FIELD)) });
  } catch (error) {
    onFailure(error);
    const warning = 'the pod gets no time for a checkpoint at its end: the webhook failed, its log says why';
    return allowed([], { warnings: warningParts(warning, FIELD) });
  }
}
