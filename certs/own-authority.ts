import { setTimeout as delay } from 'node:timers/promises';
import { TRUSTING_OBJECTS } from '../kube/ca-bundles.ts';
import { watchChanges } from '../kube/changes.ts';
import type { KubeClient } from '../kube/client.ts';
import { secretsPath } from '../kube/secrets.ts';
import type { Logger } from '../observe/log.ts';
import type { Instant } from '../policy/types.ts';
import type { Terms } from './authority/decide.ts';
import { Keeper, type Look } from './authority/keeper.ts';
import { AUTHORITY_SECRET, leafSecrets } from './authority/names.ts';
import { type Inspected, shownTime } from './inspect.ts';
import { Listeners } from './listeners.ts';
import type { Certificate, CertificateSource } from './source.ts';
import type { createKey } from './x509.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** A year for the authority; what it issues is renewed every 20 days. */
export const TERMS: Terms = {
  authorityLife: 365 * DAY_MS,
  leafLife: 30 * DAY_MS,
  // Longer than any replica goes without a look.
  propagation: 10 * MINUTE_MS,
};

/** Part of a life by which this process renews early, at most. */
const JITTER = 0.05;

/** All in milliseconds. */
export interface OwnAuthorityTiming {
  /** Between two looks where nothing happens, a tenth more or less; default 5 minutes. */
  readonly lookEvery: number;
  /** Between a change that a watch tells of and the look at it; default 200. */
  readonly settle: number;
  /** Waits after looks that left a problem grow from the first to the second; default 1,000 and 60,000. */
  readonly leastBackoff: number;
  readonly mostBackoff: number;
  /** `start` gives up after this; default 30,000. */
  readonly start: number;
}

const TIMING: OwnAuthorityTiming = {
  lookEvery: 5 * MINUTE_MS,
  settle: 200,
  leastBackoff: 1_000,
  mostBackoff: MINUTE_MS,
  start: 30_000,
};

export interface OwnAuthorityOptions {
  readonly client: KubeClient;
  /** Where the Secrets are. */
  readonly namespace: string;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly terms?: Partial<Terms>;
  readonly timing?: Partial<OwnAuthorityTiming>;
  readonly now?: () => Instant;
  /** 0 to 1. */
  readonly random?: () => number;
  readonly newKey?: typeof createKey;
}

/**
 * A certificate by an authority of one's own that is kept in the cluster: all replicas share it, none leads. It is
 * issued, renewed and rotated here, and whoever calls is told whom to trust. See docs/guide/certificates.md.
 */
export function ownAuthority(options: OwnAuthorityOptions): CertificateSource {
  return new OwnAuthority(options);
}

interface Served {
  readonly inspected: Inspected;
  readonly certificate: Certificate;
}

class OwnAuthority implements CertificateSource {
  readonly #options: OwnAuthorityOptions;
  readonly #timing: OwnAuthorityTiming;
  readonly #keeper: Keeper;
  readonly #now: () => Instant;
  readonly #random: () => number;
  readonly #listeners = new Listeners();
  readonly #ending = new AbortController();
  #served: Served | null = null;
  #problems: ReadonlyMap<string, string> = new Map();
  #versions: ReadonlySet<string> = new Set();
  #looking: Promise<Look> | null = null;
  #isHinted = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #watches: (() => Promise<void>)[] = [];

  constructor(options: OwnAuthorityOptions) {
    const { namespace, newKey, now = Date.now, random = Math.random } = options;
    const client = endingWith(options.client, this.#ending.signal);
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#now = now;
    this.#random = random;
    const terms = { ...TERMS, ...options.terms };
    const early = JITTER * random();
    this.#keeper = new Keeper({ client, namespace, terms, now, early, ...(newKey && { newKey }) });
  }

  async start(): Promise<void> {
    const late = this.#now() + this.#timing.start;
    for (;;) {
      const look = await this.#look();
      if (this.#served !== null) break;
      this.#ending.signal.throwIfAborted();
      if (look.isForbidden || this.#now() >= late) throw new Error(this.#refusal());
      await delay(this.#backoff(), undefined, { signal: this.#ending.signal }).catch(() => {});
    }
    this.#watch();
  }

  current(): Certificate {
    return this.#known().certificate;
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  describe() {
    const { names, notBefore, notAfter } = this.#known().inspected;
    const origin = `own authority in namespace ${this.#options.namespace}`;
    const problem = this.#problems.size === 0 ? null : [...this.#problems.values()].join('; ');
    return { origin, names, notBefore, notAfter, problem };
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    clearTimeout(this.#timer);
    await Promise.all(this.#watches.map((end) => end()));
    await this.#looking;
    clearTimeout(this.#timer);
  }

  #known(): Served {
    if (this.#served === null) throw new Error('there is no certificate of the own authority yet');
    return this.#served;
  }

  #refusal(): string {
    const { namespace } = this.#options;
    const why = [...this.#problems.values()].join('; ') || 'nobody says why';
    return `there is no certificate of the own authority in namespace ${namespace}: ${why}; manifests/overlays/self-signed has the rights that this takes`;
  }

  /** Looks at everything, one look at a time; whoever asks during one gets another after it. */
  async #look(): Promise<Look> {
    clearTimeout(this.#timer);
    this.#looking ??= this.#keeper.look().finally(() => {
      this.#looking = null;
    });
    const look = await this.#looking;
    this.#take(look);
    return look;
  }

  #take(look: Look): void {
    // What was cut off by the end is no problem.
    if (this.#ending.signal.aborted) return;
    for (const { what, why, isRepair } of look.deeds) {
      this.#options.log[isRepair ? 'warn' : 'info']({ why }, what);
    }
    this.#versions = look.versions;
    this.#tell(look.problems);
    this.#serve(look);
    this.#failures = look.problems.size > 0 ? this.#failures + 1 : 0;
    if (this.#served === null) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lookAgain(), this.#wait(look)).unref();
  }

  #lookAgain(): void {
    if (this.#ending.signal.aborted) return;
    this.#isHinted = false;
    if (this.#looking === null) void this.#look();
    else this.#isHinted = true;
  }

  /** Milliseconds until the next look. */
  #wait({ upcoming, problems }: Look): number {
    const { lookEvery, settle } = this.#timing;
    if (this.#isHinted) return settle;
    const regular = lookEvery * (0.9 + 0.2 * this.#random());
    const due = (upcoming[0]?.at ?? Number.POSITIVE_INFINITY) - this.#now();
    const soonest = problems.size > 0 ? Math.min(regular, this.#backoff()) : regular;
    return Math.max(0, Math.min(soonest, due));
  }

  #backoff(): number {
    const { leastBackoff, mostBackoff } = this.#timing;
    const most = Math.min(leastBackoff * 2 ** Math.max(0, this.#failures - 1), mostBackoff);
    return most * (0.5 + this.#random() / 2);
  }

  /** Each problem once, by what it is about: the words of an error differ from time to time. */
  #tell(problems: ReadonlyMap<string, string>): void {
    const { log } = this.#options;
    for (const [about, sentence] of problems) {
      if (!this.#problems.has(about)) log.warn({ about }, sentence);
    }
    for (const about of this.#problems.keys()) {
      if (!problems.has(about)) log.info({ about }, 'a problem of the certificates is over');
    }
    this.#problems = problems;
  }

  /** What is not good never takes the place of what is; whom to trust can change by itself. */
  #serve({ serving, bundle }: Look): void {
    const former = this.#served;
    const inspected = serving?.inspected ?? former?.inspected;
    const ca = bundle ?? former?.certificate.ca;
    if (inspected === undefined || ca === undefined) return;
    const { certificate, key } = inspected.certificate;
    const next = { certificate, key, ca };
    const isSame = (['certificate', 'key', 'ca'] as const).every(
      (part) => next[part] === former?.certificate[part],
    );
    if (isSame) return;
    this.#served = { inspected, certificate: next };
    if (former === null) return;
    const isRenewed = former.certificate.certificate !== certificate;
    const what = isRenewed ? 'the certificate has been renewed' : 'whom to trust has changed';
    this.#options.log.info({ notAfter: shownTime(inspected.notAfter) }, what);
    this.#listeners.call();
  }

  /** The Secrets, and whatever stops requests of the cluster when it trusts the wrong authority. */
  #watch(): void {
    const { client, namespace, log } = this.#options;
    const secrets = [AUTHORITY_SECRET, ...leafSecrets(namespace).map(({ name }) => name)];
    const watched = [
      ...secrets.map((name) => ({ path: secretsPath(namespace), name })),
      ...TRUSTING_OBJECTS.filter(({ kind }) => kind !== 'CustomResourceDefinition').map(
        ({ collection, name }) => ({ path: collection, name }),
      ),
    ];
    this.#watches = watched.map(({ path, name }) =>
      watchChanges({
        client,
        path,
        name,
        random: this.#random,
        sleep: (ms, signal) => delay(ms, undefined, { signal, ref: false }),
        onFailure: (err) => {
          log.info(
            { err, path, name },
            'a watch is broken; it is made again, and looks are taken without it',
          );
        },
        onChange: (version) => {
          if (!this.#versions.has(version)) this.#lookSoon();
        },
      }),
    );
  }

  #lookSoon(): void {
    if (this.#ending.signal.aborted || this.#isHinted) return;
    this.#isHinted = true;
    // During a look: its end sees to it.
    if (this.#looking !== null) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lookAgain(), this.#timing.settle).unref();
  }
}

/** The same client, whose requests are given up when the signal says so. */
function endingWith(client: KubeClient, signal: AbortSignal): KubeClient {
  return {
    server: client.server,
    request: (request) => client.request({ signal, ...request }),
    stream: (request) => client.stream(request),
    close: () => client.close(),
  };
}
