import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ClientCertificate } from './authenticate.ts';

/** The certificate that the other side of a connection has shown; null for none. */
export function certificateOf(socket: Socket): ClientCertificate | null {
  if (!(socket instanceof TLSSocket)) return null;
  const { subject, valid_to } = socket.getPeerCertificate();
  if (subject === undefined) return null;
  return {
    trusted: socket.authorized,
    commonNames: listOf(subject.CN),
    organizations: listOf(subject.O),
    notAfter: Date.parse(valid_to),
  };
}

/** Node gives a text for one value and a list for several. */
function listOf(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}
