import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { selfSignedCertificates } from '../../../certs/self-signed.ts';
import { watchSchedules } from '../../../cli/schedules.ts';
import { createClient, type KubeClient } from '../../../kube/client.ts';
import { governReviewer } from '../../../kube/reviews.ts';
import { customResourceDefinition } from '../../../manifests/crd.ts';
import { scheduleResourceDefinition } from '../../../manifests/crd-schedule.ts';
import { webhookConfigurations } from '../../../manifests/objects.ts';
import { createLog } from '../../../observe/log.ts';
import { SCHEDULE_PLURAL } from '../../../policy/schedule/schema.ts';
import { PLURAL } from '../../../policy/schema.ts';
import { clusterPolicySource } from '../../../source/cluster.ts';
import type { PolicySource } from '../../../source/source.ts';
import { startWebhook, type Webhook } from '../../../webhook/main.ts';
import { type ControlPlane, startControlPlane } from '../../cluster/control-plane.ts';
import { eventually } from '../../cluster/eventually.ts';
import type { KubectlOptions } from '../../cluster/kubectl.ts';
import { type Forwarder, startForwarder } from './forwarder.ts';
import { resource } from './row.ts';

export const NAMESPACES = ['team-a', 'team-b', 'ops'];
const BASE = join(import.meta.dirname, '../../../manifests/base');

/** What `kubectl apply` came to. */
export interface Applied {
  readonly accepted: boolean;
  /** Behind `denied the request:`, the summary first. */
  readonly lines: readonly string[];
  readonly warnings: readonly string[];
  readonly stdout: string;
  readonly stderr: string;
}

export interface Replica {
  readonly webhook: Webhook;
  readonly source: PolicySource;
  /** PEM; each replica has an authority of its own. */
  readonly ca: string;
}

/** A real API server with the resource and two replicas of the webhook in front of it. */
export interface PolicyCluster extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly forwarder: Forwarder;
  readonly replicas: readonly Replica[];
  readonly client: KubeClient;
  apply(yaml: string, options?: KubectlOptions & { readonly args?: readonly string[] }): Promise<Applied>;
  /** Runs kubectl and expects success. */
  kubectl(...args: string[]): Promise<string>;
  /** Resolves when every replica knows exactly these resources: `team-a/quotas`. */
  known(keys: readonly string[]): Promise<void>;
  /** Deletes all policies, and waits until every replica knows. */
  clear(): Promise<void>;
}

export async function startPolicyCluster(): Promise<PolicyCluster> {
  const parts = new AsyncDisposableStack();
  try {
    return await start(parts);
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

async function start(parts: AsyncDisposableStack): Promise<PolicyCluster> {
  const plane = parts.use(await startControlPlane());
  await prepare(plane);
  const kubeconfig = await plane.asUser('warden');
  const replicas = [await startReplica(kubeconfig, parts), await startReplica(kubeconfig, parts)];
  const forwarder = await startForwarder(replicas.map(({ webhook }) => webhook.port));
  parts.defer(() => forwarder.close());
  const client = await createClient({ kubeconfig: plane.kubeconfig });
  parts.defer(() => client.close());

  const cluster: PolicyCluster = {
    plane,
    forwarder,
    replicas,
    client,
    async apply(yaml, { args = [], ...options } = {}) {
      const command = ['apply', '-f', '-', ...args];
      const { status, stdout, stderr } = await plane.kubectl(command, { input: yaml, ...options });
      const warnings = stderr
        .split('\n')
        .flatMap((line) => (line.startsWith('Warning: ') ? [line.slice('Warning: '.length)] : []));
      const denial = /denied the request: (.*)$/s.exec(stderr)?.[1] ?? '';
      return { accepted: status === 0, lines: denial.trim().split('\n'), warnings, stdout, stderr };
    },
    async kubectl(...args) {
      const { status, stdout, stderr } = await plane.kubectl(args);
      assert.equal(status, 0, stderr);
      return stdout;
    },
    async known(keys) {
      await eventually(async () => {
        for (const { source } of replicas) {
          const seen = source.resources().map(({ reference }) => `${reference.namespace}/${reference.name}`);
          assert.deepEqual(seen.sort(), [...keys].sort());
        }
      });
    },
    async clear() {
      await cluster.kubectl('delete', PLURAL, '--all', '--all-namespaces');
      await cluster.known([]);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
  await register(cluster);
  return cluster;
}

/** The resource, the rights of the manifests, and namespaces. */
async function prepare(plane: ControlPlane): Promise<void> {
  await plane.apply(stringify(customResourceDefinition()));
  await plane.apply(stringify(scheduleResourceDefinition()));
  for (const file of ['webhook-rbac.yaml', 'roles.yaml']) {
    await plane.apply(await readFile(join(BASE, file), 'utf8'));
  }
  const metadata = { name: 'warden' };
  const roleRef = {
    apiGroup: 'rbac.authorization.k8s.io',
    kind: 'ClusterRole',
    name: 'checkpoint-warden-webhook',
  };
  const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'warden' }];
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata,
    roleRef,
    subjects,
  };
  await plane.apply(stringify(binding));
  for (const name of NAMESPACES) {
    await plane.apply(stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }));
  }
  const definitions = [PLURAL, SCHEDULE_PLURAL].map((plural) => `crd/${plural}.criu.org`);
  await plane.kubectl(['wait', '--for=condition=Established', ...definitions]);
}

async function startReplica(kubeconfig: string, parts: AsyncDisposableStack): Promise<Replica> {
  const log = createLog({ level: process.env.WARDEN_TEST_LOG === 'yes' ? 'info' : 'silent' });
  const client = await createClient({ kubeconfig });
  parts.defer(() => client.close());
  const source = clusterPolicySource({ client });
  const schedules = await watchSchedules(client, log);
  parts.defer(() => schedules.stop());
  const certificates = selfSignedCertificates({ names: ['127.0.0.1', 'localhost'], log });
  const webhook = await startWebhook({
    listen: { host: '127.0.0.1', port: 0 },
    source,
    certificates,
    reviewer: governReviewer(client),
    schedules: schedules.values,
    log,
    timings: { drain: 0 },
  });
  parts.defer(() => webhook.stop());
  return { webhook, source, ca: certificates.current().ca };
}

/** Registers the webhooks, and waits until the API server asks them. */
async function register(cluster: PolicyCluster): Promise<void> {
  const { plane, forwarder, replicas } = cluster;
  const caBundle = replicas.map(({ ca }) => ca).join('');
  const url = `https://127.0.0.1:${forwarder.port}`;
  for (const configuration of webhookConfigurations({ clientConfig: { url, caBundle } })) {
    await plane.apply(stringify(configuration));
  }
  const unsound = resource('namespacePolicies: [{namespace: team-a, maxCheckpointSize: 10}]');
  await eventually(async () => {
    const { stderr } = await cluster.apply(unsound, { args: ['--dry-run=server'] });
    assert.match(stderr, /"checkpoint-warden-mutate\.criu\.org" denied the request/);
  });
  const sound = resource('namespacePolicies: [{namespace: team-a, maxCheckpoints: 1}]');
  await eventually(async () => {
    const { accepted, stderr } = await cluster.apply(sound, { args: ['--dry-run=server'] });
    assert.ok(accepted, stderr);
  });
}
