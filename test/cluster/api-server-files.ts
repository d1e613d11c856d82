import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Authority, type CertificateRequest, createAuthority } from './authority.ts';

/** Writes certificate and key of `request` and returns the pair of flags that name them. */
export async function certificateFlags(
  authority: Authority,
  request: CertificateRequest,
  directory: string,
  [certificateFlag, keyFlag]: readonly [string, string],
): Promise<string[]> {
  const { certificate, key } = authority.issue(request);
  const files = [join(directory, `${request.name}.crt`), join(directory, `${request.name}.key`)] as const;
  await writeFile(files[0], certificate);
  await writeFile(files[1], key, { mode: 0o600 });
  return [`${certificateFlag}=${files[0]}`, `${keyFlag}=${files[1]}`];
}

/** The key with which the API server signs the tokens of service accounts. */
export async function serviceAccountFlags(directory: string): Promise<string[]> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const files = [join(directory, 'service-account.pub'), join(directory, 'service-account.key')] as const;
  await writeFile(files[0], publicKey);
  await writeFile(files[1], privateKey, { mode: 0o600 });
  return [
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${files[0]}`,
    `--service-account-signing-key-file=${files[1]}`,
  ];
}

/** How aggregated API servers recognise this one: by a client certificate of an authority of its own. */
export async function aggregationFlags(directory: string): Promise<string[]> {
  const authority = await createAuthority('front-proxy');
  const ca = join(directory, 'front-proxy-ca.crt');
  await writeFile(ca, authority.certificate);
  return [
    `--requestheader-client-ca-file=${ca}`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    ...(await certificateFlags(authority, { name: 'front-proxy-client' }, directory, [
      '--proxy-client-cert-file',
      '--proxy-client-key-file',
    ])),
  ];
}

/** Every request at level Metadata, in JSON lines, written before it is answered. */
export async function auditFlags(directory: string, log: string): Promise<string[]> {
  const policy = join(directory, 'audit-policy.yaml');
  const rules = [{ level: 'Metadata' }];
  await writeFile(policy, stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules }));
  return [`--audit-policy-file=${policy}`, `--audit-log-path=${log}`, '--audit-log-mode=blocking'];
}
