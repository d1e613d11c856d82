import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { definePinning } from './pinning.ts';

export function define(command: Command): (context: Context) => Promise<number> {
  return definePinning(command, false);
}
