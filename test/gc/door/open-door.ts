import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Certificate, CertificateSource } from '../../../certs/source.ts';
import { authenticator } from '../../../gc/door/authenticate.ts';
import { authorizer } from '../../../gc/door/authorize.ts';
import { kubeletClient } from '../../../gc/door/kubelet.ts';
import { type DoorOptions, type RunningDoor, startDoor } from '../../../gc/door/main.ts';
import { Inventory } from '../../../gc/inventory/inventory.ts';
import { nodeFiles } from '../../../gc/system/node-files.ts';
import type { PlacedPod } from '../../../kube/placed-pods.ts';
import type { UserInfo } from '../../../kube/types.ts';
import type { AuditRecord } from '../../../observe/audit.ts';
import { PolicySet } from '../../../policy/govern.ts';
import { type Authority, type Credentials, createAuthority } from '../../cluster/authority.ts';
import { type FakeContainer, startFakeKubelet } from './fake-kubelet.ts';
import { podOf } from './fake-node.ts';
import { type Piece, sendRaw } from './raw.ts';

/** A certificate that a test changes. */
export class FakeCertificates implements CertificateSource {
  #current: Certificate;
  readonly #listeners = new Set<() => void>();

  constructor(credentials: Credentials, ca: string) {
    this.#current = { ...credentials, ca };
  }

  async start(): Promise<void> {}
  current(): Certificate {
    return this.#current;
  }
  put(credentials: Credentials): void {
    this.#current = { ...this.#current, ...credentials };
    for (const listener of this.#listeners) listener();
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  describe() {
    return { origin: 'test', names: [], notBefore: 0, notAfter: 0, problem: null };
  }
  async stop(): Promise<void> {}
}

/** Who may do what at an open door. */
export interface People {
  readonly tokens: Map<string, UserInfo>;
  /** `user namespace` */
  readonly rights: Set<string>;
  /** While it is set, the API server does not answer. */
  down: boolean;
}

/** A whole door on loopback before a kubelet of our own; the API server's part is played by maps. */
export type OpenDoor = Awaited<ReturnType<typeof openDoor>>;

/** Of all doors of a process: its keys take some tenths of a second. */
let cluster: Promise<Authority> | null = null;

export async function openDoor(more: Partial<DoorOptions> = {}) {
  const scratch = mkdtempSync(join(tmpdir(), 'open-door-'));
  const directory = join(scratch, 'checkpoints');
  mkdirSync(directory);
  cluster ??= createAuthority('cluster');
  const authority = await cluster;
  const people: People = { tokens: new Map(), rights: new Set(), down: false };
  const containers = new Map<string, FakeContainer>();
  const kubelet = await startFakeKubelet({
    certificate: authority.issue({ name: 'node1', hosts: ['127.0.0.1'] }),
    ca: authority.certificate,
    directory,
    tokens: new Map([['door', true]]),
    containers,
  });
  writeFileSync(join(scratch, 'token'), 'door');
  writeFileSync(join(scratch, 'ca.crt'), authority.certificate);
  const audit: AuditRecord[] = [];
  const logged: string[] = [];
  const tell = (fields: object, message: string) =>
    void logged.push(
      `${message} ${JSON.stringify(fields, (_, value) => (value instanceof Error ? value.message : value))}`,
    );
  const log = { info() {}, warn: tell, error: tell };
  const pods = new Map<string, PlacedPod>();
  let changed = () => {};
  const inventory = new Inventory({
    files: nodeFiles,
    directory,
    clock: Date.now,
    onChange: () => changed(),
  });
  await inventory.scan();
  const unlessDown = async <T>(value: T): Promise<T> => {
    if (people.down) throw new Error('POST https://10.0.0.1:6443 had no answer');
    return value;
  };
  const certificates = new FakeCertificates(
    authority.issue({ name: 'door', hosts: ['127.0.0.1'] }),
    authority.certificate,
  );
  const end = async () => {
    await kubelet.close();
    rmSync(scratch, { recursive: true });
  };
  const door = await startDoor({
    listen: { host: '127.0.0.1', port: 0 },
    certificates,
    clientAuthority: join(scratch, 'ca.crt'),
    authenticator: authenticator({
      tokens: { whose: (token) => unlessDown(people.tokens.get(token) ?? null) },
      now: Date.now,
    }),
    authorizer: authorizer({
      mayCheckpoint: (user, namespace) => unlessDown(people.rights.has(`${user.username} ${namespace}`)),
    }),
    pods: { get: (namespace, name) => unlessDown(podIn(pods, containers, namespace, name)) },
    nodeName: 'node1',
    policies: () => new PolicySet(),
    directory: inventory,
    disk: () => nodeFiles.statfs(directory),
    evict: async () => {},
    kubelet: kubeletClient({
      url: kubelet.url,
      files: { ca: join(scratch, 'ca.crt'), token: join(scratch, 'token') },
      log,
      now: Date.now,
    }),
    state: join(scratch, 'state'),
    audit: { lost: 0, record: (record) => void audit.push(record) },
    log,
    ...more,
  }).catch(async (error: unknown) => {
    await end();
    throw error;
  });
  changed = () => door.directoryChanged();
  const stop = async () => {
    await door.stop();
    await end();
  };
  const state = {
    scratch,
    authority,
    kubelet,
    door,
    inventory,
    certificates,
    people,
    containers,
    pods,
  };
  return {
    ...state,
    audit,
    logged,
    ask: (path: string, options: AskOptions = {}) => ask(door, authority, path, options),
    /** The ledger's file. */
    journal: () => readFileSync(join(scratch, 'state', 'door-ledger.jsonl'), 'utf8'),
    send: (pieces: readonly Piece[], ms = 1_500) =>
      sendRaw({ host: '127.0.0.1', port: door.port, ca: authority.certificate }, pieces, ms),
    stop,
  };
}

export interface AskOptions {
  readonly token?: string;
  readonly certificate?: Credentials;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

/** One request by an ordinary client. */
function ask({ url }: RunningDoor, authority: Authority, path: string, options: AskOptions): Promise<Answer> {
  const { token, certificate, headers, method = 'POST', signal } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method,
        path,
        ca: authority.certificate,
        agent: false,
        ...(signal && { signal }),
        ...(certificate && { cert: certificate.certificate, key: certificate.key }),
        headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      },
      (incoming) => {
        const { statusCode: status = 0, headers: received } = incoming;
        text(incoming).then((body) => resolve({ status, body, headers: received }), reject);
      },
    );
    outgoing.once('error', reject);
    outgoing.end();
  });
}

function podIn(
  pods: ReadonlyMap<string, PlacedPod>,
  containers: ReadonlyMap<string, FakeContainer>,
  namespace: string,
  name: string,
): PlacedPod | null {
  const own = pods.get(`${namespace}/${name}`);
  if (own !== undefined) return own;
  const found = [...containers].flatMap(([path, { running }]) => {
    const [ofNamespace, ofPod, container = ''] = path.split('/');
    return ofNamespace === namespace && ofPod === name
      ? [{ name: container, running, memoryLimitBytes: null }]
      : [];
  });
  return found.length === 0 ? null : podOf(namespace, name, { containers: found });
}
