import { Registry } from 'prom-client';
import { deleteArchive } from '../../../gc/deleting/deletion.ts';
import { type AssembledDoor, assembleDoor, type DoorCore } from '../../../gc/door/main.ts';
import { createDoorMetrics } from '../../../gc/door/metrics.ts';
import type { Reply } from '../../../gc/door/reply.ts';
import type { Ask } from '../../../gc/door/story.ts';
import { Inventory } from '../../../gc/inventory/inventory.ts';
import type { PlacedPod } from '../../../kube/placed-pods.ts';
import type { AuditRecord } from '../../../observe/audit.ts';
import { PolicySet } from '../../../policy/govern.ts';
import type { JsonObject } from '../../../policy/json.ts';
import { readResource } from '../../../policy/read.ts';
import type { Archive, Decision } from '../../../policy/types.ts';
import { FakeClock } from '../fake-clock.ts';
import { FakeFiles } from '../fake-files.ts';
import { FakeRuntime } from './fake-runtime.ts';
import { MemoryJournal } from './memory-store.ts';

export const DIRECTORY = '/checkpoints';
export const NODE = 'node1';

interface Line {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

/** A door that lives in a fake node, until it is killed. */
export interface LiveDoor extends AssembledDoor {
  readonly life: { alive: boolean };
  readonly inventory: Inventory;
}

/** A node in memory: directory, runtime, and a door that can be killed and started again. */
export class FakeNode {
  readonly clock = new FakeClock();
  readonly files = new FakeFiles();
  readonly runtime = new FakeRuntime(this.files, DIRECTORY, this.clock);
  readonly journal = new MemoryJournal();
  readonly audit: AuditRecord[] = [];
  readonly lines: Line[] = [];
  readonly evicted: string[] = [];
  policies: PolicySet | null = new PolicySet();
  more: Partial<DoorCore> = {};
  madeBy: (file: string) => string | undefined = () => undefined;
  /** The directory has changed. */
  onChange: () => void = () => {};
  door: LiveDoor | null = null;

  constructor() {
    this.files.mkdir(DIRECTORY);
    this.runtime.onWrite = (file) => void this.door?.inventory.look([file]);
  }

  /** One resource with these policies. */
  govern(spec: JsonObject): void {
    const { resource } = readResource({
      apiVersion: 'criu.org/v1',
      kind: 'CheckpointRestoreOperator',
      metadata: { namespace: 'ops', name: 'quotas' },
      spec,
    });
    if (resource === null || !resource.sound) throw new Error('not a sound resource');
    this.policies = new PolicySet([resource]);
  }

  /** A new process: it scans the directory, reads the journal and opens. */
  async start(): Promise<LiveDoor> {
    const life = { alive: true };
    const { clock, files, journal, runtime } = this;
    let changed = () => {};
    let cancel = () => {};
    const inventory = new Inventory({
      files,
      directory: DIRECTORY,
      clock: () => clock.now(),
      madeBy: (file) => this.madeBy(file),
      onChange: () => {
        if (!life.alive) return;
        arm();
        changed();
        this.onChange();
      },
    });
    // As the collector does it: what grows is looked at when it may stand still.
    const arm = () => {
      cancel();
      const next = inventory.nextLook();
      if (next === null || !life.alive) return;
      cancel = clock.after(Math.max(50, next - clock.now()), async () => {
        await inventory.look();
        arm();
      });
    };
    await inventory.scan();
    const level = (name: string) => (fields: object, message: string) => {
      if (life.alive) this.lines.push({ level: name, fields, message });
    };
    const door: LiveDoor = {
      life,
      inventory,
      ...assembleDoor(
        {
          authenticator: { authenticate: async () => ({ username: 'ada', groups: [] }) },
          authorizer: { authorize: async () => {} },
          pods: { get: async (namespace, name) => podOf(namespace, name) },
          nodeName: NODE,
          policies: () => this.policies,
          directory: inventory,
          disk: () => files.statfs(DIRECTORY),
          evict: (decisions) => this.#evict(decisions, inventory, life),
          kubelet: runtime.kubelet(life),
          state: journal.store(life),
          audit: { lost: 0, record: (record) => life.alive && this.audit.push(record) },
          log: { info: level('info'), warn: level('warn'), error: level('error') },
          clock,
          ...this.more,
        },
        createDoorMetrics(new Registry()),
      ),
    };
    changed = () => door.settler.wake();
    this.door = door;
    door.settler.wake();
    arm();
    return door;
  }

  /** SIGKILL: what it was at stays as it is; what the runtime is at goes on. */
  kill(): void {
    if (this.door !== null) this.door.life.alive = false;
    this.door = null;
  }

  /** A request for a container; the reply is null while the door does not answer, for ever if it is killed. */
  ask(container: string, more: Partial<Ask> = {}): { reply: Reply | null; readonly done: Promise<Reply> } {
    const { door } = this;
    if (door === null) throw new Error('no door');
    const done = door.door.handle({
      method: 'POST',
      url: `/checkpoint/${container}`,
      httpVersion: '1.1',
      rawHeaders: ['Host', 'door'],
      credentials: { authorization: 'Bearer token', certificate: null },
      pipelined: false,
      from: '127.0.0.1',
      signal: new AbortController().signal,
      ...more,
    });
    const asked = { reply: null as Reply | null, done };
    done.then((reply) => {
      if (door.life.alive) asked.reply = reply;
    });
    return asked;
  }

  /** Archives on disk, whole or not. */
  onDisk(): string[] {
    return this.files
      .namesIn(DIRECTORY)
      .map(String)
      .filter((name) => name.startsWith('checkpoint-'))
      .sort();
  }

  bytesOnDisk(): number {
    return this.onDisk().reduce(
      (sum, file) => sum + (this.files.lstat(`${DIRECTORY}/${file}`)?.bytes ?? 0),
      0,
    );
  }

  async #evict(
    decisions: readonly Decision[],
    inventory: Inventory,
    life: { alive: boolean },
  ): Promise<void> {
    if (!life.alive) return new Promise(() => {});
    for (const { archive } of decisions) {
      const stamp = inventory.stamp(archive.file);
      if (stamp === null || inventory.get(archive.file) !== archive) continue;
      const { kind } = await deleteArchive(this.files, DIRECTORY, archive.file, stamp, this.clock.now());
      if (kind === 'deleted') this.evicted.push(archive.file);
      await inventory.look([archive.file]);
    }
  }
}

export function podOf(namespace: string, name: string, more: Partial<PlacedPod> = {}): PlacedPod {
  const containers = ['main', 'side', 'c', 'b-c'].map((each) => ({
    name: each,
    memoryLimitBytes: null,
    running: true,
  }));
  return { uid: `uid-${namespace}-${name}`, configHash: null, node: NODE, containers, ...more };
}

export function statusesOf(asked: readonly { readonly reply: Reply | null }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { reply } of asked) {
    const key = String(reply?.status ?? 'none');
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

export type { Archive };
