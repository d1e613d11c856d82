import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kubelet } from '../../../../gc/door/kubelet.ts';
import { startCollector } from '../../../../gc/main.ts';
import type { AuditRecord } from '../../../../observe/audit.ts';
import { ACTOR_HEADER, type ArchiveVerb } from '../../../../policy/archive-routes.ts';
import { fieldsOf } from '../../../../policy/json.ts';
import { type ListedArchive, listedArchiveIn } from '../../../../policy/listed-archive.ts';
import type { Authority } from '../../../cluster/authority.ts';
import { request } from '../../../cluster/nodes/request.ts';
import { CONTAINERD_ANNOTATIONS, smallArchive } from '../../archives.ts';
import { FakeLog, FakeSource, policy } from '../../collector-bench.ts';
import { podOf } from '../fake-node.ts';
import { FakeCertificates } from '../open-door.ts';

export interface TestNodeOptions {
  readonly name?: string;
  readonly spec?: object;
  readonly authority: Authority;
  /** In the door's certificate; default 127.0.0.1. */
  readonly host?: string;
  readonly port?: number;
  /** Where the door listens; default 127.0.0.1. */
  readonly listen?: string;
  /** Files by name before the first scan. */
  readonly files?: Readonly<Record<string, Buffer>>;
}

const GATEWAY = 'system:serviceaccount:checkpoint-warden:webhook';
const HOUR_AGO = Date.now() / 1_000 - 3_600;

/** An archive of this container, an hour old, in the kubelet's naming. */
export function archiveOf(namespace: string, pod: string, container = 'main', padding = 0): Buffer {
  const annotations = {
    ...CONTAINERD_ANNOTATIONS,
    'io.kubernetes.cri.sandbox-namespace': namespace,
    'io.kubernetes.cri.sandbox-name': pod,
    'io.kubernetes.cri.container-name': container,
    ...(padding > 0 && { padding: 'x'.repeat(padding) }),
  };
  return smallArchive(annotations);
}

export function fileOf(namespace: string, pod: string, second = 0, container = 'main'): string {
  const time = new Date(Date.UTC(2026, 10, 21) + second * 1_000).toISOString().slice(0, 19);
  return `checkpoint-${pod}_${namespace}-${container}-${time}Z.tar`;
}

/** A real collector with its door on a scratch directory; its kubelet writes small archives, its callers are made up. */
export type TestNode = Awaited<ReturnType<typeof startTestNode>>;

export async function startTestNode(options: TestNodeOptions) {
  const {
    name = 'node1',
    spec = {},
    authority,
    host = '127.0.0.1',
    port = 0,
    listen = '127.0.0.1',
  } = options;
  const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-archives-'));
  const directory = join(scratch, 'checkpoints');
  mkdirSync(directory);
  const put = (file: string, content: Buffer, at = HOUR_AGO) => {
    writeFileSync(join(directory, file), content);
    utimesSync(join(directory, file), at, at);
  };
  for (const [file, content] of Object.entries(options.files ?? {})) put(file, content);
  const audit: AuditRecord[] = [];
  const log = new FakeLog();
  const rights = new Map<string, ReadonlySet<ArchiveVerb>>([
    [GATEWAY, new Set(['list', 'get', 'watch', 'create', 'patch', 'delete'])],
  ]);
  let made = 0;
  const kubelet: Kubelet = {
    async checkpoint({ namespace, pod, container }) {
      made += 1;
      const file = fileOf(namespace, pod, 100_000 + made, container);
      writeFileSync(join(directory, file), archiveOf(namespace, pod, container));
      return { kind: 'done', file, item: `/var/lib/kubelet/checkpoints/${file}` };
    },
    close() {},
  };
  const collector = await startCollector({
    directory,
    source: new FakeSource([policy(spec)]),
    pods: null,
    lenientDirectory: true,
    dryRun: false,
    log,
    nodeName: name,
    stateDirectory: join(scratch, 'state'),
    lockDirectory: null,
    audit: { lost: 0, record: (record) => void audit.push(record) },
    door: {
      listen: { host: listen, port },
      certificates: new FakeCertificates(
        authority.issue({ name: 'door', hosts: [host] }),
        authority.certificate,
      ),
      authenticator: { authenticate: async () => assert.fail('a gateway comes by its own way') },
      authorizer: { authorize: async () => {} },
      archives: {
        authenticator: {
          authenticate: async ({ authorization }) => ({ username: authorization?.slice(7) || 'nobody' }),
        },
        rights: { mayServe: async ({ username }, verb) => rights.get(username)?.has(verb) ?? false },
      },
      pods: {
        get: async (namespace, pod) =>
          pod === 'gone'
            ? null
            : podOf(namespace, pod, {
                node: name,
                containers: [{ name: 'main', memoryLimitBytes: 1_000_000, running: true }],
              }),
      },
      kubelet,
    },
  });
  const url = collector.doorUrl ?? '';
  const ask = (method: string, path: string, { as = GATEWAY, user = 'ada' } = {}) =>
    request(`${url}/`, {
      method,
      path,
      ca: authority.certificate,
      token: as,
      headers: { [ACTOR_HEADER]: Buffer.from(JSON.stringify({ username: user })).toString('base64url') },
      timeout: 10_000,
    });
  return {
    ...{ name, directory, audit, log, rights, url, put, ask, collector },
    port: Number(new URL(url).port),
    /** All that a list shows. */
    async archives(query = 'limit=500'): Promise<readonly ListedArchive[]> {
      const { status, body } = await ask('GET', `/archives?${query}`);
      if (status !== 200) throw new Error(`${status} ${body}`);
      const { items } = fieldsOf(JSON.parse(body));
      return Array.isArray(items) ? items.flatMap((each) => listedArchiveIn(each) ?? []) : [];
    },
    async stop() {
      await collector.stop();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}
