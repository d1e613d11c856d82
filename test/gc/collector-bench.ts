import { TOMBSTONE_PREFIX } from '../../gc/archive/names.ts';
import { assemble } from '../../gc/assemble.ts';
import type { CollectorOptions } from '../../gc/options.ts';
import type { FileName, FileSystem } from '../../gc/system/files.ts';
import type { PodFacts, PodLookup } from '../../kube/types.ts';
import type { AuditRecord } from '../../observe/audit.ts';
import { createMetrics } from '../../observe/metrics.ts';
import { readResource } from '../../policy/read.ts';
import type { PolicyResource } from '../../policy/types.ts';
import type { PolicySource, Problem } from '../../source/source.ts';
import { CONTAINERD_ANNOTATIONS, smallArchive } from './archives.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeFiles } from './fake-files.ts';

export const DIRECTORY = '/var/lib/kubelet/checkpoints';

export const HOUR = 3_600_000;
export const MINUTE = 60_000;

export interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

/** A log that keeps its lines. */
export class FakeLog {
  readonly lines: Line[] = [];
  info = (fields: object, message: string) =>
    void this.lines.push({ level: 'info', message, fields: { ...fields } });
  warn = (fields: object, message: string) =>
    void this.lines.push({ level: 'warn', message, fields: { ...fields } });
  error = (fields: object, message: string) =>
    void this.lines.push({ level: 'error', message, fields: { ...fields } });

  matching(pattern: RegExp): Line[] {
    return this.lines.filter(({ message }) => pattern.test(message));
  }
}

/** Policies that a test sets. */
export class FakeSource implements PolicySource {
  isFreshNow = true;
  found: Problem[] = [];
  #resources: readonly PolicyResource[];
  readonly #listeners = new Set<() => void>();
  started: Promise<void> = Promise.resolve();
  stopped = false;

  constructor(resources: readonly PolicyResource[] = []) {
    this.#resources = resources;
  }

  start = () => this.started;
  resources = () => this.#resources;
  problems = () => this.found;
  isFresh = () => this.isFreshNow;

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async stop(): Promise<void> {
    this.stopped = true;
  }

  set(...resources: readonly PolicyResource[]): void {
    this.#resources = resources;
    for (const listener of this.#listeners) listener();
  }
}

/** Pods that a test sets; `away` lets every look-up fail. */
export class FakePods implements PodLookup {
  readonly pods = new Map<string, PodFacts>();
  away: Error | null = null;
  hangs = false;
  readonly asked: string[] = [];

  async get(namespace: string, name: string): Promise<PodFacts | null> {
    this.asked.push(`${namespace}/${name}`);
    if (this.hangs) return await new Promise(() => {});
    if (this.away) throw this.away;
    return this.pods.get(`${namespace}/${name}`) ?? null;
  }
}

/** A resource from the fields of its spec; throws if it has errors. */
export function policy(spec: object, metadata: object = {}, file?: string): PolicyResource {
  const { resource, findings } = readResource(
    {
      apiVersion: 'criu.org/v1',
      kind: 'CheckpointRestoreOperator',
      metadata: { name: 'quotas', namespace: 'ops', ...metadata },
      spec: { applyPoliciesImmediately: true, ...spec },
    },
    { authority: 'administrator', ...(file !== undefined && { file }) },
  );
  if (resource === null || !resource.sound) throw new Error(JSON.stringify(findings));
  return resource;
}

type Mutating = 'rename' | 'link' | 'unlink';

/** A file system that a test can look into between any two calls. */
export class HookedFiles implements FileSystem {
  readonly real: FakeFiles;
  /** Called before each call; may throw, or change what the call then finds. */
  before: (operation: keyof FileSystem, path: FileName) => void = () => {};

  constructor(real = new FakeFiles()) {
    this.real = real;
  }

  list: FileSystem['list'] = (path) => this.#hooked('list', path, () => this.real.list(path));
  lstat: FileSystem['lstat'] = (path) => this.#hooked('lstat', path, () => this.real.lstat(path));
  stat: FileSystem['stat'] = (path) => this.#hooked('stat', path, () => this.real.stat(path));
  exists: FileSystem['exists'] = (path) => this.#hooked('exists', path, () => this.real.exists(path));
  open: FileSystem['open'] = (path) => this.#hooked('open', path, () => this.real.open(path));
  anchor: FileSystem['anchor'] = (path) => this.#hooked('anchor', path, () => this.real.anchor(path));
  rename: FileSystem['rename'] = (from, to) => this.#later('rename', from, () => this.real.rename(from, to));
  link: FileSystem['link'] = (from, to) => this.#later('link', from, () => this.real.link(from, to));
  unlink: FileSystem['unlink'] = (path) => this.#later('unlink', path, () => this.real.unlink(path));
  statfs: FileSystem['statfs'] = async (path) => this.#hooked('statfs', path, () => this.real.statfs(path));
  watch: FileSystem['watch'] = (path, handlers) =>
    this.#hooked('watch', path, () => this.real.watch(path, handlers));

  #hooked<T>(operation: keyof FileSystem, path: FileName, call: () => T): T {
    this.before(operation, this.real.plain(path));
    return call();
  }

  async #later(operation: Mutating, path: FileName, call: () => Promise<void>): Promise<void> {
    this.before(operation, this.real.plain(path));
    await call();
  }
}

/** A collector over a directory in memory, at a time that the test sets. */
export class CollectorBench {
  readonly clock: FakeClock;
  readonly files: HookedFiles;
  readonly source: FakeSource;
  readonly pods = new FakePods();
  readonly log = new FakeLog();
  readonly audit: AuditRecord[] = [];
  readonly metrics = createMetrics({ ofProcess: false });
  readonly parts: ReturnType<typeof assemble>;

  constructor(
    resources: readonly PolicyResource[],
    options: Partial<CollectorOptions> = {},
    files?: HookedFiles,
  ) {
    this.clock = options.clock instanceof FakeClock ? options.clock : new FakeClock();
    this.files = files ?? new HookedFiles();
    if (files === undefined) this.files.real.mkdir('/var');
    if (files === undefined)
      for (const path of ['/var/lib', '/var/lib/kubelet', DIRECTORY]) this.files.real.mkdir(path);
    this.source = new FakeSource(resources);
    const { audit } = this;
    this.parts = assemble(
      {
        directory: DIRECTORY,
        source: this.source,
        pods: this.pods,
        dryRun: false,
        log: this.log,
        audit: { lost: 0, record: (record) => void audit.push(record) },
        metrics: this.metrics,
        clock: this.clock,
        files: this.files,
        random: () => 0.5,
        ...options,
      },
      null,
    );
  }

  get collector() {
    return this.parts.collector;
  }

  /** Writes a sound archive, an hour old unless said otherwise. */
  put(
    file: string,
    { namespace = 'shop', pod = 'cart', ageMs = HOUR, uid = 'uid-1' as string | null } = {},
  ): void {
    const annotations = {
      ...CONTAINERD_ANNOTATIONS,
      'io.kubernetes.cri.sandbox-namespace': namespace,
      'io.kubernetes.cri.sandbox-name': pod,
      'io.kubernetes.cri.sandbox-uid': uid ?? undefined,
    };
    this.files.real.write(this.at(file), smallArchive(annotations), this.clock.now() - ageMs);
  }

  at(file: string): string {
    return `${DIRECTORY}/${file}`;
  }

  pin(file: string): void {
    this.files.real.write(this.at(`${file}.keep`), '', this.clock.now());
  }

  async start(): Promise<void> {
    await this.collector.start();
    await this.clock.advance(0);
  }

  /** Everything that the directory holds. */
  get rawNames(): string[] {
    return this.files.real.namesIn(DIRECTORY).map(String).sort();
  }

  /** The same, tombstones as `†`. */
  get names(): string[] {
    return this.rawNames.map((name) => (name.startsWith(TOMBSTONE_PREFIX) ? '†' : name)).sort();
  }

  get deletions(): string[] {
    return this.audit
      .filter(({ operation }) => operation === 'delete')
      .map(({ resource }) => resource.file ?? '');
  }
}

/** `checkpoint-1.tar`. */
export function named(number: number): string {
  return `checkpoint-${number}.tar`;
}
