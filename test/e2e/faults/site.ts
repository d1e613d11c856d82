import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyKubeconfigToPort } from '../../cluster/kubeconfig.ts';
import { type PassThrough, startPassThrough } from '../../cluster/pass-through.ts';
import { type GcProcess, startGc } from '../gc-process.ts';
import { type PolicyCluster, startPolicyCluster } from '../policies/cluster.ts';
import { resource } from '../policies/row.ts';

/** The rights of the collector's service account, as the manifests have them. */
export const COLLECTOR_RBAC = join(import.meta.dirname, '../../../manifests/base/collector-rbac.yaml');

/** A cluster with the webhook, and nodes' directories whose collectors reach it by a way that can be cut. */
export interface Site extends AsyncDisposable {
  readonly cluster: PolicyCluster;
  readonly way: PassThrough;
  newDirectory(): string;
  /** A collector with the rights of its manifests. */
  collect(directory: string, more?: readonly string[], through?: readonly string[]): GcProcess;
  /** Applies a policy for a directory that acts at once; `spec` is the rest of it. */
  govern(directory: string, spec: string, key?: string): Promise<void>;
  /** Makes a bare pod, which no node runs; its UID. */
  pod(namespace: string, name: string, spec?: object): Promise<string>;
}

export async function startSite(namespaces: readonly string[]): Promise<Site> {
  const parts = new AsyncDisposableStack();
  const cluster = parts.use(await startPolicyCluster());
  const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-public-'));
  parts.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const { plane, kubectl } = cluster;
  const way = await startPassThrough(plane.port);
  parts.defer(() => way.close());
  const kubeconfig = join(plane.directory, 'collector.kubeconfig');
  const account = await plane.asUser('system:serviceaccount:checkpoint-warden:collector');
  await copyKubeconfigToPort(account, way.port, kubeconfig);
  await kubectl('create', 'namespace', 'checkpoint-warden');
  await plane.apply(readFileSync(COLLECTOR_RBAC, 'utf8'));
  for (const namespace of namespaces) await kubectl('create', 'namespace', namespace);
  let directories = 0;
  return {
    cluster,
    way,
    newDirectory() {
      const directory = join(scratch, `node-${++directories}`);
      mkdirSync(directory);
      return directory;
    },
    collect: (directory, more = [], through = []) =>
      startGc(['--directory', directory, '--kubeconfig', kubeconfig, ...more], through),
    async govern(directory, spec, key = 'ops/quotas') {
      const lines = ['applyPoliciesImmediately: true', `checkpointDirectory: ${directory}`, spec];
      await plane.apply(resource(lines.join('\n'), key));
    },
    async pod(namespace, name, spec = {}) {
      const containers = [{ name: 'main', image: 'none' }];
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace, name },
        spec: { containers, ...spec },
      };
      await plane.apply(JSON.stringify(pod));
      return await kubectl('get', 'pod', name, '-n', namespace, '-o', 'jsonpath={.metadata.uid}');
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
