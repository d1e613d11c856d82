import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fieldsOf, isObject, type JsonObject, own, text } from '../policy/json.ts';
import { type ExecProgram, readExec } from './exec-credential.ts';

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
  readonly exec?: ExecProgram;
  /** Headers that ask to act as another user. */
  readonly impersonate: Readonly<Record<string, string | readonly string[]>>;
  /** The namespace that the context names; absent where it names none. */
  readonly namespace?: string;
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

/** One file of a kubeconfig; its relative paths begin at its folder. */
interface ConfigFile {
  readonly config: JsonObject;
  readonly folder: string;
}

/**
 * One context of a kubeconfig.
 * @param files one, or several as in `$KUBECONFIG`: of what stands in more than one the first counts, and one that is
 *   not there is passed over, unless there is none at all
 * @param context its name; absent: the current one
 * @throws a sentence that names the file and what is wrong with it
 */
export async function readKubeconfig(files: string | readonly string[], context?: string): Promise<Access> {
  const named = typeof files === 'string' ? [files] : files;
  try {
    const found: ConfigFile[] = [];
    for (const file of named) found.push(...(await readConfigFile(file, named.length > 1)));
    if (found.length === 0) throw new Error(named.length === 0 ? 'no file is named' : 'none of them exists');
    return accessOf(found, context);
  } catch (error) {
    throw new Error(`kubeconfig ${named.join(delimiter)} cannot be used: ${sentence(error)}`, {
      cause: error,
    });
  }
}

/** The names of all contexts, for whoever is to choose one. Rejects as `readKubeconfig` does. */
export async function contextNames(files: readonly string[]): Promise<readonly string[]> {
  const read = await Promise.all(files.map((file) => readConfigFile(file, true)));
  const contexts = read.flat().flatMap(({ config }) => listOf(own(config, 'contexts')));
  return [...new Set(contexts.map((each) => text(own(fieldsOf(each), 'name'))))].filter(
    (each) => each !== '',
  );
}

async function readConfigFile(file: string, mayBeMissing: boolean): Promise<ConfigFile[]> {
  const source = await readFile(file, 'utf8').catch((error: unknown) => {
    if (mayBeMissing && isMissing(error)) return null;
    throw error;
  });
  if (source === null) return [];
  // Only here: in a pod its 14 MB are not needed.
  const { parse } = await import('yaml');
  const config: unknown = parse(source);
  if (!isObject(config)) throw new Error('it is no mapping');
  return [{ config, folder: dirname(resolve(file)) }];
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function sentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return isMissing(error) ? 'it does not exist' : (error.message.split('\n')[0] ?? '');
}

function accessOf(files: readonly ConfigFile[], wanted: string | undefined): Access {
  const current = files.map(({ config }) => text(own(config, 'current-context'))).find((each) => each !== '');
  const [context] = entry(files, 'context', wanted ?? current ?? '');
  const cluster = text(own(context, 'cluster'));
  const user = text(own(context, 'user'));
  const namespace = text(own(context, 'namespace'));
  return {
    ...clusterAccess(cluster, ...entry(files, 'cluster', cluster)),
    ...(user === '' ? { impersonate: {} } : userAccess(user, ...entry(files, 'user', user))),
    ...(namespace !== '' && { namespace }),
  };
}

/** What `contexts`, `clusters` or `users` has under a name, `{name, context: {…}}`, and where. */
function entry(
  files: readonly ConfigFile[],
  kind: 'context' | 'cluster' | 'user',
  name: string,
): [fields: JsonObject, folder: string] {
  if (name === '') throw new Error(`it names no ${kind === 'context' ? 'current context' : kind}`);
  for (const { config, folder } of files) {
    for (const each of listOf(own(config, `${kind}s`))) {
      if (isObject(each) && own(each, 'name') === name) return [fieldsOf(own(each, kind)), folder];
    }
  }
  throw new Error(`it has no ${kind} ${JSON.stringify(name)}`);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function clusterAccess(
  name: string,
  cluster: JsonObject,
  folder: string,
): Pick<Access, 'server' | 'serverName' | 'ca'> {
  const where = `cluster ${JSON.stringify(name)}`;
  const url = text(own(cluster, 'server'));
  if (!URL.canParse(url)) throw new Error(`${where} has no URL as its server`);
  const server = new URL(url);
  if (server.protocol !== 'https:') throw new Error(`${where} has a server without TLS; write https://`);
  if (own(cluster, 'insecure-skip-tls-verify') === true) {
    throw new Error(`${where} says insecure-skip-tls-verify; name its certificate-authority instead`);
  }
  if (own(cluster, 'proxy-url')) throw new Error(`${where} has a proxy-url, which is not known here`);
  const serverName = text(own(cluster, 'tls-server-name'));
  const ca = material(cluster, 'certificate-authority', folder);
  return { server, ...(serverName !== '' && { serverName }), ...(ca && { ca }) };
}

function userAccess(
  name: string,
  user: JsonObject,
  folder: string,
): Omit<Access, 'server' | 'serverName' | 'ca'> {
  const where = `user ${JSON.stringify(name)}`;
  if (own(user, 'auth-provider')) {
    throw new Error(`${where} has an auth-provider, which Kubernetes has given up; use exec or a token`);
  }
  const certificate = material(user, 'client-certificate', folder);
  const key = material(user, 'client-key', folder);
  const [token, tokenFile, username] = ['token', 'tokenFile', 'username'].map((field) =>
    text(own(user, field)),
  );
  return {
    ...(certificate && { certificate }),
    ...(key && { key }),
    ...(token && { token }),
    ...(tokenFile && { tokenFile: resolve(folder, tokenFile) }),
    ...(username && { basic: { username, password: text(own(user, 'password')) } }),
    ...execOf(where, own(user, 'exec'), folder),
    impersonate: impersonation(user),
  };
}

function execOf(where: string, exec: unknown, folder: string): Pick<Access, 'exec'> {
  if (exec === undefined || exec === null) return {};
  try {
    return { exec: readExec(fieldsOf(exec), (path) => resolve(folder, path)) };
  } catch (cause) {
    throw new Error(`${where} cannot be used: ${sentence(cause)}`, { cause });
  }
}

/** PEM in Base64 under `FIELD-data`, or else a file under `FIELD`. */
function material(object: JsonObject, field: string, folder: string): Material | null {
  const data = text(own(object, `${field}-data`));
  if (data !== '') return { pem: Buffer.from(data, 'base64').toString('utf8') };
  const file = text(own(object, field));
  return file === '' ? null : { file: resolve(folder, file) };
}

function impersonation(user: JsonObject): Access['impersonate'] {
  const headers: Record<string, string | readonly string[]> = {};
  const name = text(own(user, 'as'));
  if (name === '') return headers;
  headers['Impersonate-User'] = name;
  const uid = text(own(user, 'as-uid'));
  if (uid !== '') headers['Impersonate-Uid'] = uid;
  const groups = listOf(own(user, 'as-groups')).map(text);
  if (groups.length > 0) headers['Impersonate-Group'] = groups;
  for (const [key, values] of Object.entries(fieldsOf(own(user, 'as-user-extra')))) {
    headers[`Impersonate-Extra-${encodeURIComponent(key)}`] = listOf(values).map(text);
  }
  return headers;
}
