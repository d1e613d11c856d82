import type { SecureContextOptions } from 'node:tls';
import type { Certificate } from '../certs/source.ts';

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** AEAD with forward secrecy: of TLS 1.3 all, of TLS 1.2 these. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** Everything each time: `setSecureContext` takes what is left out from Node's defaults. */
export function secureContextOf(
  { certificate, key }: Certificate,
  minVersion: TlsVersion,
): SecureContextOptions {
  return {
    cert: certificate,
    key,
    minVersion,
    maxVersion: 'TLSv1.3',
    ciphers: CIPHERS,
    honorCipherOrder: true,
  };
}
