import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Kubelet } from '../../gc/door/kubelet.ts';
import { type CollectorOptions, type DoorPart, startCollector } from '../../gc/main.ts';
import type { FileSystem, Listing } from '../../gc/system/files.ts';
import { nodeFiles } from '../../gc/system/node-files.ts';
import { type AuditRecord, noAudit } from '../../observe/audit.ts';
import { createMetrics } from '../../observe/metrics.ts';
import { type Authority, createAuthority } from '../cluster/authority.ts';
import { request } from '../cluster/nodes/request.ts';
import { ARCHIVES } from './archives.ts';
import { FakeLog, FakeSource, policy } from './collector-bench.ts';
import { podOf } from './door/fake-node.ts';
import { FakeCertificates } from './door/open-door.ts';

const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-wired-'));
after(() => rmSync(scratch, { recursive: true }));
const HOUR_AGO = Date.now() / 1_000 - 3_600;
let made = 0;
let directory = '';
let authority: Authority;

const archives = () => readdirSync(directory).filter((name) => name.endsWith('.tar'));

/** Nobody has to go through it: it says that the container does not run. */
const KUBELET: Kubelet = {
  checkpoint: async () => ({ kind: 'notRunning', text: 'not found' }),
  close() {},
};

function door(port = 0): DoorPart {
  const credentials = authority.issue({ name: 'door', hosts: ['127.0.0.1'] });
  return {
    listen: { host: '127.0.0.1', port },
    certificates: new FakeCertificates(credentials, authority.certificate),
    authenticator: { authenticate: async () => ({ username: 'ada' }) },
    authorizer: { authorize: async () => {} },
    pods: {
      get: async (namespace, name) =>
        podOf(namespace, name, { containers: [{ name: 'main', memoryLimitBytes: null, running: false }] }),
    },
    kubelet: KUBELET,
  };
}

function options(spec: object, more: Partial<CollectorOptions> = {}): CollectorOptions {
  return {
    directory,
    source: new FakeSource([policy(spec)]),
    pods: null,
    lenientDirectory: true,
    dryRun: false,
    log: new FakeLog(),
    nodeName: 'node1',
    stateDirectory: join(scratch, `state-${made}`),
    door: door(),
    ...more,
  };
}

/** A disk that takes its time to list a directory, until it is released. */
function slowDisk(): { readonly files: FileSystem; release(): void } {
  let isSlow = true;
  async function* list(path: string): Listing {
    while (isSlow) {
      for (const end = performance.now() + 1; performance.now() < end; );
      yield ['a name that is gone again'];
    }
    yield* nodeFiles.list(path);
  }
  const release = () => {
    isSlow = false;
  };
  return { files: { ...nodeFiles, list }, release };
}

/** Where the door is, as the log says. */
async function opened(log: FakeLog): Promise<string> {
  for (;;) {
    const url = log.matching(/the door is open/)[0]?.fields.url;
    if (typeof url === 'string') return url;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function ask(url: string | null): ReturnType<typeof request> {
  const path = '/checkpoint/shop/cart/main';
  return request(`${url}${path}`, { method: 'POST', ca: authority.certificate });
}

const KEEP_ALL = { namespacePolicies: [{ namespace: 'shop', maxCheckpoints: 100 }] };
const KEEP_LITTLE = { globalPolicy: { maxCheckpointSize: '1Ki' } };

describe('a door on its collector', () => {
  before(async () => {
    authority = await createAuthority('cluster');
  });
  beforeEach(() => {
    made += 1;
    directory = join(scratch, String(made));
    cpSync(ARCHIVES, directory, { recursive: true });
    for (const name of readdirSync(directory)) utimesSync(join(directory, name), HOUR_AGO, HOUR_AGO);
  });

  it("judges by the collector's policies and inventory, and deletes by its way", async () => {
    const audit: AuditRecord[] = [];
    const limit = { namespace: 'shop', maxCheckpoints: 1 };
    const metrics = createMetrics({ ofProcess: false });
    const collector = await startCollector(
      options(
        { namespacePolicies: [limit] },
        { metrics, audit: { lost: 0, record: (record) => void audit.push(record) } },
      ),
    );
    const before = archives();
    const { status, body } = await ask(collector.doorUrl);
    assert.equal(status, 409, body);
    const gone = before.filter((name) => !archives().includes(name));
    assert.equal(gone.length, 1);
    const deleted = audit.filter(
      ({ operation, resource }) => operation === 'delete' && resource.file === gone[0],
    );
    const [request] = audit.filter(({ operation }) => operation === 'request');
    assert.deepEqual(
      deleted.map(({ resource, metadata }) => [resource.file, metadata.by, metadata.rule]),
      gone.map((file) => [file, 'checkpoint-warden', 'count']),
    );
    assert.equal(request?.metadata.evicted, 1);
    assert.match(await metrics.registry.metrics(), /door_requests_total\{outcome="notRunning"\} 1/);
    await collector.stop();
    await assert.rejects(ask(collector.doorUrl), /ECONNREFUSED/);
  });

  it('is open while the first scan lasts, and refuses what it cannot judge yet', async () => {
    // One archive is allowed, and on a part of the directory alone there would be room for another.
    const limit = { namespace: 'shop', maxCheckpoints: 1, whenFull: 'RejectNew' };
    const disk = slowDisk();
    const log = new FakeLog();
    const starting = startCollector(options({ namespacePolicies: [limit] }, { files: disk.files, log }));
    const url = await opened(log);
    for (let time = 0; time < 3; time += 1) {
      const { status, body, retryAfter } = await ask(url);
      assert.equal(status, 503, body);
      assert.match(body, /the archives on this node cannot be counted now; try again in a moment/);
      assert.equal(retryAfter, '2');
    }
    // Nothing is out of order, so nobody is alarmed.
    const told = log.matching(/cannot be counted now/);
    assert.deepEqual(
      told.map(({ level, fields }) => [level, 'err' in fields]),
      [['info', false]],
    );
    disk.release();
    const collector = await starting;
    const { status, body } = await ask(url);
    assert.equal(status, 507, body);
    await collector.stop();
  });

  it('that cannot listen ends the collector before anything is deleted', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const before = archives();
    const started = startCollector(options(KEEP_LITTLE, { door: door(port) }));
    await assert.rejects(started, /--door 127\.0\.0\.1:\d+ cannot be listened on \(it is in use/);
    assert.deepEqual(archives(), before);
    other.close();
    // And lets go of its lock.
    const collector = await startCollector(options(KEEP_ALL));
    await collector.stop();
  });

  for (const [name, more, message] of [
    ['a dry run', { dryRun: true }, /a dry run makes no room/],
    ['no state directory', { stateDirectory: undefined }, /needs a state directory/],
    ['no name of the node', { nodeName: undefined }, /needs the node's name/],
  ] as const) {
    it(`is not to be had with ${name}`, async () => {
      const { stateDirectory, nodeName, ...given } = options(KEEP_LITTLE);
      const all = { stateDirectory, nodeName, ...more };
      const before = archives();
      const started = startCollector({
        ...given,
        dryRun: 'dryRun' in more,
        audit: noAudit,
        ...(all.stateDirectory !== undefined && { stateDirectory: all.stateDirectory }),
        ...(all.nodeName !== undefined && { nodeName: all.nodeName }),
      });
      await assert.rejects(started, message);
      assert.deepEqual(archives(), before);
    });
  }

  it('closes with it, whenever it is stopped', async () => {
    for (const ms of [0, 1, 10, 50]) {
      const stopping = new AbortController();
      const starting = startCollector(options(KEEP_ALL), stopping.signal);
      setTimeout(() => stopping.abort(), ms);
      const collector = await starting;
      await collector.stop();
      if (collector.doorUrl !== null) await assert.rejects(ask(collector.doorUrl), /ECONNREFUSED/);
    }
  });
});
