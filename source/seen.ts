import { createHash } from 'node:crypto';
import type { StoredPolicy } from './source.ts';

/**
 * One short text for all versions of all resources that somebody has seen: two who have the same see the same, however
 * many there are.
 */
export function seenDigest(stored: Iterable<Pick<StoredPolicy, 'uid' | 'generation'>>): string {
  const lines = Array.from(stored, ({ uid, generation }) => `${uid} ${generation}`).sort();
  return createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16);
}
