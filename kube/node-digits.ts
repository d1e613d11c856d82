import { createHash } from 'node:crypto';

/** Hex digits of a node in the names of its checkpoints, by which the gateway knows whom to ask. */
export const NODE_DIGITS = 4;

export function nodeDigits(node: string): string {
  return createHash('sha256').update(node).digest('hex').slice(0, NODE_DIGITS);
}
