import type { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import type { Address } from '../values.ts';

const TIMEOUT_MS = 5_000;

/** What a dial to a server came to. */
export type Dialled =
  | { readonly kind: 'shown'; readonly address: string; readonly certificate: X509Certificate }
  | { readonly kind: 'failed'; readonly address: string; readonly why: string };

/**
 * Dials a server as the API server does, by name, and takes whatever certificate it shows: whether it is good is judged
 * by whoever asked. Nothing is sent to it.
 */
export function dial({ host, port }: Address, servername: string): Promise<Dialled> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const { promise, resolve } = Promise.withResolvers<Dialled>();
  const socket = connect({ host, port, servername, rejectUnauthorized: false, timeout: TIMEOUT_MS });
  socket.once('secureConnect', () => {
    const certificate = socket.getPeerX509Certificate();
    resolve(
      certificate === undefined
        ? { kind: 'failed', address, why: 'it shows no certificate' }
        : { kind: 'shown', address, certificate },
    );
    socket.destroy();
  });
  socket.once('timeout', () => socket.destroy(new Error(`no answer within ${TIMEOUT_MS / 1_000} s`)));
  socket.once('error', ({ message }) => resolve({ kind: 'failed', address, why: message }));
  return promise;
}
