import { formatBytes } from '../../policy/quantity.ts';
import type { Archive, Rule } from '../../policy/types.ts';
import type { Container } from './container.ts';

/** How large an archive is expected to be, and why one thinks so. */
export interface Estimate {
  readonly bytes: number;
  /** To be read behind a semicolon: `110Mi are expected: the largest of its last 3 archives and a tenth more`. */
  readonly grounds: string;
}

export interface EstimateFacts {
  /** Those of its pod that are there, at least. */
  readonly archives: readonly Archive[];
  /** Of the last one that was made, there or not; null when none is remembered. */
  readonly lastBytes: number | null;
  /** The rules over the container. */
  readonly rules: readonly Rule[];
  /** Its memory limit; null without one. */
  readonly memoryLimitBytes: number | null;
}

/** Archives of one container differ little from one to the next; its state of some days ago says less. */
const LAST = 3;
/** Memory grows between two checkpoints: so much more of an archive, a tenth. */
const MARGIN = 10;
/** An archive holds the pages in use: containers are given about twice what they use. */
const SHARE_OF_LIMIT = 0.5;
/** Without anything to go by: a service of a few processes. */
const DEFAULT_BYTES = 100 * 1024 * 1024;

/**
 * What is reserved for an archive: as large as the last ones of that container, else as the policy lets it be, else
 * by its memory limit, else a default. What is guessed never asks for more than a limit allows in all: or the first
 * archive, from which the next estimate comes, could not be made.
 */
export function estimate(container: Container, facts: EstimateFacts): Estimate {
  const { rules } = facts;
  const maxSize = least(rules.map(({ maxArchiveBytes }) => maxArchiveBytes));
  const seen = lastSizes(container, facts);
  if (seen.length > 0) {
    const largest = Math.max(...seen);
    const which = seen.length === 1 ? 'its last archive' : `the largest of its last ${seen.length} archives`;
    const wanted = largest + Math.ceil(largest / MARGIN);
    // One that fits as it is must not be refused for the margin.
    const bytes = maxSize !== null && largest <= maxSize ? Math.min(wanted, maxSize) : wanted;
    return said(bytes, `${which} and a tenth more`);
  }
  const [guess, why] = guessed(maxSize, facts.memoryLimitBytes);
  const room = least(rules.flatMap(({ buckets }) => buckets.map(({ maxTotalBytes }) => maxTotalBytes)));
  if (room === null || guess <= room) return said(guess, why);
  return said(room, `the whole of maxTotalSize, which is less than ${why}`);
}

function guessed(maxSize: number | null, memoryLimitBytes: number | null): [bytes: number, why: string] {
  if (maxSize !== null) return [maxSize, 'maxCheckpointSize, as no archive of it is known'];
  if (memoryLimitBytes === null) {
    return [DEFAULT_BYTES, 'the default, as neither an archive nor a memory limit of it is known'];
  }
  return [
    Math.ceil(memoryLimitBytes * SHARE_OF_LIMIT),
    'half of its memory limit, as no archive of it is known',
  ];
}

/** Newest first; the size that is remembered counts where none of them is left. */
function lastSizes(container: Container, { archives, lastBytes }: EstimateFacts): number[] {
  const own = archives.filter(
    ({ identity }) =>
      identity?.namespace === container.namespace &&
      identity.pod === container.pod &&
      identity.container === container.container,
  );
  if (own.length === 0) return lastBytes === null ? [] : [lastBytes];
  return own
    .toSorted((one, other) => other.modifiedAt - one.modifiedAt)
    .slice(0, LAST)
    .map(({ bytes }) => bytes);
}

function said(bytes: number, why: string): Estimate {
  return { bytes, grounds: `${formatBytes(bytes)} are expected: ${why}` };
}

function least(values: readonly (bigint | undefined)[]): number | null {
  const known = values.filter((each) => each !== undefined).map(Number);
  return known.length === 0 ? null : Math.min(...known);
}
