import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { stateDirectoryOf } from '../../../gc/assemble.ts';
import type { Credentials } from '../../cluster/authority.ts';
import { eventually } from '../../cluster/eventually.ts';
import { hasExited } from '../../cluster/guard.ts';
import type { ClusterNode } from '../../cluster/nodes/node.ts';
import { startServer, waitUntilReady } from '../../cluster/server.ts';
import type { Installed } from './install.ts';

const PROGRAM = fileURLToPath(new URL('../../../cli/checkpoint-warden.js', import.meta.url));
/** In the certificate of every door. */
export const DOOR_NAME = 'checkpoint-warden-door.checkpoint-warden.svc';
export const DOOR_PORT = 10350;
/** The kubelet's, and so that of policies that name none. */
const DIRECTORY = '/var/lib/kubelet/checkpoints';
const READY_MS = 30_000;
const READY = ['the door is open', 'the policies are known'] as const;

/**
 * As in a pod in the node's network, with the node's directory mounted: a mount namespace of its own, in which the
 * directory has its real path.
 */
const INSIDE = `
mount --make-rprivate /
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /run
mkdir -p ${DIRECTORY}
mount --bind "$1" ${DIRECTORY}
shift
exec "$@"
`;

export interface CollectorRequest {
  readonly node: ClusterNode;
  /** As this machine sees it, in the place of the node's own. Policies must then name it. */
  readonly directory?: string;
  /** Arguments of `gc` in the place of, or beside, those that it is given. */
  readonly args?: readonly string[];
  /** Default 10350. */
  readonly port?: number;
}

/** One request of a caller. */
export interface CallerOptions {
  readonly token?: string;
  readonly credentials?: Credentials;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface DoorAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** `gc --door` on a node, as its users start it. */
export interface NodeCollector {
  readonly url: string;
  readonly stateDirectory: string;
  /** Of its process. */
  readonly pid: number;
  /** Resolves when room is promised to a container of a namespace: the kubelet is asked at once. */
  untilReserved(namespace: string): Promise<void>;
  /** Lines of its log, and of those before it on this node. */
  log(): Promise<readonly Readonly<Record<string, unknown>>[]>;
  audit(): Promise<readonly AuditLine[]>;
  /** `path` is exactly what is sent: `/checkpoint/shop/cart/main`. */
  ask(path: string, options?: CallerOptions): Promise<DoorAnswer>;
  /** Ends it by SIGTERM, in so many milliseconds. */
  stop(): Promise<{ readonly code: number | null; readonly took: number }>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export interface AuditLine {
  readonly operation: string;
  readonly timestamp: string;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Starts a collector with its door on a node; resolves when the door takes connections. */
export async function startCollector(
  { cluster, ...installed }: Installed,
  { node, directory, args = [], port = DOOR_PORT }: CollectorRequest,
): Promise<NodeCollector> {
  const own = join(installed.directory, node.name);
  const certificates = join(own, 'tls');
  const stateDirectory = join(own, 'state');
  const audit = join(own, 'audit.jsonl');
  await mkdir(certificates, { recursive: true });
  const door = cluster.authority.issue({ name: 'door', hosts: [node.address, DOOR_NAME] });
  await writeFile(join(certificates, 'tls.crt'), door.certificate);
  await writeFile(join(certificates, 'tls.key'), door.key, { mode: 0o600 });
  await writeFile(join(certificates, 'ca.crt'), cluster.ca);
  const options: Readonly<Record<string, string>> = {
    directory: directory ?? DIRECTORY,
    kubeconfig: installed.kubeconfig,
    'state-directory': stateDirectory,
    node: node.name,
    audit,
    door: `:${port}`,
    'certificate-directory': certificates,
    'client-ca': installed.ca,
    'kubelet-ca': installed.ca,
    'kubelet-token': installed.kubeletToken,
  };
  const given = Object.entries(options).flatMap(([name, value]) =>
    args.includes(`--${name}`) ? [] : [`--${name}`, value],
  );
  const earlier = (await linesOf(join(cluster.guard.directory, `${node.name}-gc.log`))).length;
  const server = await startServer(
    cluster.guard,
    'nsenter',
    [
      ...[`--net=${node.networkNamespace}`, 'unshare', '--mount', '/bin/sh', '-ec', INSIDE, 'inside'],
      ...[node.checkpointDirectory, process.execPath, PROGRAM, 'gc', ...given, ...args],
    ],
    `${node.name}-gc`,
  );
  const isOpen = async () => {
    const lines = (await linesOf(server.log)).slice(earlier);
    // It is open before the collector knows by what to judge.
    return READY.every((each) => lines.some(({ message }) => String(message).includes(each)));
  };
  await waitUntilReady(server, isOpen, READY_MS);
  const { child } = server;
  const { pid } = child;
  assert.ok(pid !== undefined);
  const url = `https://${node.address}:${port}`;
  return {
    url,
    stateDirectory,
    pid,
    untilReserved: (namespace) =>
      eventually(async () => {
        const state = stateDirectoryOf(stateDirectory, options.directory ?? '');
        const journal = await linesOf(join(state, 'door-ledger.jsonl'));
        const isThere = journal.some((line) => line.op === 'reserve' && line.namespace === namespace);
        assert.ok(isThere, `nothing is promised to ${namespace}`);
      }),
    log: () => linesOf(server.log),
    audit: async () => (await linesOf(audit)).map(auditLine),
    ask: (path, caller = {}) => askDoor(url, cluster.ca, path, caller),
    async stop() {
      const began = Date.now();
      if (!hasExited(child)) {
        child.ref();
        const exit = once(child, 'exit');
        child.kill('SIGTERM');
        await exit;
      }
      return { code: child.exitCode, took: Date.now() - began };
    },
    kill: () => server.kill(),
  };
}

/** Asks a door, whatever its address, by the name that all doors have in their certificates. */
export function askDoor(url: string, ca: string, path: string, options: CallerOptions): Promise<DoorAnswer> {
  return askServer(url, path, { ...options, ca, servername: DOOR_NAME });
}

/** Asks a server of checkpoints for one. */
export function askServer(
  url: string,
  path: string,
  options: CallerOptions & { readonly ca: string; readonly servername: string },
): Promise<DoorAnswer> {
  const { token, credentials, method = 'POST', headers, signal, ca, servername } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        ...{ method, path, ca, servername, agent: false },
        ...(signal && { signal }),
        ...(credentials && { cert: credentials.certificate, key: credentials.key }),
        headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      },
      (incoming) => {
        const { statusCode: status = 0, headers: received } = incoming;
        text(incoming).then((body) => resolve({ status, headers: received, body }), reject);
      },
    );
    outgoing.once('error', reject);
    outgoing.end();
  });
}

async function linesOf(file: string): Promise<Readonly<Record<string, unknown>>[]> {
  const content = await readFile(file, 'utf8').catch(() => '');
  return content
    .split('\n')
    .filter((line) => line !== '')
    .map(parsed);
}

/** What is no JSON is a sentence for people. */
function parsed(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line);
  } catch {
    return { message: line };
  }
}

function auditLine(line: Readonly<Record<string, unknown>>): AuditLine {
  const { operation, timestamp, resource, metadata } = line;
  return {
    operation: String(operation),
    timestamp: String(timestamp),
    resource: fields(resource),
    metadata: fields(metadata),
  };
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
