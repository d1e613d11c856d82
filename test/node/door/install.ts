import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { API_VERSION, KIND } from '../../../policy/schema.ts';
import type { Cluster } from '../../cluster/nodes/cluster.ts';

const BASE = fileURLToPath(new URL('../../../manifests/base', import.meta.url));
const NAMESPACE = 'checkpoint-warden';

/** What every collector of a cluster needs. */
export interface Installed {
  readonly cluster: Cluster;
  /** Files of this machine; nodes' programs that are started from here see them as well. */
  readonly directory: string;
  /** Of the collector's service account, with the rights of the manifests and no others. */
  readonly kubeconfig: string;
  /** Files with its token: for the API server, which the kubeconfig names, and for the kubelets. */
  readonly token: string;
  readonly kubeletToken: string;
  /** The cluster's authority. */
  readonly ca: string;
}

/** Applies the manifests, and makes what a pod of the collector would be given by the kubelet. */
export async function install(cluster: Cluster): Promise<Installed> {
  await kubectl(cluster, 'apply', '-k', BASE);
  await kubectl(cluster, 'wait', '--for=condition=Established', 'crd/checkpointrestoreoperators.criu.org');
  const directory = join(cluster.directory, 'warden');
  await mkdir(directory, { recursive: true });
  const installed: Installed = {
    cluster,
    directory,
    kubeconfig: join(directory, 'collector.kubeconfig'),
    token: join(directory, 'token'),
    kubeletToken: join(directory, 'kubelet-token'),
    ca: join(directory, 'ca.crt'),
  };
  const token = await tokenOf(cluster, NAMESPACE, 'collector');
  await writeFile(installed.token, token);
  await writeFile(installed.kubeletToken, token);
  await writeFile(installed.ca, cluster.ca);
  const config = {
    clusters: [{ name: 'c', cluster: { server: cluster.url, 'certificate-authority': installed.ca } }],
    users: [{ name: 'u', user: { tokenFile: installed.token } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  await writeFile(installed.kubeconfig, stringify(config));
  return installed;
}

/** A token of a service account, as `kubectl create token` makes it. */
export async function tokenOf(
  cluster: Cluster,
  namespace: string,
  name: string,
  ...flags: readonly string[]
): Promise<string> {
  return (await kubectl(cluster, 'create', 'token', name, '-n', namespace, ...flags)).trim();
}

/** Makes a service account that may create pods/checkpoint everywhere, or in one namespace. @returns its token. */
export async function callerWithRight(cluster: Cluster, name: string, namespace?: string): Promise<string> {
  const account = `--serviceaccount=default:${name}`;
  await kubectl(cluster, 'create', 'serviceaccount', name);
  const role = 'may-checkpoint';
  await cluster.apply(
    stringify({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: role },
      rules: [
        { apiGroups: ['checkpoint.criu.org'], resources: ['pods/checkpoint'], verbs: ['create', 'get'] },
      ],
    }),
  );
  const binding =
    namespace === undefined ? ['clusterrolebinding', name] : ['rolebinding', name, '-n', namespace];
  await kubectl(cluster, 'create', ...binding, `--clusterrole=${role}`, account);
  return tokenOf(cluster, 'default', name);
}

/** Applies an administrator's policy. Collectors that run take it up within a moment. */
export async function applyPolicy(
  cluster: Cluster,
  name: string,
  spec: Readonly<Record<string, unknown>>,
  annotations: Readonly<Record<string, string>> = {},
): Promise<void> {
  const metadata = { name, namespace: NAMESPACE, annotations };
  await cluster.apply(
    stringify({
      apiVersion: API_VERSION,
      kind: KIND,
      metadata,
      spec: { applyPoliciesImmediately: true, ...spec },
    }),
  );
}

export async function kubectl(cluster: Cluster, ...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await cluster.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout;
}
