import { readTarget, type Target } from '../../policy/checkpoint-path.ts';
import { Refusal } from './refusal.ts';

export { shown, type Target } from '../../policy/checkpoint-path.ts';

/**
 * What the raw request target asks for, as the gateway reads it too.
 *
 * @throws Refusal badPath, badQuery, noSuchPath, badMethod
 */
export function parseTarget(method: string | undefined, url: string | undefined): Target {
  const read = readTarget(method, url);
  if (!('fault' in read)) return read;
  const { fault, message, allow } = read;
  throw Refusal.of(fault, message, allow === undefined ? {} : { allow });
}
