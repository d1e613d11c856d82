import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
// The package as a whole costs 0.3 s and 80 MB at import; these modules a few milliseconds.
import {
  type Cluster,
  newClusters,
  newContexts,
  newUsers,
  type User,
} from '@kubernetes/client-node/dist/config_types.js';
import { fieldsOf, isObject, own, text } from '../policy/json.ts';

/** PEM, or the file that holds it. */
export type Material = { readonly file: string } | { readonly pem: string };

/** How to reach an API server and who to be there, read once; files are named, not read. */
export interface Access {
  /** `https://…`, with a path where the API server stands behind one. */
  readonly server: URL;
  /** The name that the server's certificate must be for, where it is not the URL's. */
  readonly serverName?: string;
  /** Absent: the authorities that Node trusts. */
  readonly ca?: Material;
  readonly certificate?: Material;
  readonly key?: Material;
  readonly token?: string;
  /** A file whose token is replaced from time to time. */
  readonly tokenFile?: string;
  readonly basic?: { readonly username: string; readonly password: string };
  /** A user whose `exec` names a program that gives credentials. */
  readonly exec?: User;
  /** Headers that ask to act as another user. */
  readonly impersonate: Readonly<Record<string, string | readonly string[]>>;
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * The service account of the pod that this runs in.
 * @throws a sentence when this is no pod
 */
export function inCluster(env: NodeJS.ProcessEnv = process.env, directory = SERVICE_ACCOUNT): Access {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (!host || !port) {
    throw new Error(
      'there is no cluster: KUBERNETES_SERVICE_HOST is not set, so this is no pod; name a kubeconfig',
    );
  }
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    ca: { file: join(directory, 'ca.crt') },
    tokenFile: join(directory, 'token'),
    impersonate: {},
  };
}

/**
 * One context of a kubeconfig.
 * @param context its name; absent: the current one
 * @throws a sentence that names the file and what is wrong with it
 */
export async function readKubeconfig(file: string, context?: string): Promise<Access> {
  try {
    const source = await readFile(file, 'utf8');
    // Only here: in a pod its 14 MB are not needed.
    const { parse } = await import('yaml');
    return accessOf(parse(source), dirname(resolve(file)), context);
  } catch (error) {
    throw new Error(`kubeconfig ${file} cannot be used: ${sentence(error)}`, { cause: error });
  }
}

function sentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'ENOENT') return 'it does not exist';
  return error.message.split('\n')[0] ?? '';
}

function accessOf(config: unknown, folder: string, wanted: string | undefined): Access {
  if (!isObject(config)) throw new Error('it is no mapping');
  const users: readonly unknown[] = listOf(own(config, 'users'));
  const name = wanted ?? text(own(config, 'current-context'));
  const context = named(newContexts(own(config, 'contexts')), name, 'context');
  const cluster = named(newClusters(own(config, 'clusters')), context.cluster, 'cluster');
  const user = context.user === undefined ? undefined : named(newUsers(users), context.user, 'user');
  const raw = users.find((each) => isObject(each) && own(each, 'name') === context.user);
  return {
    ...clusterAccess(cluster, folder),
    ...(user ? userAccess(user, fieldsOf(own(fieldsOf(raw), 'user')), folder) : { impersonate: {} }),
  };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function named<T extends { readonly name: string }>(all: readonly T[], name: string, what: string): T {
  const found = all.find((each) => each.name === name);
  if (found !== undefined) return found;
  throw new Error(name === '' ? `it names no current ${what}` : `it has no ${what} ${JSON.stringify(name)}`);
}

function clusterAccess(cluster: Cluster, folder: string): Pick<Access, 'server' | 'serverName' | 'ca'> {
  const where = `cluster ${JSON.stringify(cluster.name)}`;
  if (!URL.canParse(cluster.server)) throw new Error(`${where} has no URL as its server`);
  const server = new URL(cluster.server);
  if (server.protocol !== 'https:') throw new Error(`${where} has a server without TLS; write https://`);
  if (cluster.skipTLSVerify) {
    throw new Error(`${where} says insecure-skip-tls-verify; name its certificate-authority instead`);
  }
  if (cluster.proxyUrl) throw new Error(`${where} has a proxy-url, which is not known here`);
  const ca = material(cluster.caFile, cluster.caData, folder);
  return {
    server,
    ...(cluster.tlsServerName && { serverName: cluster.tlsServerName }),
    ...(ca && { ca }),
  };
}

function userAccess(
  user: User,
  raw: Readonly<Record<string, unknown>>,
  folder: string,
): Omit<Access, 'server' | 'serverName' | 'ca'> {
  if (user.authProvider) {
    const where = `user ${JSON.stringify(user.name)}`;
    throw new Error(`${where} has an auth-provider, which Kubernetes has given up; use exec or a token`);
  }
  const certificate = material(user.certFile, user.certData, folder);
  const key = material(user.keyFile, user.keyData, folder);
  const tokenFile = text(own(raw, 'tokenFile'));
  return {
    ...(certificate && { certificate }),
    ...(key && { key }),
    ...(user.token && { token: user.token }),
    ...(tokenFile !== '' && { tokenFile: resolve(folder, tokenFile) }),
    ...(user.username && { basic: { username: user.username, password: user.password ?? '' } }),
    ...(user.exec && { exec: withExecInfo(user, folder) }),
    impersonate: impersonation(raw),
  };
}

function material(
  file: string | undefined | null,
  data: string | undefined | null,
  folder: string,
): Material | null {
  if (data) return { pem: Buffer.from(data, 'base64').toString('utf8') };
  return file ? { file: resolve(folder, file) } : null;
}

function impersonation(raw: Readonly<Record<string, unknown>>): Access['impersonate'] {
  const headers: Record<string, string | readonly string[]> = {};
  const name = text(own(raw, 'as'));
  if (name === '') return headers;
  headers['Impersonate-User'] = name;
  const uid = text(own(raw, 'as-uid'));
  if (uid !== '') headers['Impersonate-Uid'] = uid;
  const groups = listOf(own(raw, 'as-groups')).map(text);
  if (groups.length > 0) headers['Impersonate-Group'] = groups;
  for (const [key, values] of Object.entries(fieldsOf(own(raw, 'as-user-extra')))) {
    headers[`Impersonate-Extra-${encodeURIComponent(key)}`] = listOf(values).map(text);
  }
  return headers;
}

/** What client-go tells such a program beside what the kubeconfig says, and its path made absolute as there. */
function withExecInfo(user: User, folder: string): User {
  const exec = fieldsOf(user.exec);
  const command = text(own(exec, 'command'));
  const info = {
    apiVersion: text(own(exec, 'apiVersion')),
    kind: 'ExecCredential',
    spec: { interactive: false },
  };
  return {
    ...user,
    exec: {
      ...exec,
      command: command.includes('/') ? resolve(folder, command) : command,
      env: [...listOf(own(exec, 'env')), { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) }],
    },
  };
}
