import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { selfSignedCertificates } from '../../../certs/self-signed.ts';
import { eventTimes } from '../../../cli/event-times.ts';
import { checkpointNodes } from '../../../kube/checkpoint-nodes.ts';
import { createClient } from '../../../kube/client.ts';
import { EventRecorder } from '../../../kube/events.ts';
import { policyStatusWriter } from '../../../kube/policy-status.ts';
import { createLog } from '../../../observe/log.ts';
import { fieldsOf, own, text } from '../../../policy/json.ts';
import { clusterPolicySource } from '../../../source/cluster.ts';
import { startWebhook, type Webhook } from '../../../webhook/main.ts';
import { type ControlPlane, startControlPlane } from '../../cluster/control-plane.ts';
import { archiveName, makeArchive } from '../../fixtures/make-archive.ts';
import { type GcProcess, startGc } from '../gc-process.ts';

const BASE = join(import.meta.dirname, '../../../manifests/base');
/** All but the policy on nodes' objects: a certificate says nothing of a node, as a pod's token does. */
const FILES = ['namespace.yaml', 'crd.yaml', 'crd-node.yaml', 'webhook-rbac.yaml', 'collector-rbac.yaml'];
/** Mounts `$0` on `$1` and becomes what comes behind. */
const MOUNT = 'mount --bind "$0" "$1" && mount -t tmpfs none /run && shift && exec "$@"';
const ACCOUNT = 'system:serviceaccount:checkpoint-warden';

/** One call of the API server, by its audit log. */
export interface Call {
  readonly verb: string;
  /** `checkpointrestoreoperators/status` */
  readonly resource: string;
  readonly name: string;
  /** `webhook` or `collector` */
  readonly account: string;
  readonly status: number;
}

/** A real API server, replicas of the webhook, and collectors of nodes that there are only in name. */
export interface Site extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly directory: string;
  kubectl(...args: string[]): Promise<string>;
  apply(namespace: string, name: string, spec: string): Promise<void>;
  /** The rows of `kubectl get`, without the header, each by its columns. */
  rows(...args: string[]): Promise<readonly Readonly<Record<string, string>>[]>;
  /** A condition of a policy, as its status, reason and message. */
  condition(
    policy: string,
    type: string,
  ): Promise<{ status: string; reason: string; message: string; since: string }>;
  startReplica(): Promise<Webhook>;
  /** The collector of a node, on a directory of its own with so many archives of the pod `shop/cart`. */
  startNode(name: string, archives: number): Promise<GcProcess>;
  /** Where that node's archives are. */
  directoryOf(node: string): string;
  /** The events of a namespace, each as `KIND/NAME TYPE REASON COUNT: NOTE`. */
  events(namespace: string): Promise<readonly string[]>;
  /** What was asked of it by the webhook and the collectors, but for watches. */
  calls(): readonly Call[];
}

export async function startSite(): Promise<Site> {
  const parts = new AsyncDisposableStack();
  const plane = await startControlPlane({ audit: true });
  parts.defer(() => plane.stop());
  const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-status-'));
  parts.defer(() => rmSync(scratch, { recursive: true, force: true }));
  // The one that the policies name; each collector has a directory of its own mounted there, and a /run.
  const shared = join(scratch, 'checkpoints');
  mkdirSync(shared);
  const site: Site = {
    plane,
    directory: shared,
    async kubectl(...args) {
      const { status, stdout, stderr } = await plane.kubectl(args);
      assert.equal(status, 0, stderr);
      return stdout.trim();
    },
    async apply(namespace, name, spec) {
      const metadata = `{namespace: ${namespace}, name: ${name}}`;
      await plane.apply(
        `{apiVersion: criu.org/v1, kind: CheckpointRestoreOperator, metadata: ${metadata}, spec: ${spec}}`,
      );
    },
    async rows(...args) {
      const [header = '', ...lines] = (await site.kubectl('get', ...args)).split('\n');
      const starts = [...header.matchAll(/\S+/g)].map(({ 0: name, index }) => ({ name, index }));
      return lines.map((line) =>
        Object.fromEntries(
          starts.map(({ name, index }, at) => [name, line.slice(index, starts[at + 1]?.index).trim()]),
        ),
      );
    },
    async condition(policy, type) {
      const [namespace = '', name = ''] = policy.split('/');
      const object: unknown = JSON.parse(
        await site.kubectl('get', 'cro', name, '-n', namespace, '-o', 'json'),
      );
      const conditions = own(fieldsOf(own(fieldsOf(object), 'status')), 'conditions');
      const found = Array.isArray(conditions)
        ? conditions.find((each) => own(fieldsOf(each), 'type') === type)
        : {};
      const of = (key: string) => text(own(fieldsOf(found), key));
      return {
        status: of('status'),
        reason: of('reason'),
        message: of('message'),
        since: of('lastTransitionTime'),
      };
    },
    async startReplica() {
      const log = createLog({ level: process.env.WARDEN_TEST_LOG === 'yes' ? 'info' : 'silent' });
      const client = await createClient({ kubeconfig: await plane.asUser(`${ACCOUNT}:webhook`) });
      const certificates = selfSignedCertificates({ names: ['127.0.0.1'], log });
      const webhook = await startWebhook({
        listen: { host: '127.0.0.1', port: 0 },
        source: clusterPolicySource({ client, log, keepsStatus: true }),
        certificates,
        reviewer: null,
        log,
        status: {
          nodes: () => checkpointNodes({ client, log }),
          writer: policyStatusWriter(client),
          events: (onOutcome) => {
            const named = { controller: 'checkpoint-warden/webhook', instance: 'replica' };
            return new EventRecorder({ client, ...named, ...eventTimes, onOutcome, log });
          },
        },
      });
      parts.defer(async () => {
        await webhook.stop();
        client.close();
      });
      return webhook;
    },
    async startNode(name, archives) {
      await plane.apply(stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name } }));
      const directory = join(scratch, name);
      mkdirSync(directory);
      for (let number = 0; number < archives; number += 1) writeArchive(directory, number);
      const kubeconfig = await plane.asUser(`${ACCOUNT}:collector`);
      const state = join(scratch, `${name}-state`);
      const gc = startGc(
        [
          ...['--directory', shared, '--kubeconfig', kubeconfig, '--state-directory', state],
          ...['--node', name],
        ],
        ['unshare', '--mount', 'sh', '-c', MOUNT, directory, shared],
      );
      parts.defer(() => gc.kill());
      return gc;
    },
    directoryOf: (node) => join(scratch, node),
    async events(namespace) {
      const found: unknown = JSON.parse(await site.kubectl('get', 'events', '-n', namespace, '-o', 'json'));
      const items = own(fieldsOf(found), 'items');
      return (Array.isArray(items) ? items : []).map((item) => {
        const event = fieldsOf(item);
        const about = fieldsOf(own(event, 'involvedObject'));
        const count = own(fieldsOf(own(event, 'series')), 'count') ?? 1;
        const of = (key: string) => text(own(event, key));
        return `${text(own(about, 'kind'))}/${text(own(about, 'name'))} ${of('type')} ${of('reason')} ${count}: ${of('message')}`;
      });
    },
    calls() {
      return readFileSync(plane.auditLog ?? '', 'utf8')
        .split('\n')
        .flatMap(callIn);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
  for (const file of FILES) await plane.apply(inNamespace(readFileSync(join(BASE, file), 'utf8')));
  for (const name of ['checkpointrestoreoperators', 'checkpointnodes']) {
    await site.kubectl('wait', '--for=condition=Established', `crd/${name}.criu.org`);
  }
  for (const name of ['shop', 'ops']) await site.kubectl('create', 'namespace', name);
  return site;
}

/** The manifests leave the namespace to kustomize. */
function inNamespace(yaml: string): string {
  return yaml.replace(
    /kind: ServiceAccount\nmetadata:\n/g,
    (text) => `${text}  namespace: checkpoint-warden\n`,
  );
}

/** @param tail bytes behind the archive's end. */
export function writeArchive(
  directory: string,
  number: number,
  pod = 'cart',
  podUid?: string,
  tail = 0,
): string {
  const made = { namespace: 'shop', pod, ...(podUid !== undefined && { podUid }) };
  const file = archiveName(made, new Date(Date.UTC(2026, 10, 21, 0, 0, number)));
  writeFileSync(join(directory, file), Buffer.concat([makeArchive(made), Buffer.alloc(tail, 1)]));
  const time = Date.now() / 1_000 - 3_600 + number;
  utimesSync(join(directory, file), time, time);
  return file;
}

function callIn(line: string): Call[] {
  if (line === '') return [];
  const event = fieldsOf(JSON.parse(line));
  const user = text(own(fieldsOf(own(event, 'user')), 'username'));
  const account = user.startsWith(`${ACCOUNT}:`) ? user.slice(ACCOUNT.length + 1) : '';
  const verb = text(own(event, 'verb'));
  if (account === '' || verb === 'watch' || own(event, 'stage') !== 'ResponseComplete') return [];
  const about = fieldsOf(own(event, 'objectRef'));
  const resource = [own(about, 'resource'), own(about, 'subresource')].filter(Boolean).join('/');
  const status = Number(own(fieldsOf(own(event, 'responseStatus')), 'code'));
  return [{ verb, resource, name: text(own(about, 'name')), account, status }];
}
