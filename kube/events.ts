import type { KubeClient } from './client.ts';
import { KubeError } from './error.ts';
import type { Log } from './types.ts';

/** What an event is about. */
export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** `kubectl describe` shows only those of the very object. */
  readonly uid?: string;
}

/** Something to tell of an object, to whoever may read the events of its namespace. */
export interface EventNews {
  readonly about: EventSubject;
  readonly type: 'Normal' | 'Warning';
  /** In one word: `CheckpointRefused`. */
  readonly reason: string;
  /** What was being done, in one word: `Checkpoint`. */
  readonly action: string;
  /** A sentence of up to 1,024 bytes. It holds no path of the host and no secret. */
  readonly note: string;
  /** What is counted as the same again, beside subject and reason; default the note. */
  readonly key?: string;
}

/** Where news are told. Never throws, and is never waited for. */
export interface EventSink {
  tell(news: EventNews): void;
}

export type EventOutcome = 'written' | 'dropped' | 'failed';

export interface EventRecorderOptions {
  readonly client: KubeClient;
  /** `checkpoint-warden/collector` */
  readonly controller: string;
  /** The node, or the pod. */
  readonly instance: string;
  readonly now: () => number;
  /** Calls back after that many milliseconds. @returns a function that forgets it. */
  readonly after: (ms: number, act: () => void) => () => void;
  /** 0 to 1. */
  readonly random: () => number;
  readonly onOutcome: (outcome: EventOutcome) => void;
  readonly log: Log;
}

const PATH = '/apis/events.k8s.io/v1/namespaces';
/** Writes in a row, and from then on one in so many milliseconds. */
const BURST = 20;
const EVERY_MS = 30_000;
/** The same again is counted; the count is written so long after the last write, and ever more seldom. */
const LEAST_REPEAT_MS = 10_000;
const MOST_REPEAT_MS = 10 * 60_000;
/** What has not come again for so long is new when it comes. */
const SERIES_MS = 30 * 60_000;
/** Different ones that are remembered, and of these such as wait to be written. */
const MOST_KNOWN = 500;
const MOST_WAITING = 100;
/** After a failure that may pass. */
const AGAIN_MS = 30_000;
const LONGEST_NOTE = 1_024;
const LONGEST_NAME = 200;

interface Series {
  readonly news: EventNews;
  /** How often it came, and how often that was told. */
  count: number;
  told: number;
  lastAt: number;
  /** Not before. */
  dueAt: number;
  writes: number;
  /** Of the Event; null before it is there. */
  name: string | null;
  isWaiting: boolean;
}

/**
 * Writes Events (events.k8s.io/v1): the first of a kind at once, the same again as a series, and all of them no more
 * often than a bucket of tokens allows. What does not fit is counted and dropped: events are hints, and the API server
 * has other work.
 */
export class EventRecorder implements EventSink {
  readonly #options: EventRecorderOptions;
  /** The one that came longest ago first. */
  readonly #series = new Map<string, Series>();
  #waiting = 0;
  #tokens = BURST;
  #filledAt: number;
  #pausedUntil = 0;
  #isFailing = false;
  #cancel: (() => void) | null = null;
  #writing: Promise<void> | null = null;
  #stopped = false;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#filledAt = options.now();
  }

  tell(news: EventNews): void {
    if (this.#stopped) return;
    const now = this.#options.now();
    const { about, reason, key = news.note } = news;
    const id = JSON.stringify([about.kind, about.namespace, about.name, about.uid ?? '', reason, key]);
    let series = this.#series.get(id);
    if (series === undefined || Math.abs(now - series.lastAt) > SERIES_MS) {
      if (series) this.#forget(id, series);
      series = { news, count: 0, told: 0, lastAt: now, dueAt: now, writes: 0, name: null, isWaiting: false };
    }
    series.count += 1;
    series.lastAt = now;
    this.#series.delete(id);
    this.#series.set(id, series);
    const [[oldest, first] = []] = this.#series;
    if (this.#series.size > MOST_KNOWN && oldest !== undefined && first) this.#forget(oldest, first);
    this.#want(id, series);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#writing;
  }

  #want(id: string, series: Series): void {
    if (!series.isWaiting && this.#waiting >= MOST_WAITING) {
      this.#forget(id, series);
      this.#options.onOutcome('dropped');
      return;
    }
    if (!series.isWaiting) this.#waiting += 1;
    series.isWaiting = true;
    this.#schedule();
  }

  #forget(id: string, series: Series): void {
    this.#series.delete(id);
    if (series.isWaiting) this.#waiting -= 1;
    series.isWaiting = false;
  }

  #schedule(): void {
    if (this.#stopped || this.#writing !== null) return;
    this.#cancel?.();
    this.#cancel = null;
    const now = this.#options.now();
    const next = this.#next();
    if (next === null) return;
    const at = Math.max(next.dueAt, this.#pausedUntil, this.#tokenAt(now));
    // However the clock is set.
    const wait = Math.min(Math.max(0, at - now), MOST_REPEAT_MS);
    this.#cancel = this.#options.after(wait, () => {
      this.#cancel = null;
      this.#writing = this.#write(next).finally(() => {
        this.#writing = null;
        this.#schedule();
      });
    });
  }

  #next(): Series | null {
    let next: Series | null = null;
    if (this.#waiting === 0) return next;
    for (const each of this.#series.values()) {
      if (each.isWaiting && (next === null || each.dueAt < next.dueAt)) next = each;
    }
    return next;
  }

  #tokenAt(now: number): number {
    const passed = Math.max(0, now - this.#filledAt);
    const gained = Math.floor(passed / EVERY_MS);
    this.#tokens = Math.min(BURST, this.#tokens + gained);
    this.#filledAt = now < this.#filledAt ? now : this.#filledAt + gained * EVERY_MS;
    return this.#tokens > 0 ? now : this.#filledAt + EVERY_MS;
  }

  async #write(series: Series): Promise<void> {
    const { now, onOutcome, log } = this.#options;
    this.#tokens -= 1;
    const { count } = series;
    try {
      if (series.name === null) await this.#create(series);
      else await this.#repeat(series, series.name);
      onOutcome('written');
      if (this.#isFailing) log.info({}, 'events can be written again');
      this.#isFailing = false;
      series.told = count;
    } catch (err) {
      const status = err instanceof KubeError ? err.status : null;
      // The namespace is gone or going: nobody is left to read it. Or the event has expired.
      const isGone = status === 404 || (err instanceof KubeError && /being terminated/.test(err.message));
      if (isGone) series.name = null;
      onOutcome(isGone ? 'dropped' : 'failed');
      if (!isGone && !this.#isFailing)
        log.warn({ err }, 'events cannot be written; trying on, and saying so once');
      this.#isFailing ||= !isGone;
      const mayPass = status === null || status >= 500 || status === 429;
      if (mayPass) {
        this.#pausedUntil = now() + AGAIN_MS * (1 + this.#options.random());
        return;
      }
      series.told = series.count;
    }
    series.dueAt = now() + Math.min(LEAST_REPEAT_MS * 2 ** series.writes, MOST_REPEAT_MS);
    series.writes += 1;
    if (series.told === series.count && series.isWaiting) {
      series.isWaiting = false;
      this.#waiting -= 1;
    }
  }

  async #create(series: Series): Promise<void> {
    const { client, controller, instance, random } = this.#options;
    const { about, type, reason, action, note } = series.news;
    const { namespace } = about;
    const suffix = `${series.lastAt.toString(16)}${Math.floor(random() * 0xffff_ffff).toString(16)}`;
    const name = `${about.name.slice(0, LONGEST_NAME).replace(/[^a-z0-9]+$/, '')}.${suffix}`;
    const eventTime = microTime(series.lastAt);
    await client.request({
      method: 'POST',
      path: `${PATH}/${encodeURIComponent(namespace)}/events`,
      body: {
        ...{ apiVersion: 'events.k8s.io/v1', kind: 'Event', metadata: { name, namespace } },
        ...{ eventTime, type, reason, action, note: shortened(note), regarding: about },
        ...{ reportingController: controller, reportingInstance: instance.slice(0, 128) },
        ...(series.count > 1 && { series: { count: series.count, lastObservedTime: eventTime } }),
      },
    });
    series.name = name;
  }

  async #repeat({ news, count, lastAt }: Series, name: string): Promise<void> {
    const namespace = encodeURIComponent(news.about.namespace);
    await this.#options.client.request({
      method: 'PATCH',
      path: `${PATH}/${namespace}/events/${encodeURIComponent(name)}`,
      contentType: 'application/merge-patch+json',
      body: { series: { count, lastObservedTime: microTime(lastAt) } },
    });
  }
}

/** RFC 3339 with six places, as a MicroTime is written. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}

/** By bytes, and not within a character. */
function shortened(note: string): string {
  if (Buffer.byteLength(note) <= LONGEST_NOTE) return note;
  return `${Buffer.from(note)
    .subarray(0, LONGEST_NOTE - 6)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')} …`;
}
