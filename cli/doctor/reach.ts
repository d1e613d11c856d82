import {
  type ClusterRole,
  type ClusterRoleBinding,
  clusterRoleBindings,
  clusterRoles,
  grants,
  grantsEverything,
  type Rule,
} from '../../kube/role-bindings.ts';
import { type Check, fail, ok, type Patient, some, unknown, warn } from './check.ts';

/** The ways round the door, and the verbs that open them. */
const WAYS = {
  /** The kubelet's own port: POST is `create`. */
  'nodes/checkpoint': ['create'],
  /** Through the API server; a GET that becomes a web socket runs commands in any container of the node. */
  'nodes/proxy': ['create', 'get'],
} as const;

type Way = keyof typeof WAYS;
const NAMES = { 'nodes/checkpoint': 'who-checkpoints', 'nodes/proxy': 'who-proxies' } as const;
const NEEDED = 'list clusterroles and clusterrolebindings';

/** Somebody who holds a way. */
export interface Holder {
  readonly subject: string;
  readonly role: string;
  readonly binding: string;
  readonly verbs: readonly string[];
  /** The nodes it is for; empty: all. */
  readonly nodes: readonly string[];
  /** `system`: a part of the cluster. `administrator`: may do everything. */
  readonly kind: 'system' | 'administrator' | 'other';
}

/** Who else than our collector may reach the kubelet's checkpoint API: at its port, and through the API server. */
export async function checkReach({ client, namespace }: Patient, isGuarded: boolean): Promise<Check[]> {
  try {
    const [roles, bindings] = await Promise.all([clusterRoles(client), clusterRoleBindings(client)]);
    const isOurs = ({ subject }: Holder) => subject === `service account ${namespace}/collector`;
    return [
      judgeCheckpoint(holders(roles, bindings, 'nodes/checkpoint').filter((each) => !isOurs(each))),
      judgeProxy(holders(roles, bindings, 'nodes/proxy'), isGuarded),
    ];
  } catch (error) {
    return Object.values(NAMES).map((name) => unknown(name, error, NEEDED));
  }
}

/** Nodes belong to no namespace, so that only cluster-wide bindings count. */
export function holders(
  roles: readonly ClusterRole[],
  bindings: readonly ClusterRoleBinding[],
  way: Way,
): Holder[] {
  const byName = new Map(roles.map((role) => [role.name, role]));
  return bindings.flatMap((binding) => {
    const rules = byName.get(binding.role)?.rules ?? [];
    const granting = rules.filter((rule) => WAYS[way].some((verb) => grants(rule, way, verb)));
    if (granting.length === 0) return [];
    const kind = kindOf(binding, granting);
    const verbs = WAYS[way].filter((verb) => granting.some((rule) => grants(rule, way, verb)));
    const isLimited = granting.every(({ resourceNames }) => resourceNames.length > 0);
    const nodes = isLimited ? granting.flatMap(({ resourceNames }) => resourceNames) : [];
    const { role, name } = binding;
    return binding.subjects.map((subject) => ({ subject, role, binding: name, verbs, nodes, kind }));
  });
}

/** Parts of the cluster itself. Whoever may write cluster role bindings needs no disguise. */
const COMPONENT =
  /^(?:service account kube-system\/.+|user system:kube-(?:apiserver|controller-manager|scheduler|proxy)|group system:(?:masters|nodes))$/;
/** By which kubeadm makes administrators, and the API server known to kubelets; it does not label them. */
const INSTALLED: readonly string[] = ['group kubeadm:cluster-admins', 'user kube-apiserver-kubelet-client'];

/** A built-in binding to which somebody has added subjects is no longer the cluster's alone. */
function kindOf({ isBuiltIn, subjects }: ClusterRoleBinding, rules: readonly Rule[]): Holder['kind'] {
  if (isBuiltIn && subjects.every((each) => COMPONENT.test(each))) return 'system';
  if (subjects.every((each) => INSTALLED.includes(each))) return 'system';
  return rules.some(grantsEverything) ? 'administrator' : 'other';
}

const UNSEEN =
  'who is in the groups system:masters and kubeadm:cluster-admins, by his client certificate, cannot be seen from here';

export function judgeCheckpoint(all: readonly Holder[]): Check {
  const [name, others] = [NAMES['nodes/checkpoint'], all.filter(({ kind }) => kind === 'other')];
  const administrators = all.filter(({ kind }) => kind === 'administrator');
  if (others.length > 0) {
    const message = `${subjectsOf(others)} may call the kubelet's checkpoint API past the door (nodes/checkpoint), where no quota holds; ${UNSEEN}`;
    return fail(name, message, remedyOf(others, 'nodes/checkpoint'), described(all));
  }
  if (administrators.length > 0) {
    const message = `beside the collector only cluster administrators may create nodes/checkpoint: ${subjectsOf(administrators)}; ${UNSEEN}`;
    const remedy = `see whether each must be one: ${describeBindings(administrators)}`;
    return warn(name, message, remedy, described(all));
  }
  return ok(name, `nobody but the collector may create nodes/checkpoint; ${UNSEEN}`, described(all));
}

/** @param isGuarded checkpoints through `nodes/proxy` are denied by admission, to administrators as well */
export function judgeProxy(all: readonly Holder[], isGuarded: boolean): Check {
  const name = NAMES['nodes/proxy'];
  const seen = all.filter(({ kind }) => kind !== 'system');
  const others = seen.filter(({ kind }) => kind === 'other');
  const creators = seen.filter(({ verbs }) => verbs.includes('create'));
  if (!isGuarded && creators.length > 0) {
    const message = `${subjectsOf(creators)} may checkpoint through the API server (create nodes/proxy), and admission does not stand in the way`;
    const remedy = `put it there (see the check connect), or ${remedyOf(creators, 'nodes/proxy')}`;
    return fail(name, message, remedy, described(all));
  }
  const guard = isGuarded ? 'admission denies checkpoints on that way' : 'nobody else may post on it';
  if (others.length > 0) {
    const message = `${subjectsOf(others)} may use nodes/proxy: ${guard}, but it also runs commands in any container of a node, the collector's included`;
    return warn(name, message, remedyOf(others, 'nodes/proxy'), described(all));
  }
  return ok(name, `nodes/proxy is for cluster administrators only, and ${guard}`, described(all));
}

function subjectsOf(list: readonly Holder[]): string {
  return some([...new Set(list.map(({ subject }) => subject))]);
}

function remedyOf(list: readonly Holder[], way: Way): string {
  const [first] = list;
  const instead = way === 'nodes/proxy' ? ' (for metrics nodes/metrics is enough)' : '';
  const edit = `kubectl edit clusterrole ${first?.role}`;
  return `take ${way} out of the role${instead}, or the subject out of the binding: ${edit}, ${describeBindings(list)}`;
}

function describeBindings(list: readonly Holder[]): string {
  const names = [...new Set(list.map(({ binding }) => binding))];
  return `kubectl describe clusterrolebinding ${names.slice(0, 5).join(' ')}`;
}

function described(all: readonly Holder[]): string[] {
  return all.map(({ subject, role, binding, verbs, nodes, kind }) => {
    const where = nodes.length === 0 ? '' : ` on ${some(nodes)}`;
    const what = kind === 'other' ? '' : `, ${kind === 'system' ? "the cluster's own" : 'administrator'}`;
    return `${subject}: ${verbs.join(', ')}${where} by ClusterRole ${role}, ClusterRoleBinding ${binding}${what}`;
  });
}
