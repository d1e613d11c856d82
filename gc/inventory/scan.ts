import type { Instant } from '../../policy/types.ts';
import { identify } from '../archive/identity.ts';
import { isEntryName, type NameRules, PIN_SUFFIX, seriesOf } from '../archive/names.ts';
import { errorCode, explain, type FileName, type FileSystem, pathOf, type Stamp } from '../system/files.ts';
import { Pace } from '../system/pace.ts';
import type { Known } from './archive-set.ts';
import { type DirectoryIdentity, type DirectoryState, lookAtDirectory, replacement } from './directory.ts';
import type { Holdings } from './holdings.ts';
import { type Sighting, sight } from './sight.ts';

export interface ScannerOptions {
  readonly files: FileSystem;
  /** Absolute. */
  readonly directory: string;
  readonly rules: NameRules;
  readonly clock: () => Instant;
  readonly holdings: Holdings;
}

export interface ScanProgress {
  readonly phase: 'listing' | 'reading';
  readonly done: number;
  /** Null while nobody knows. */
  readonly of: number | null;
}

export type OnProgress = (progress: ScanProgress) => void;

/** Takes in what a look has shown. Returns the archive that now wants to be read. */
type See = (name: FileName, sighting: Sighting | null, now: Instant) => Known | null;

/** So many archives are read until the next are looked at; after so many names or archives that is told. */
const STRIDE = 500;

/** Asking for the time costs a twentieth of a look, which takes 3 µs. */
const PACE_STRIDE = 16;

/** So many are read in any order: to put the rest in turns costs as much. */
const READ_BEFORE_TURNS = 256;

const OK: DirectoryState = { ok: true };

/**
 * Keeps holdings in step with a directory: by scans of all of it, and by looks at single names.
 *
 * The two may overlap: all that is done to one name is done at once. Only reading an archive may take longer,
 * and then counts for nothing if the file has changed meanwhile.
 */
export class Scanner {
  readonly #options: ScannerOptions;
  #state: DirectoryState = { ok: false, reason: 'the directory was not scanned yet', isAwaited: true };
  /** The directory that the holdings are of; null when there is none. */
  #directory: DirectoryIdentity | null = null;
  /** Counts scans, so that one can tell what it has not seen. */
  #scans = 0;
  /** Of all scans and looks: in a burst many of them are under way. */
  readonly #pace = new Pace();
  readonly #reading = new Map<Known, Promise<void>>();

  constructor(options: ScannerOptions) {
    this.#options = options;
    options.holdings.archives.mute();
  }

  get state(): DirectoryState {
    return this.#state;
  }

  get identity(): DirectoryIdentity | null {
    return this.#directory;
  }

  /** Which file an archive was when it was last looked at; null where the directory is gone. */
  stampOf(known: Known): Stamp | null {
    return this.#directory && stampOf(known, this.#directory);
  }

  /** Looks at everything. Not to be called again while it runs. */
  async scan(onProgress: OnProgress): Promise<void> {
    const scan = ++this.#scans;
    const directory = this.#confirmDirectory();
    if (directory === null) return;
    const isFirst = scan === 1;
    const seen = isFirst ? this.#scanFirst(directory, onProgress) : this.#scanAgain(directory, onProgress);
    if (!(await seen)) return;
    // If a look found it gone meanwhile, even if it is back, what was seen before is lost.
    if (this.#confirmDirectory() !== directory) return;
    this.#state = OK;
    this.#options.holdings.archives.unmute();
  }

  /** Looks at these names, and at growing archives that are due; nothing before a scan was ok. */
  async look(names: Iterable<string>): Promise<void> {
    const directory = this.#state.ok ? this.#confirmDirectory() : null;
    if (directory === null) return;
    const { clock, holdings, rules } = this.#options;
    const due: Known[] = [];
    for (const name of new Set([...names, ...holdings.growingDue(clock())])) {
      if (!isEntryName(name)) continue;
      // The pin first, so that no archive is seen without the one it has.
      if (rules.roleOf(name) === 'archive') this.#lookAt(name + PIN_SUFFIX, directory);
      const wanted = this.#lookAt(name, directory);
      if (wanted !== null) due.push(wanted);
      if (this.#pace.due()) await this.#pace.rest();
    }
    await this.#readAll(directory, due, () => {});
  }

  /** Reads an archive that was recalled, so that nothing is done to it on an earlier process's word alone. */
  async confirm(known: Known): Promise<void> {
    const { files, directory: path, holdings } = this.#options;
    const directory = this.#state.ok ? this.#confirmDirectory() : null;
    if (!known.isRecalled || directory === null) return;
    const { file } = known.archive;
    const reading = await identify(files, pathOf(path, file), stampOf(known, directory), this.#pace);
    if (reading === null) this.#lookAt(file, directory);
    else holdings.confirm(known, reading);
  }

  /** The directory to go by; null, and the state says why, when there is none. */
  #confirmDirectory(): DirectoryIdentity | null {
    const { files, directory } = this.#options;
    const look = lookAtDirectory(files, directory);
    if (look.kind === 'unreadable') return this.#fail(look.reason);
    if (look.kind === 'gone') {
      this.#directory = null;
      return this.#clear(look.reason);
    }
    this.#directory ??= look.identity;
    const replaced = replacement(directory, this.#directory, look.identity);
    if (replaced === null) return this.#directory;
    this.#directory = look.identity;
    return this.#clear(replaced);
  }

  #clear(reason: string): null {
    this.#fail(reason);
    this.#options.holdings.clear();
    return null;
  }

  #fail(reason: string): null {
    this.#state = { ok: false, reason };
    this.#options.holdings.archives.mute();
    return null;
  }

  /**
   * Every archive may have to be read: each is soon after it was looked at, so that there are never all of them twice,
   * first as they look and then as they were read. None can be known already. Whether all names were seen.
   */
  async #scanFirst(directory: DirectoryIdentity, onProgress: OnProgress): Promise<boolean> {
    const { holdings, rules } = this.#options;
    const see: See = (name, sighting, now) =>
      typeof name === 'string' && sighting?.role === 'archive'
        ? holdings.seeFirst(name, sighting.facts, now, this.#scans)
        : holdings.see(name, sighting, now, this.#scans);
    let read = 0;
    const lookAndRead = async (names: readonly FileName[]) => {
      const due = await this.#lookAtAll(names, directory, see);
      await this.#readAll(directory, due, () => {});
      read += due.length;
    };
    const later: string[] = [];
    const isListed = await this.#listAll(async (names) => {
      if (read < READ_BEFORE_TURNS) return await lookAndRead(names);
      const others: FileName[] = [];
      for (const name of names) {
        if (typeof name === 'string' && rules.roleOf(name) === 'archive') later.push(name);
        else others.push(name);
      }
      await this.#lookAtAll(others, directory, see);
    }, onProgress);
    if (!isListed) return false;
    let done = holdings.archives.totals.archives;
    const of = done + later.length;
    const turns = await this.#inTurns(later);
    for (let at = 0; at < turns.length; at += STRIDE) {
      const names = turns.slice(at, at + STRIDE);
      await lookAndRead(names);
      done += names.length;
      onProgress({ phase: 'reading', done, of });
    }
    if (!holdings.archives.hasTwins) return true;
    // A listing may name twice what comes and goes while it is made.
    holdings.clear();
    return this.#scanAgain(directory, onProgress);
  }

  /** Whether all names were seen. */
  async #scanAgain(directory: DirectoryIdentity, onProgress: OnProgress): Promise<boolean> {
    const { holdings } = this.#options;
    const see: See = (name, sighting, now) => holdings.see(name, sighting, now, this.#scans);
    const due: Known[] = [];
    const look = async (names: readonly FileName[]) => {
      for (const known of await this.#lookAtAll(names, directory, see)) due.push(known);
    };
    if (!(await this.#listAll(look, onProgress))) return false;
    // What a listing left out may be there all the same: only a look at its name proves it gone.
    await look(holdings.unseen(this.#scans));
    await this.#readAll(directory, due, onProgress);
    return true;
  }

  /** Whether all names were told, some at a time. */
  async #listAll(
    visit: (names: readonly FileName[]) => Promise<void>,
    onProgress: OnProgress,
  ): Promise<boolean> {
    const { files, directory } = this.#options;
    let done = 0;
    try {
      for await (const names of files.list(directory)) {
        await visit(names);
        done += names.length;
        if (done % STRIDE < names.length) onProgress({ phase: 'listing', done, of: null });
      }
    } catch (error) {
      if (errorCode(error) === null) throw error;
      this.#fail(`${directory} cannot be read: ${explain(error)}`);
      return false;
    }
    onProgress({ phase: 'listing', done, of: done });
    return true;
  }

  /**
   * Looks at names, and takes in what it saw, the one for many names and then the other: in turns, the kernel and we
   * would drive each other out of the processor's caches, which takes a tenth of the time of a warm start and more.
   * Nothing else is done between a look and its taking in. Returns the archives that now want to be read.
   */
  async #lookAtAll(
    names: readonly FileName[],
    directory: DirectoryIdentity,
    see: See,
  ): Promise<readonly Known[]> {
    const { clock } = this.#options;
    const due: Known[] = [];
    for (let done = 0; done < names.length; ) {
      // With the time of each: a disk may hang in their midst, and what follows goes by milliseconds.
      const looks: { name: FileName; sighting: Sighting | null; at: Instant }[] = [];
      for (const name of names.slice(done)) {
        looks.push({ name, sighting: this.#sight(name, directory), at: clock() });
        if (looks.length % PACE_STRIDE === 0 && this.#pace.due()) break;
      }
      for (const { name, sighting, at } of looks) {
        const wanted = see(name, sighting, at);
        if (wanted !== null) due.push(wanted);
      }
      done += looks.length;
      if (this.#pace.due()) await this.#pace.rest();
    }
    return due;
  }

  /** Returns the archive that now wants to be read. */
  #lookAt(name: FileName, directory: DirectoryIdentity): Known | null {
    const { holdings, clock } = this.#options;
    return holdings.see(name, this.#sight(name, directory), clock(), this.#scans);
  }

  #sight(name: FileName, { device }: DirectoryIdentity): Sighting | null {
    const { files, directory, rules } = this.#options;
    return sight(files, directory, name, device, rules);
  }

  /** Those of one container one after the other: what is the same in all of them is read once (`readSpecOnce`). */
  async #inTurns(archives: readonly string[]): Promise<string[]> {
    const groups = new Map<string, string[]>();
    for (const [index, name] of archives.entries()) {
      const series = seriesOf(name);
      const group = groups.get(series);
      if (group === undefined) groups.set(series, [name]);
      else group.push(name);
      if (index % PACE_STRIDE === 0 && this.#pace.due()) await this.#pace.rest();
    }
    return [...groups.values()].flat();
  }

  async #readAll(directory: DirectoryIdentity, due: readonly Known[], onProgress: OnProgress): Promise<void> {
    const { holdings } = this.#options;
    let done = 0;
    for (const known of due) {
      if (holdings.wants(known)) await this.#readOnce(known, directory);
      if (++done % STRIDE === 0) onProgress({ phase: 'reading', done, of: due.length });
      if (this.#pace.due()) await this.#pace.rest();
    }
    onProgress({ phase: 'reading', done, of: due.length });
  }

  /** Joins a reading that another look has begun. */
  #readOnce(known: Known, directory: DirectoryIdentity): Promise<void> {
    const underWay = this.#reading.get(known);
    if (underWay !== undefined) return underWay;
    const reading = this.#read(known, directory).finally(() => this.#reading.delete(known));
    this.#reading.set(known, reading);
    return reading;
  }

  async #read(known: Known, directory: DirectoryIdentity): Promise<void> {
    const { files, directory: path, holdings, clock } = this.#options;
    const { file } = known.archive;
    const seen = stampOf(known, directory);
    const { changedUs } = known;
    const reading = await identify(files, pathOf(path, file), seen, this.#pace);
    // Another look has seen a later ctime meanwhile, which what was read may be older than.
    if (known.changedUs !== changedUs) known.changedUs = null;
    if (reading === null || !reading.lasting) this.#lookAt(file, directory);
    if (reading !== null) holdings.take(known, reading, clock());
  }
}

function stampOf({ archive, inode, modifiedUs }: Known, { device }: DirectoryIdentity): Stamp {
  return { device, inode, bytes: archive.bytes, modifiedUs };
}
