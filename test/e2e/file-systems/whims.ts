import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeArchive } from '../../fixtures/make-archive.ts';
import { seeded } from '../../gc/random.ts';

const PODS = ['cart', 'till', 'desk'] as const;
/** A pin that has stood for so long before the next look at it holds. Milliseconds. */
const PINNED_MS = 1_000;
/** Pins count: were there as many as the policy keeps, all else would go. */
const MOST_PINNED = 2;

interface Made {
  readonly name: string;
  readonly pod: string;
  /** The oldest and the newest that it has ever been, in milliseconds. */
  oldestMs: number;
  newestMs: number;
  /** Somebody else than the collector has removed it, or made something else of it. */
  isLost: boolean;
  pinnedAt: number | null;
}

/** What runtimes and people do to a directory while a collector is at work in it, and what must be so afterwards. */
export class Whims {
  readonly #directory: string;
  readonly #outside: string;
  readonly #random: (below: number) => number;
  readonly #made: Made[] = [];
  readonly #links: string[] = [];
  readonly #foreign: string[] = [];
  actions = 0;

  /** @param outside a directory of the same file system. */
  constructor(directory: string, outside: string, seed: number) {
    this.#directory = directory;
    this.#outside = outside;
    this.#random = seeded(seed);
  }

  async act(): Promise<void> {
    this.actions += 1;
    const what = this.#random(14);
    const made = this.#some();
    if (what < 6 || made === null) await this.#write();
    else if (what === 6) this.#pin(made);
    else if (what === 7) this.#unpin(made);
    else if (what === 8) this.#lose(made, (path) => rmSync(path));
    else if (what === 9) this.#lose(made, (path) => truncateSync(path, 700));
    else if (what === 10) this.#lose(made, (path) => renameSync(path, join(this.#outside, made.name)));
    else if (what === 11) this.#touch(made);
    else if (what === 12) this.#link(made);
    else this.#odd();
  }

  /** In place and in parts, as runtimes do it. */
  async #write(): Promise<void> {
    const pod = PODS[this.#random(PODS.length)] ?? 'cart';
    const name = `checkpoint-${pod}_shop-main-${this.#made.length}.tar`;
    const content = makeArchive({ namespace: 'shop', pod, memory: 512 * (1 + this.#random(40)) });
    const file = openSync(join(this.#directory, name), 'w', 0o600);
    const times = { oldestMs: Number.POSITIVE_INFINITY, newestMs: 0 };
    const made: Made = { name, pod, ...times, isLost: false, pinnedAt: null };
    this.#made.push(made);
    const parts = 1 + this.#random(3);
    for (let part = 0; part < parts; part += 1) {
      const [from, to] = [part, part + 1].map((each) => Math.floor((content.length * each) / parts));
      writeSync(file, content.subarray(from, to));
      if (part < parts - 1) await sleep(this.#random(30));
    }
    closeSync(file);
    this.#remember(made);
  }

  #pin(made: Made): void {
    const pinned = this.#made.filter((each) => each.pod === made.pod && each.pinnedAt !== null);
    if (made.pinnedAt !== null || pinned.length >= MOST_PINNED) return;
    writeFileSync(join(this.#directory, `${made.name}.keep`), '');
    made.pinnedAt = Date.now();
  }

  #unpin(made: Made): void {
    if (made.pinnedAt === null) return;
    rmSync(join(this.#directory, `${made.name}.keep`), { force: true });
    made.pinnedAt = null;
  }

  #lose(made: Made, act: (path: string) => void): void {
    if (made.pinnedAt !== null || !this.#isThere(made)) return;
    made.isLost = true;
    attempt(() => act(join(this.#directory, made.name)));
  }

  #touch(made: Made): void {
    const seconds = Date.now() / 1_000 - this.#random(100);
    attempt(() => utimesSync(join(this.#directory, made.name), seconds, seconds));
    this.#remember(made);
  }

  /** A second name outside, which has to keep its content. */
  #link(made: Made): void {
    const name = join(this.#outside, `link-${this.#links.length}`);
    attempt(() => linkSync(join(this.#directory, made.name), name));
    if (existsSync(name)) this.#links.push(name);
  }

  #odd(): void {
    const path = join(this.#directory, `checkpoint-odd-${this.#foreign.length}.tar`);
    if (this.#foreign.length >= 9) return;
    if (this.#foreign.length % 3 === 0) mkdirSync(path);
    else symlinkSync(this.#foreign.length % 3 === 1 ? '/etc/hostname' : '/nowhere', path);
    this.#foreign.push(path);
  }

  #some(): Made | null {
    const there = this.#made.filter((made) => !made.isLost && this.#isThere(made));
    return there[this.#random(Math.max(1, there.length))] ?? null;
  }

  #isThere({ name }: Made): boolean {
    return existsSync(join(this.#directory, name));
  }

  #remember(made: Made): void {
    attempt(() => {
      const { mtimeMs } = statSync(join(this.#directory, made.name));
      made.oldestMs = Math.min(made.oldestMs, mtimeMs);
      made.newestMs = Math.max(made.newestMs, mtimeMs);
    });
  }

  /** To be called once all is quiet. @param keep the newest that the policy leaves of each pod. */
  requireSound(keep: number): void {
    const names = readdirSync(this.#directory);
    assert.deepEqual(
      names.filter((name) => name.startsWith('.')),
      [],
      'tombstones are left',
    );
    for (const pod of PODS) this.#requireOf(pod, keep, names);
    for (const path of this.#foreign) assert.ok(lstatSync(path), `${path} is gone`);
    for (const path of this.#links) assert.ok(readFileSync(path).length > 0, `${path} has lost its content`);
  }

  #requireOf(pod: string, keep: number, names: readonly string[]): void {
    const all = this.#made.filter((made) => made.pod === pod);
    const left = all.filter(({ name }) => names.includes(name));
    const loose = left.filter(({ isLost, pinnedAt }) => !isLost && pinnedAt === null);
    assert.ok(
      loose.length <= keep,
      `${loose.length} of ${pod} are left: ${loose.map(({ name }) => name).join(' ')}`,
    );
    for (const made of all) {
      if (made.isLost || names.includes(made.name)) continue;
      const isHeld = made.pinnedAt !== null && Date.now() - made.pinnedAt > PINNED_MS;
      assert.ok(!isHeld || this.#wentBefore(made), `${made.name} was pinned, and is gone`);
      const newer = all.filter((each) => each !== made && each.newestMs >= made.oldestMs).length;
      assert.ok(newer >= keep - MOST_PINNED, `${made.name} is gone, and only ${newer} were ever newer`);
    }
  }

  /** It was pinned when it was gone already, or in the very moment in which it went. */
  #wentBefore({ name }: Made): boolean {
    return this.#gone.has(name);
  }

  readonly #gone = new Set<string>();

  /** Notes which pinned archives are gone a moment after they were pinned. */
  look(): void {
    for (const made of this.#made) {
      if (made.pinnedAt === null || Date.now() - made.pinnedAt > PINNED_MS) continue;
      if (!this.#isThere(made)) this.#gone.add(made.name);
    }
  }
}

/** What has gone meanwhile cannot be acted upon. */
function attempt(act: () => void): void {
  try {
    act();
  } catch (error) {
    const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isGone) throw error;
  }
}
