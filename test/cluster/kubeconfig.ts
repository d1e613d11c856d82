import { readFile, writeFile } from 'node:fs/promises';
import { parseDocument, stringify } from 'yaml';
import type { Credentials } from './authority.ts';

/** What a kubeconfig with a client certificate says. */
export interface Access {
  /** Address of the API server. */
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  readonly user: string;
  readonly credentials: Credentials;
}

/** Writes a kubeconfig, readable by its owner only. */
export async function writeKubeconfig(file: string, { url, ca, user, credentials }: Access): Promise<void> {
  const client = {
    'client-certificate-data': base64(credentials.certificate),
    'client-key-data': base64(credentials.key),
  };
  const content = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: url, 'certificate-authority-data': base64(ca) } }],
    users: [{ name: user, user: client }],
    contexts: [{ name: 'test', context: { cluster: 'test', user } }],
    'current-context': 'test',
  };
  await writeFile(file, stringify(content), { mode: 0o600 });
}

/** Writes a kubeconfig of whoever has this token, readable by its owner only. */
export async function writeTokenKubeconfig(
  file: string,
  { url, ca, token }: Pick<Access, 'url' | 'ca'> & { readonly token: string },
): Promise<void> {
  const content = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: url, 'certificate-authority-data': base64(ca) } }],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  };
  await writeFile(file, stringify(content), { mode: 0o600 });
}

/** Writes a copy of a kubeconfig whose API server is at another port of 127.0.0.1, say a pass-through's. */
export async function copyKubeconfigToPort(source: string, port: number, target: string): Promise<void> {
  const document = parseDocument(await readFile(source, 'utf8'));
  document.setIn(['clusters', 0, 'cluster', 'server'], `https://127.0.0.1:${port}`);
  await writeFile(target, document.toString(), { mode: 0o600 });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
