import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { at } from '../../kube/objects.ts';
import { type Check, fail, ok, some, unknown, warn, whyOf } from './check.ts';
import type { NodeFacts } from './nodes.ts';

const NAME = 'kubelet';
const GATE = 'ContainerCheckpoint';
/** Nodes that are asked; kubelets of one cluster are mostly configured alike. */
const MOST_ASKED = 50;
const AT_ONCE = 10;
const TIMEOUT_MS = 5_000;

/** What one kubelet says of the gate; an error where it could not be asked. */
type Answer = { readonly node: NodeFacts; readonly isOpen: boolean | KubeError };

/** Whether the kubelets' feature gate is open, by their own configuration, read through `nodes/proxy`. */
export async function checkKubelets(client: KubeClient, nodes: readonly NodeFacts[]): Promise<Check> {
  const asked = nodes.filter(({ isReady }) => isReady).slice(0, MOST_ASKED);
  const answers: Answer[] = [];
  const waiting = [...asked];
  const ask = async () => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
      const isOpen = await gateOf(client, node).catch((error: unknown) => {
        if (error instanceof KubeError) return error;
        throw error;
      });
      answers.push({ node, isOpen });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return judgeGates(answers, nodes.length);
}

async function gateOf(client: KubeClient, node: NodeFacts): Promise<boolean> {
  const path = `/api/v1/nodes/${encodeURIComponent(node.name)}/proxy/configz`;
  const answer = await client.request({ path, timeoutMs: TIMEOUT_MS });
  return isGateOpen(at(answer, 'kubeletconfig', 'featureGates'), node.kubelet);
}

/**
 * Alpha and off by default since 1.25, beta and on since 1.30 (pkg/features/kube_features.go).
 * @param gates what is set in the kubelet's configuration, which does not name defaults
 */
export function isGateOpen(gates: unknown, kubelet: string): boolean {
  const [, minor = '0'] = /^v?1\.(\d+)/.exec(kubelet) ?? [];
  const set = at(gates, GATE);
  if (typeof set === 'boolean') return set && Number(minor) >= 25;
  const isBeta = Number(minor) >= 30;
  const all = at(gates, isBeta ? 'AllBeta' : 'AllAlpha');
  if (Number(minor) < 25) return false;
  return typeof all === 'boolean' ? all : isBeta;
}

export function judgeGates(answers: readonly Answer[], nodes: number): Check {
  const closed = answers.filter(({ isOpen }) => isOpen === false).map(({ node }) => node.name);
  const failed = answers.flatMap(({ node, isOpen }) =>
    isOpen instanceof KubeError ? [{ node: node.name, error: isOpen }] : [],
  );
  const open = answers.length - closed.length - failed.length;
  const of = answers.length < nodes ? ` (${answers.length} of ${nodes} nodes were asked)` : '';
  if (closed.length > 0) {
    const message = `the feature gate ${GATE} is closed on ${some(closed)}${of}`;
    const remedy = `set featureGates: {${GATE}: true} in the kubelet's configuration (/var/lib/kubelet/config.yaml) there, and restart it`;
    return fail(NAME, message, remedy, closed);
  }
  const [first] = failed;
  if (first !== undefined && (open === 0 || first.error.status === 403)) {
    return unknown(NAME, first.error, 'get nodes/proxy, through which the kubelets tell their configuration');
  }
  if (first !== undefined) {
    const names = failed.map(({ node }) => node);
    const message = `does not answer on ${some(names)}: ${whyOf(first.error)}`;
    return warn(NAME, message, `kubectl describe node ${names.slice(0, 3).join(' ')}`, names);
  }
  if (answers.length === 0) {
    return { ...unknown(NAME, new Error('no node is ready'), ''), remedy: 'kubectl get nodes' };
  }
  return ok(NAME, `the feature gate ${GATE} is open on all nodes${of}`);
}
