import { ARCHIVES_RESOURCE, type ArchiveVerb } from '../policy/archive-routes.ts';
import { canonicalJson, fieldsOf, isObject, own } from '../policy/json.ts';
import { GROUP, PLURAL } from '../policy/schema.ts';
import { Answers } from './answers.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './error.ts';
import type { Reviewer, UserInfo } from './types.ts';

export interface ReviewerOptions {
  /** Milliseconds since the epoch; default `Date.now`. */
  readonly now?: () => number;
}

const PATH = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
/** A right that was taken away acts on for so long at most. */
const ALLOWED_MS = 10_000;
/** One that was given must be felt at once, or the next try of the same person fails. */
const DENIED_MS = 1_000;

/** Asks the API server whether a user may `govern`; the same question is asked once in a few seconds. */
export function governReviewer(client: KubeClient, { now = Date.now }: ReviewerOptions = {}): Reviewer {
  const answers = new Answers<boolean>({ now, allowedMs: ALLOWED_MS, deniedMs: DENIED_MS }, (yes) => yes);
  const attributes = { verb: 'govern', group: GROUP, resource: PLURAL };
  return {
    mayGovern: (user) => answers.get(canonicalJson(user), () => review(client, user, attributes)),
    known: (user) => answers.known(canonicalJson(user)),
  };
}

/** `create` takes a checkpoint, `get` asks whether one would be let through. */
export type CheckpointVerb = 'create' | 'get';

/** May this user checkpoint that pod? */
export interface CheckpointReviewer {
  /**
   * A SubjectAccessReview for a verb on `pods/checkpoint` of the group `checkpoint.criu.org` in the namespace.
   * Rejects when the API server does not answer: no answer is not a yes.
   *
   * @param verb default `create`.
   */
  mayCheckpoint(user: UserInfo, namespace: string, pod: string, verb?: CheckpointVerb): Promise<boolean>;
}

/** The group of the virtual resource `pods/checkpoint`, on which callers need a verb. */
export const CHECKPOINT_GROUP = 'checkpoint.criu.org';

/** Asks the API server whether a user may checkpoint a pod; the same question is asked once in a few seconds. */
export function checkpointReviewer(
  client: KubeClient,
  { now = Date.now }: ReviewerOptions = {},
): CheckpointReviewer {
  const answers = new Answers<boolean>({ now, allowedMs: ALLOWED_MS, deniedMs: DENIED_MS }, (yes) => yes);
  return {
    mayCheckpoint(user, namespace, pod, verb = 'create') {
      const attributes = {
        namespace,
        verb,
        group: CHECKPOINT_GROUP,
        resource: 'pods',
        subresource: 'checkpoint',
        name: pod,
      };
      return answers.get(canonicalJson({ user, namespace, pod, verb }), () =>
        review(client, user, attributes),
      );
    },
  };
}

/** May this user ask a door about all archives of its node, in whosever name? */
export interface ArchivesReviewer {
  /**
   * A SubjectAccessReview for a verb on the virtual resource `archives` of the group `checkpoint.criu.org`,
   * cluster-wide. Rejects when the API server does not answer: no answer is not a yes.
   */
  mayServe(user: UserInfo, verb: ArchiveVerb): Promise<boolean>;
}

/** Asks the API server for that right, which the gateway alone is meant to have. */
export function archivesReviewer(
  client: KubeClient,
  { now = Date.now }: ReviewerOptions = {},
): ArchivesReviewer {
  const answers = new Answers<boolean>({ now, allowedMs: ALLOWED_MS, deniedMs: DENIED_MS }, (yes) => yes);
  return {
    mayServe(user, verb) {
      const attributes = { verb, group: CHECKPOINT_GROUP, resource: ARCHIVES_RESOURCE };
      return answers.get(canonicalJson({ user, verb }), () => review(client, user, attributes));
    },
  };
}

/** What a right is about, as the API server's reviews write it. */
export type ResourceAttributes = Readonly<Record<string, string>>;

/** A SubjectAccessReview, not remembered. Rejects when the API server does not answer: no answer is not a yes. */
export async function review(
  client: KubeClient,
  user: UserInfo,
  resourceAttributes: ResourceAttributes,
): Promise<boolean> {
  const answer = await client.request({
    method: 'POST',
    path: PATH,
    repeatable: true,
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: user.username,
        ...(user.uid !== undefined && { uid: user.uid }),
        ...(user.groups !== undefined && { groups: user.groups }),
        ...(user.extra !== undefined && { extra: user.extra }),
        resourceAttributes,
      },
    },
  });
  const status = fieldsOf(isObject(answer) ? own(answer, 'status') : undefined);
  const allowed = own(status, 'allowed');
  if (typeof allowed !== 'boolean') throw new KubeError(`POST ${PATH} was answered without a status`);
  return allowed && own(status, 'denied') !== true;
}
