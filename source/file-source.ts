import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type FSWatcher, watch } from 'chokidar';
import type { Log } from '../kube/types.ts';
import { formatFinding, hasErrors } from '../policy/findings.ts';
import type { PolicyResource } from '../policy/types.ts';
import { type PolicyFiles, policiesOf } from './file-policies.ts';
import { isPolicyFile, type Look, lookAt, type Sight } from './look.ts';
import { realPath } from './real-path.ts';
import { sameResources } from './same-resources.ts';
import type { PolicySource, Problem } from './source.ts';

export interface FilePolicySourceOptions {
  /** Files and folders. */
  readonly paths: readonly string[];
  readonly log?: Log;
  /** Milliseconds between two looks, however quiet the watch is; default 10,000. */
  readonly pollMs?: number;
  /** Milliseconds for which the files must stand still before a change of them counts; default 500. */
  readonly settleMs?: number;
  /** One name for all paths of a directory; default where its links lead. */
  readonly directoryOf?: (path: string) => string;
}

/** Policies out of files, read again when they change. */
export function filePolicySource(options: FilePolicySourceOptions): PolicySource {
  return new FilePolicySource(options);
}

const POLL_MS = 10_000;
const SETTLE_MS = 500;
/** Of what a folder holds beside policies. */
const MOST_SHOWN = 20;
const NOTHING: PolicyFiles = { resources: [], problems: [], doubtful: new Set() };

class FilePolicySource implements PolicySource {
  readonly #paths: readonly string[];
  readonly #log: Log | undefined;
  readonly #pollMs: number;
  readonly #settleMs: number;
  readonly #directoryOf: (path: string) => string;
  readonly #listeners = new Set<() => void>();
  readonly #ending = new AbortController();
  #applied: Look = { sights: [], closed: [], passedOver: [] };
  #policies = NOTHING;
  readonly #toldPassedOver = new Set<string>();
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The check under way; what changes meanwhile makes it begin again. */
  #checking: Promise<void> | undefined;
  #changedMeanwhile = false;

  constructor(options: FilePolicySourceOptions) {
    this.#paths = options.paths;
    this.#log = options.log;
    this.#pollMs = options.pollMs ?? POLL_MS;
    this.#settleMs = options.settleMs ?? SETTLE_MS;
    this.#directoryOf = options.directoryOf ?? realPath;
  }

  async start(): Promise<void> {
    const look = await lookAt(this.#paths);
    const policies = policiesOf(look, { directoryOf: this.#directoryOf });
    if (policies.doubtful.size > 0 || look.closed.length > 0) throw new Error(sentence(policies));
    this.#apply(look, policies);
    this.#tellPassedOver(look);
    this.#watch();
    this.#timer = setInterval(() => this.#check(), this.#pollMs).unref();
  }

  resources(): readonly PolicyResource[] {
    return this.#policies.resources;
  }

  problems(): readonly Problem[] {
    return this.#policies.problems;
  }

  isFresh(): boolean {
    return this.#timer !== undefined && this.#policies.doubtful.size === 0;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    clearInterval(this.#timer);
    this.#timer = undefined;
    await Promise.all([this.#watcher?.close(), this.#checking]);
  }

  /**
   * Of a mounted ConfigMap only the link `..data` changes, so folders are watched, never the files themselves.
   * The watch is a hint; the poll finds what it misses.
   */
  #watch(): void {
    const files = new Set(
      this.#applied.sights.filter((each) => !each.inFolder).map((each) => resolve(each.file)),
    );
    const named = this.#paths.map((path) => resolve(path));
    const folders = new Set(named.map((path) => (files.has(path) ? dirname(path) : path)));
    const ignored = (path: string) => !folders.has(path) && !files.has(path) && !isWatchedName(path, named);
    this.#watcher = watch([...folders], { depth: 0, ignoreInitial: true, ignored })
      .on('all', () => this.#check())
      .on('ready', () => this.#check())
      .on('error', (error) => this.#log?.warn({ err: error }, 'policy files are not watched, only polled'));
  }

  #check(): void {
    if (this.#checking !== undefined) {
      this.#changedMeanwhile = true;
      return;
    }
    this.#changedMeanwhile = false;
    this.#checking = this.#settle()
      .catch((error: unknown) => {
        if (!this.#ending.signal.aborted) {
          this.#log?.error({ err: error }, 'policy files could not be looked at');
        }
      })
      .finally(() => {
        this.#checking = undefined;
        if (this.#changedMeanwhile && !this.#ending.signal.aborted) this.#check();
      });
  }

  /** A half-written file, or one that an editor takes away for a moment, never counts: two looks must agree. */
  async #settle(): Promise<void> {
    let look = await lookAt(this.#paths);
    this.#tellPassedOver(look);
    while (!isSame(look, this.#applied)) {
      await delay(this.#settleMs, undefined, { signal: this.#ending.signal });
      const next = await lookAt(this.#paths);
      if (isSame(look, next)) {
        const inForce = this.#policies.resources;
        this.#apply(next, policiesOf(next, { inForce, directoryOf: this.#directoryOf }));
        return;
      }
      look = next;
    }
  }

  #apply(look: Look, policies: PolicyFiles): void {
    const former = this.#policies;
    this.#applied = look;
    this.#policies = policies;
    this.#tell(former.problems);
    if (sameResources(former.resources, policies.resources)) return;
    this.#log?.info({ resources: policies.resources.length }, 'policies read');
    for (const listener of this.#listeners) listener();
  }

  /** Each name once: a policy in a subfolder, or with another ending, is not in force, and nobody would see why. */
  #tellPassedOver({ passedOver }: Look): void {
    const files = passedOver.filter((file) => !this.#toldPassedOver.has(file));
    if (files.length === 0) return;
    for (const file of files) this.#toldPassedOver.add(file);
    const shown = files.slice(0, MOST_SHOWN).join(', ');
    const rest = files.length > MOST_SHOWN ? ` and ${files.length - MOST_SHOWN} more` : '';
    this.#log?.info(
      { files: files.length },
      `passed over: ${shown}${rest}; only .yaml, .yml and .json files directly in a folder are policies`,
    );
  }

  /** Each problem once, when it comes up. */
  #tell(former: readonly Problem[]): void {
    const told = new Set(former.map(problemText));
    for (const problem of this.#policies.problems) {
      if (told.has(problemText(problem))) continue;
      const { file, resource, finding, fate } = problem;
      const fields = { file, resource, code: finding.code, field: finding.field };
      if (finding.severity === 'warning') this.#log?.warn(fields, formatFinding(finding));
      else
        this.#log?.error(
          fields,
          fate === undefined ? formatFinding(finding) : `${formatFinding(finding)}; ${fate}`,
        );
    }
  }
}

function isWatchedName(path: string, named: readonly string[]): boolean {
  return (
    named.some((each) => path === join(each, '..data') || path === join(dirname(each), '..data')) ||
    (named.includes(dirname(path)) && isPolicyFile(path.slice(dirname(path).length + 1)))
  );
}

function problemText({ file, resource, finding }: Problem): string {
  return JSON.stringify([file, resource, finding]);
}

function sentence({ problems }: PolicyFiles): string {
  const errors = problems.filter(({ finding }) => hasErrors([finding]));
  const [first] = errors.filter(({ resource }) => resource === '');
  if (first === undefined) return 'policies cannot be read';
  const others = errors.length > 1 ? ` (${errors.length - 1} more; see checkpoint-warden validate)` : '';
  return `policies cannot be read: ${first.file}: ${formatFinding(first.finding)}${others}`;
}

function isSame(one: Look, other: Look): boolean {
  return (
    JSON.stringify(one.closed) === JSON.stringify(other.closed) &&
    one.sights.length === other.sights.length &&
    one.sights.every((each, index) => isSameSight(each, other.sights[index]))
  );
}

function isSameSight(one: Sight, other: Sight | undefined): boolean {
  if (one.file !== other?.file) return false;
  const [content, twin] = [one.content, other.content];
  if (Buffer.isBuffer(content)) return Buffer.isBuffer(twin) && content.equals(twin);
  return !Buffer.isBuffer(twin) && content.message === twin.message;
}
