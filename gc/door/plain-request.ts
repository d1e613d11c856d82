import { faultInRequest, type RawRequest } from '../../policy/plain-request.ts';
import { Refusal } from './refusal.ts';

/** @throws Refusal badRequest for what could be read in two ways. */
export function requirePlain(request: RawRequest): void {
  const fault = faultInRequest(request);
  if (fault !== null) throw Refusal.of('badRequest', fault);
}
