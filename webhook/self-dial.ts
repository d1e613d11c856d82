import { X509Certificate } from 'node:crypto';
import { type RequestOptions, request } from 'node:https';
import type { PeerCertificate } from 'node:tls';
import type { Certificate } from '../certs/source.ts';

const TIMEOUT_MS = 2_000;

/**
 * Dials one's own server as a client would that trusts the authority: only that proves that handshakes work.
 * The name is not compared, because by which one clients call is not known here.
 * @returns null, or what is wrong as a sentence.
 */
export function dialSelf(port: number, address: string, expected: Certificate): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const fingerprint = new X509Certificate(expected.certificate).fingerprint256;
  const options: RequestOptions = {
    host: dialable(address),
    port,
    path: '/healthz',
    ca: expected.ca,
    agent: false,
    timeout: TIMEOUT_MS,
    checkServerIdentity: (_name: string, shown: PeerCertificate) =>
      shown.fingerprint256 === fingerprint ? undefined : new Error('another certificate is served'),
  };
  const attempt = request(options, (response) => {
    response.resume();
    resolve(response.statusCode === 200 ? null : `a dial to the own port got HTTP ${response.statusCode}`);
  });
  attempt.on('timeout', () => attempt.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
  attempt.on('error', ({ message }) => resolve(`a dial to the own port failed: ${message}`));
  attempt.end();
  return promise;
}

/** The loopback address where the server listens on all. */
function dialable(address: string): string {
  if (address === '::') return '::1';
  return address === '0.0.0.0' ? '127.0.0.1' : address;
}
