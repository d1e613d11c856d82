import { constants, createPrivateKey, generateKeyPair, privateEncrypt, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import forge from 'node-forge';
import type { Validity } from './validity.ts';

/** PEM. */
export interface KeyPair {
  readonly publicKey: string;
  readonly privateKey: string;
}

/** A distinguished name as node-forge has it. */
export type DistinguishedName = forge.pki.CertificateField[];

/** What a certificate is to say. */
export interface CertificateForm {
  /** PEM. */
  readonly publicKey: string;
  readonly subject: DistinguishedName;
  readonly issuer: DistinguishedName;
  readonly validity: Validity;
  /** As node-forge names them. */
  readonly extensions: readonly object[];
}

/** RSA, for node-forge signs with nothing else. In a thread of the pool: its own way would hold the event loop for seconds. */
export function createKey(): Promise<KeyPair> {
  return promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
}

/** What stands in front of a SHA-256 digest that RSA signs: RFC 8017, 9.2, note 1. */
const DIGEST_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/**
 * A key for `signCertificate`. Its signatures are OpenSSL's: node-forge's own would hold the event loop for 20 to 200 ms.
 * @param pem RSA
 */
export function signingKey(pem: string): forge.pki.rsa.PrivateKey {
  const key = createPrivateKey(pem);
  const signing = forge.pki.privateKeyFromPem(pem);
  signing.sign = (sha256) => {
    const bytes = typeof sha256 === 'string' ? sha256 : sha256.digest().getBytes();
    const digest = Buffer.from(bytes, 'binary');
    const padded = { key, padding: constants.RSA_PKCS1_PADDING };
    return privateEncrypt(padded, Buffer.concat([DIGEST_INFO, digest])).toString('binary');
  };
  return signing;
}

/** @returns the certificate, PEM. */
export function signCertificate(form: CertificateForm, key: forge.pki.rsa.PrivateKey): string {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(form.publicKey);
  certificate.serialNumber = serialNumber();
  certificate.validity.notBefore = new Date(form.validity.notBefore);
  certificate.validity.notAfter = new Date(form.validity.notAfter);
  certificate.setSubject(form.subject);
  certificate.setIssuer(form.issuer);
  certificate.setExtensions([...form.extensions]);
  certificate.sign(key, forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate).replaceAll('\r', '');
}

/** A subject alternative name, of a DNS name or an address. */
export function alternativeName(name: string): object {
  return isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name };
}

/** 127 random bits, positive and without leading zero: RFC 5280, 4.1.2.2. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes.toString('hex');
}
