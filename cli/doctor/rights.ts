import { type ResourceAttributes, review } from '../../kube/reviews.ts';
import { NODE_PLURAL } from '../../policy/node-schema.ts';
import { SCHEDULE_PLURAL } from '../../policy/schedule/schema.ts';
import { GROUP, PLURAL } from '../../policy/schema.ts';
import { type Check, fail, ok, type Patient, some, unknown } from './check.ts';

const NAME = 'rbac';

/** A right that a service account of ours cannot work without. */
export interface NeededRight {
  readonly account: 'collector' | 'webhook';
  readonly group: string;
  /** With its subresource, as RBAC writes it: `nodes/checkpoint`. */
  readonly resource: string;
  readonly verbs: readonly string[];
}

export const NEEDED_RIGHTS: readonly NeededRight[] = [
  { account: 'collector', group: GROUP, resource: PLURAL, verbs: ['list', 'watch'] },
  { account: 'collector', group: GROUP, resource: NODE_PLURAL, verbs: ['create', 'patch'] },
  { account: 'collector', group: GROUP, resource: `${NODE_PLURAL}/status`, verbs: ['patch'] },
  { account: 'collector', group: GROUP, resource: SCHEDULE_PLURAL, verbs: ['list', 'watch'] },
  { account: 'collector', group: GROUP, resource: `${SCHEDULE_PLURAL}/status`, verbs: ['patch'] },
  { account: 'collector', group: '', resource: 'pods', verbs: ['get', 'list', 'watch'] },
  { account: 'collector', group: '', resource: 'nodes', verbs: ['get'] },
  { account: 'collector', group: '', resource: 'nodes/checkpoint', verbs: ['create'] },
  { account: 'collector', group: 'authentication.k8s.io', resource: 'tokenreviews', verbs: ['create'] },
  {
    account: 'collector',
    group: 'authorization.k8s.io',
    resource: 'subjectaccessreviews',
    verbs: ['create'],
  },
  { account: 'webhook', group: GROUP, resource: PLURAL, verbs: ['list', 'watch'] },
  { account: 'webhook', group: '', resource: 'pods', verbs: ['get', 'list', 'watch'] },
  { account: 'webhook', group: '', resource: 'nodes', verbs: ['get', 'list', 'watch'] },
  { account: 'webhook', group: 'authentication.k8s.io', resource: 'tokenreviews', verbs: ['create'] },
  { account: 'webhook', group: 'authorization.k8s.io', resource: 'subjectaccessreviews', verbs: ['create'] },
];

/** Whether the service accounts of collector and webhook may do what they must. */
export async function checkRights({ client, namespace }: Patient): Promise<Check> {
  const questions = NEEDED_RIGHTS.flatMap((right) =>
    right.verbs.map((verb) => ({ label: `${right.account}: ${verb} ${nameOf(right)}`, right, verb })),
  );
  try {
    const answers = await Promise.all(
      questions.map(({ right, verb }) =>
        review(client, accountUser(namespace, right.account), attributesOf(right, verb)),
      ),
    );
    const missing = questions.filter((_, index) => answers[index] !== true).map(({ label }) => label);
    if (missing.length === 0) return ok(NAME, 'collector and webhook hold the rights that they need');
    const accounts = new Set(missing.map((each) => each.split(':')[0]));
    const message = `${[...accounts].join(' and ')} in namespace ${namespace} may not ${some(missing.map((each) => each.replace(/^\w+: /, '')))}`;
    const remedy =
      'apply the manifests again: kubectl apply -k manifests/overlays/self-signed (or the overlay that you use)';
    return fail(NAME, message, remedy, missing);
  } catch (error) {
    return unknown(NAME, error, 'create subjectaccessreviews');
  }
}

function nameOf({ group, resource }: NeededRight): string {
  return group === '' ? resource : `${resource}.${group}`;
}

function attributesOf({ group, resource: named }: NeededRight, verb: string): ResourceAttributes {
  const [resource = '', subresource] = named.split('/');
  return { group, resource, verb, ...(subresource !== undefined && { subresource }) };
}

function accountUser(namespace: string, account: string) {
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
  return { username: `system:serviceaccount:${namespace}:${account}`, groups };
}
