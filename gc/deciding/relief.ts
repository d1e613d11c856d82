import { formatBytes } from '../../policy/quantity.ts';
import type { Decision, Disk, Instant } from '../../policy/types.ts';
import type { Notice } from '../telling/notices.ts';

/** File systems may show what an unlink has freed only a while later. */
export const SHOWN_LATE_MS = 15_000;

/** The least part of what was deleted that counts as shown: the rest may have been taken by others meanwhile. */
const ENOUGH = 0.5;

const FIRST_WAIT_MS = 60_000;
const LONGEST_WAIT_MS = 10 * 60_000;

/** What deletions for the disk's sake should give back, and what of it was seen. */
interface Trial {
  readonly before: Disk;
  /** What the disk is short of. */
  readonly kind: 'bytes' | 'inodes';
  readonly wanted: number;
  readonly until: Instant;
  readonly shown: number;
}

/**
 * Whether deletions for the disk's sake give it back what they should. They do not where another process holds the
 * files open, where copies share their blocks, or where others fill the disk as fast; then an eviction down to the
 * low watermark, again at each scan, would end with no archive and a full disk. So from then on they go one by one,
 * at most one a minute and less and less often, until the disk shows it.
 */
export class Relief {
  #trial: Trial | null = null;
  #failed: { readonly trial: Trial; readonly attempts: number; readonly retryAt: Instant } | null = null;

  /** Those that may be carried out now. */
  allow(deletions: readonly Decision[], now: Instant): readonly Decision[] {
    if (this.#failed === null) return deletions;
    const [first] = deletions.filter(isEviction).sort((one, other) => (one.turn ?? 0) - (other.turn ?? 0));
    const probe = now >= this.#failed.retryAt && this.#trial === null ? first : undefined;
    return deletions.filter((each) => !isEviction(each) || each === probe);
  }

  /**
   * Takes what was deleted.
   * @param before what the file system had shown before.
   */
  expect(deleted: readonly Decision[], before: Disk, now: Instant): void {
    const evictions = deleted.filter(isEviction);
    if (evictions.length === 0) return;
    const { bytes, inodes } = yieldOf(deleted);
    const kind = evictions.some(({ field }) => field?.endsWith('.minFreeInodes')) ? 'inodes' : 'bytes';
    const former = this.#trial?.kind === kind ? this.#trial : { before, wanted: 0, shown: 0 };
    const wanted = former.wanted + (kind === 'bytes' ? bytes : inodes);
    this.#trial = { before: former.before, kind, wanted, until: now + SHOWN_LATE_MS, shown: former.shown };
  }

  /** Takes what the file system shows. */
  observe(disk: Disk, now: Instant): void {
    const trial = this.#trial;
    if (trial === null) return;
    const shown = Math.max(trial.shown, backSince(trial, disk));
    if (shown >= ENOUGH * trial.wanted) {
      this.#trial = null;
      this.#failed = null;
      return;
    }
    this.#trial = { ...trial, shown };
    // A clock that was set back waits no longer for that.
    if (now < trial.until && trial.until - now <= SHOWN_LATE_MS) return;
    const attempts = (this.#failed?.attempts ?? 0) + 1;
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempts - 1, 10));
    this.#failed = { trial: this.#trial, attempts, retryAt: now + wait };
    this.#trial = null;
  }

  /** What the disk still owes, as a sentence; null when it owes nothing. */
  get shortfall(): string | null {
    const trial = this.#trial ?? this.#failed?.trial ?? null;
    if (trial === null) return null;
    const { wanted, shown, kind } = trial;
    const [of, only] =
      kind === 'bytes' ? [formatBytes(wanted), formatBytes(shown)] : [`${wanted} inodes`, String(shown)];
    const why = 'another process may hold the files open, share their blocks, or fill the disk as fast';
    return `deletions should have given ${of} back to the disk, and it shows ${only}; ${why}`;
  }

  get notices(): readonly Notice[] {
    const { shortfall } = this;
    if (this.#failed === null || shortfall === null) return [];
    const message = `${shortfall}; for the disk's sake archives go one by one now, and less and less often`;
    return [{ key: 'relief', message, essence: 'relief', level: 'error' }];
  }
}

/** What deletions should give back; one that gives back no block has another link, which holds the inode too. */
export function yieldOf(deletions: readonly Decision[]): {
  readonly bytes: number;
  readonly inodes: number;
} {
  const giving = deletions.filter(({ archive }) => archive.allocatedBytes > 0);
  const bytes = giving.reduce((sum, { archive }) => sum + archive.allocatedBytes, 0);
  return { bytes, inodes: giving.length };
}

function isEviction({ rule }: Decision): boolean {
  return rule === 'pressure';
}

function backSince({ before, kind }: Trial, disk: Disk): number {
  return kind === 'bytes' ? disk.freeBytes - before.freeBytes : disk.freeInodes - before.freeInodes;
}
