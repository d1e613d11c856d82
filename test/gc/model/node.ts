import { Registry } from 'prom-client';
import { assemble } from '../../../gc/assemble.ts';
import type { Container } from '../../../gc/door/container.ts';
import { type AssembledDoor, assembleDoor } from '../../../gc/door/main.ts';
import { createDoorMetrics } from '../../../gc/door/metrics.ts';
import type { Reply } from '../../../gc/door/reply.ts';
import type { AuditRecord } from '../../../observe/audit.ts';
import { createMetrics } from '../../../observe/metrics.ts';
import type { Identity, PolicyResource } from '../../../policy/types.ts';
import { FakeLog, FakeSource } from '../collector-bench.ts';
import { MemoryJournal } from '../door/memory-store.ts';
import { FakeClock } from '../fake-clock.ts';
import { FakeFiles } from '../fake-files.ts';
import { seeded } from '../random.ts';
import { ApiServer, NOBODY, NODE } from './api-server.ts';
import { Cache } from './cache.ts';
import { DIRECTORY, DirectoryTruth } from './directory.ts';
import { Judge } from './judge.ts';
import { Life, type Weather } from './life.ts';
import { PolicyTruth } from './policies.ts';
import { Runtime } from './runtime.ts';
import { FLAVOURS, type Flavour } from './specs.ts';

/** A collector with its door, as long as it lives. */
export interface Process {
  readonly life: Life;
  readonly parts: ReturnType<typeof assemble>;
  readonly source: FakeSource;
  readonly log: FakeLog;
  readonly audit: AuditRecord[];
  door: AssembledDoor | null;
  /** By the clock that only goes on. */
  readonly startedAt: number;
}

/** A request at the door. */
export interface Asked {
  readonly text: string;
  reply: Reply | null;
  readonly life: Life;
  readonly leaving: AbortController;
}

/** A node in memory: what is really there, and the process that has to find it out. */
export class ModelNode {
  readonly clock = new FakeClock();
  readonly files = new FakeFiles();
  readonly api = new ApiServer(this.clock);
  readonly policies = new PolicyTruth();
  readonly weather: Weather = { fault: null, latencyMs: 0 };
  readonly journal = new MemoryJournal();
  readonly documents = new Map<string, string>();
  readonly cache = new Cache();
  /** What requests at the door delete now. */
  readonly evicting = new Set<string>();
  /** What authors have applied; the collector may not have heard of it yet. */
  readonly declared = new Map<string, PolicyResource>();
  readonly asked: Asked[] = [];
  readonly history: string[] = [];
  readonly flavour: Flavour;
  readonly directory: DirectoryTruth;
  readonly runtime: Runtime;
  readonly judge: Judge;
  process: Process | null = null;
  isSourceFresh = true;
  /** When events were last lost or calls last failed, and when the clock was last set, by the one that goes on. */
  disturbedAt = Number.NEGATIVE_INFINITY;
  clockSetAt = Number.NEGATIVE_INFINITY;
  /** The same; never, where it was set twice in a row and the collector may have seen nothing of it. */
  doubtedAt = Number.NEGATIVE_INFINITY;
  /** When it was last set at all, and by how much, in milliseconds. */
  clockMoved = { at: Number.NEGATIVE_INFINITY, by: 0 };
  /** By how much it was set ahead then, in milliseconds. */
  setAheadBy = 0;
  kills = 0;
  #bootedAt: number;
  /** Whether the last process had taken in any policies. */
  #hadBegun = false;
  #uids = 0;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.#bootedAt = this.clock.elapsed() - 3_600_000;
    this.flavour = FLAVOURS[seed % FLAVOURS.length] ?? 'breaker';
    this.files.clock = () => this.clock.now();
    // As overlayfs may have it.
    if (seed % 5 === 0) this.files.nextInode = 2n ** 63n;
    for (const path of ['/var', '/var/lib', '/var/lib/kubelet', DIRECTORY]) this.files.mkdir(path);
    this.directory = new DirectoryTruth(this.files, this.clock);
    this.runtime = new Runtime(this.files, this.clock, (container) => this.identityOf(container));
    this.judge = new Judge(this);
    this.directory.onArchive = () => this.policies.checkpointMayHaveCome();
  }

  newUid(): string {
    this.#uids += 1;
    const uid = `uid-${this.#uids}`;
    this.api.knowUid(uid);
    return uid;
  }

  /** What a runtime writes into an archive of this container now. */
  identityOf({ namespace, pod, container }: Container): Identity {
    const there = this.api.pods.get(`${namespace}/${pod}`);
    return { namespace, pod, container, podUid: there?.configHash ?? there?.uid ?? NOBODY };
  }

  tell(line: string): void {
    const time = new Date(this.clock.now()).toISOString().slice(11, -1);
    this.history.push(`${time}  ${line}`);
  }

  /** Lets time pass; a process that was killed is started again first. */
  async wait(ms: number): Promise<void> {
    if (this.process?.life.alive !== true) this.start();
    await this.clock.advance(ms);
    this.directory.forget(200_000);
    if (this.process?.life.alive === false) {
      this.evicting.clear();
      this.kills += 1;
      this.tell('        the collector was killed');
      this.#hadBegun = this.process.parts.active.isKnown;
      this.process = null;
    }
  }

  setClock(by: number): void {
    this.clock.set(this.clock.now() + by);
    this.clockMoved = { at: this.clock.elapsed(), by };
  }

  /** What the clock has shown at a moment a while ago. */
  wallAt(elapsed: number): number {
    const { at, by } = this.clockMoved;
    return this.clock.now() - (this.clock.elapsed() - elapsed) - (elapsed < at ? by : 0);
  }

  /** Starts the machine anew: what it counts since its start begins anew, and devices may have other numbers. */
  reboot(): void {
    this.kill();
    this.#bootedAt = this.clock.elapsed();
    this.files.devicesFrom += 1;
  }

  /** Kills the process at once. */
  kill(): void {
    this.process?.life.die();
    this.evicting.clear();
  }

  start(): void {
    const life = new Life();
    const clock = life.clock(this.clock, this.#bootedAt);
    const log = new FakeLog();
    const source = new FakeSource([...this.declared.values()]);
    source.isFreshNow = this.isSourceFresh;
    this.policies.restart(this.process?.parts.active.isKnown ?? this.#hadBegun);
    const audit: AuditRecord[] = [];
    const random = seeded(this.#seed + this.kills);
    const parts = assemble(
      {
        directory: DIRECTORY,
        source,
        pods: this.api.lookup(life),
        dryRun: false,
        log,
        audit: { lost: 0, record: (record) => void audit.push(record) },
        metrics: createMetrics({ ofProcess: false }),
        clock,
        files: life.files(this.files, this.weather, this.judge, this.clock),
        random: () => random(1_000) / 1_000,
        state: life.state(this.documents),
        readings: this.cache.store(life),
      },
      null,
    );
    const startedAt = this.clock.elapsed();
    const process: Process = { life, parts, source, log, audit, door: null, startedAt };
    this.process = process;
    if (this.isSourceFresh) this.#tellPolicies();
    this.tell('        the collector starts');
    parts.collector
      .start(async () => this.#openDoor(process))
      .catch((error: unknown) => {
        if (life.alive) this.judge.fail(`the collector does not start: ${error}`);
      });
  }

  /** What authors have applied reaches the collector, unless it has lost contact. */
  deliver(): void {
    if (!this.isSourceFresh || this.process === null) return;
    const { source, life } = this.process;
    source.isFreshNow = true;
    this.#tellPolicies();
    try {
      source.set(...this.declared.values());
      if (this.process.parts.active.isKnown) this.policies.taken();
    } catch (error) {
      // It takes them in at once, and may die of a call on the way.
      if (life.alive) throw error;
    }
  }

  setFresh(fresh: boolean): void {
    this.isSourceFresh = fresh;
    if (this.process !== null) this.process.source.isFreshNow = fresh;
    this.deliver();
  }

  ask({ namespace, pod, container }: Container): Asked | null {
    const { process } = this;
    if (!process?.door) return null;
    const leaving = new AbortController();
    const text = `${namespace}/${pod}/${container}`;
    const asked: Asked = { text, reply: null, life: process.life, leaving };
    this.asked.push(asked);
    const done = process.door.door.handle({
      method: 'POST',
      url: `/checkpoint/${text}`,
      httpVersion: '1.1',
      rawHeaders: ['Host', 'door'],
      credentials: { authorization: 'Bearer token', certificate: null },
      pipelined: false,
      from: '127.0.0.1',
      signal: leaving.signal,
    });
    void done.then((reply) => {
      asked.reply = reply;
      if (process.life.alive) this.tell(`        the door answers ${reply.status} for ${text}`);
    });
    return asked;
  }

  #tellPolicies(): void {
    // What it has not asked for yet it takes as it is then.
    if (this.process?.parts.active.isKnown === false) this.policies.begin();
    const elapsed = this.clock.elapsed();
    const cameAt = Math.max(this.directory.cameAt, this.disturbedAt);
    // What was made within the minute before its start is news to a new process, once it stands still.
    const isNew = elapsed - (this.process?.startedAt ?? elapsed) < 9_000;
    const mayHaveCome = elapsed - cameAt < this.judge.windowMs() + (isNew ? 72_000 : 2_000);
    this.policies.tell([...this.declared.values()], this.api.moment, mayHaveCome);
  }

  /** As `openDoor` does it, without a server. */
  #openDoor(process: Process): void {
    const { parts, life, log, audit } = process;
    const { active, inventory, evictions, disk, changes } = parts;
    const store = this.journal.store(life);
    const door = assembleDoor(
      {
        authenticator: { authenticate: async () => ({ username: 'ada', groups: [] }) },
        authorizer: { authorize: async () => {} },
        pods: this.api.placed(life),
        nodeName: NODE,
        policies: () => (active.isKnown ? active.forRequests : null),
        directory: inventory,
        disk: () => disk.measure(),
        evict: async (decisions) => {
          for (const { archive } of decisions) this.evicting.add(archive.file);
          const enforced = await evictions.carryOut(decisions);
          for (const { archive } of decisions) this.evicting.delete(archive.file);
          return enforced;
        },
        withheld: (decisions) => evictions.withheld(decisions),
        trustedNow: () => parts.clockWatch.trustedNow(),
        kubelet: this.runtime.kubelet(life),
        state: {
          ...store,
          append: (line: string) => life.now(() => store.append(line)),
          replace: (lines: readonly string[]) => life.now(() => store.replace(lines)),
        },
        audit: { lost: 0, record: (record) => void audit.push(record) },
        log,
        clock: life.clock(this.clock, this.#bootedAt),
      },
      createDoorMetrics(new Registry()),
    );
    process.door = door;
    changes.add(() => door.settler.wake());
    door.settler.wake();
  }
}
