import { sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '../../../policy/json.ts';
import type { Cluster } from '../../cluster/nodes/cluster.ts';

/** A token as the API server itself would have signed it, with these claims beside, or in the place of, its own. */
export async function signedAgain(
  { directory }: Cluster,
  token: string,
  change: Readonly<Record<string, unknown>>,
): Promise<string> {
  const [header = '', payload = ''] = token.split('.');
  const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
  if (!isObject(claims)) throw new Error('the token has no claims');
  const changed = Buffer.from(JSON.stringify({ ...claims, ...change })).toString('base64url');
  const signed = `${header}.${changed}`;
  const key = await readFile(join(directory, 'service-account.key'), 'utf8');
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

/** The token with another signature: a bit of it is another. */
export function forged(token: string): string {
  const [header, payload, signature = ''] = token.split('.');
  const bytes = Buffer.from(signature, 'base64url');
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  return `${header}.${payload}.${bytes.toString('base64url')}`;
}
