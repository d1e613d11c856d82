import type { JsonObject } from '../policy/json.ts';
import type { KubeClient } from './client.ts';
import { at, listObjects, objectsAt, textAt, textsAt } from './objects.ts';

/** A rule of RBAC about resources. */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
  readonly verbs: readonly string[];
}

export interface ClusterRole {
  readonly name: string;
  readonly rules: readonly Rule[];
}

/** Who holds a cluster role everywhere. */
export interface ClusterRoleBinding {
  readonly name: string;
  /** The ClusterRole's name. */
  readonly role: string;
  /** `user NAME`, `group NAME` or `service account NAMESPACE/NAME`. */
  readonly subjects: readonly string[];
  /** One that the API server itself makes and mends at each start. */
  readonly isBuiltIn: boolean;
}

const RBAC = '/apis/rbac.authorization.k8s.io/v1';

/** All cluster roles. An aggregated one has the rules of those it selects, also where no controller has written them. */
export async function clusterRoles(client: KubeClient): Promise<ClusterRole[]> {
  return rolesIn((await listObjects(client, `${RBAC}/clusterroles`)).items);
}

export async function clusterRoleBindings(client: KubeClient): Promise<ClusterRoleBinding[]> {
  return (await listObjects(client, `${RBAC}/clusterrolebindings`)).items.map(bindingOf);
}

export function rolesIn(objects: readonly JsonObject[]): ClusterRole[] {
  return objects.map((object) => {
    const selectors = objectsAt(object, 'aggregationRule', 'clusterRoleSelectors');
    const selected = objects.filter((each) => selectors.some((selector) => isSelected(each, selector)));
    return { name: textAt(object, 'metadata', 'name'), rules: [object, ...selected].flatMap(rulesOf) };
  });
}

function rulesOf(object: JsonObject): Rule[] {
  return objectsAt(object, 'rules').map((rule) => ({
    apiGroups: textsAt(rule, 'apiGroups'),
    resources: textsAt(rule, 'resources'),
    resourceNames: textsAt(rule, 'resourceNames'),
    verbs: textsAt(rule, 'verbs'),
  }));
}

function isSelected(role: JsonObject, selector: JsonObject): boolean {
  const label = (key: string) => at(role, 'metadata', 'labels', key);
  const wanted = Object.entries(Object(at(selector, 'matchLabels') ?? {}));
  return (
    wanted.every(([key, value]) => label(key) === value) &&
    objectsAt(selector, 'matchExpressions').every((each) => {
      const value = label(textAt(each, 'key'));
      const isListed = typeof value === 'string' && textsAt(each, 'values').includes(value);
      const operator = textAt(each, 'operator');
      if (operator === 'In') return isListed;
      if (operator === 'NotIn') return !isListed;
      return operator === 'Exists' ? value !== undefined : value === undefined;
    })
  );
}

export function bindingOf(object: JsonObject): ClusterRoleBinding {
  return {
    name: textAt(object, 'metadata', 'name'),
    role: textAt(object, 'roleRef', 'name'),
    subjects: objectsAt(object, 'subjects').map(subjectOf),
    isBuiltIn: textAt(object, 'metadata', 'labels', 'kubernetes.io/bootstrapping') === 'rbac-defaults',
  };
}

function subjectOf(subject: JsonObject): string {
  const [kind, name] = [textAt(subject, 'kind'), textAt(subject, 'name')];
  if (kind === 'ServiceAccount') return `service account ${textAt(subject, 'namespace')}/${name}`;
  return `${kind.toLowerCase()} ${name}`;
}

/**
 * Whether a rule grants a verb on a resource of the core group, by RBAC's own matching: `*` is everything, `*` before a
 * subresource is that of every resource; `nodes/*` is nothing.
 *
 * @param resource with its subresource: `nodes/checkpoint`
 */
export function grants({ apiGroups, resources, verbs }: Rule, resource: string, verb: string): boolean {
  const [, subresource] = resource.split('/');
  const covers = [resource, '*', ...(subresource === undefined ? [] : [`*/${subresource}`])];
  return (
    apiGroups.some((each) => each === '' || each === '*') &&
    resources.some((each) => covers.includes(each)) &&
    verbs.some((each) => each === verb || each === '*')
  );
}

/** A rule that grants everything: of a cluster administrator. */
export function grantsEverything({ apiGroups, resources, verbs, resourceNames }: Rule): boolean {
  return [apiGroups, resources, verbs].every((each) => each.includes('*')) && resourceNames.length === 0;
}
