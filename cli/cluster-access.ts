import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Command } from 'commander';
import { createClient, type KubeClient } from '../kube/client.ts';
import { type Access, inCluster, readKubeconfig } from '../kube/kubeconfig.ts';
import { InputError, UsageError } from './errors.ts';
import { optional, repeated } from './options.ts';
import { nonEmpty, path } from './values.ts';

/** A cluster as kubectl would find it. */
export interface Cluster {
  readonly client: KubeClient;
  /** Of the context; `default` where it names none. */
  readonly namespace: string;
}

/** `--kubeconfig`, `--context`, `--as`, `--as-group`, as kubectl has them. @returns what opens the cluster. */
export function clusterOptions(command: Command): () => Promise<Cluster> {
  const kubeconfig = optional(
    command,
    '--kubeconfig <file>',
    'the cluster; without it $KUBECONFIG, then ~/.kube/config, then the one that this runs in',
    path,
  );
  const context = optional(command, '--context <name>', 'a context of the kubeconfig', nonEmpty);
  const user = optional(command, '--as <user>', 'act as this user', nonEmpty);
  const groups = repeated(command, '--as-group <group>', 'and of this group; repeatable', nonEmpty);
  return async () => {
    if (groups().length > 0 && user() === undefined) throw new UsageError('--as-group needs --as USER');
    try {
      const found = await findAccess(kubeconfig(), context());
      const impersonate = impersonation(user(), groups(), found);
      const client = await createClient({ access: { ...found, impersonate } });
      return { client, namespace: found.namespace ?? 'default' };
    } catch (error) {
      throw new InputError(error instanceof Error ? error.message : String(error));
    }
  };
}

function impersonation(user: string | undefined, groups: readonly string[], found: Access) {
  if (user === undefined) return found.impersonate;
  return { 'Impersonate-User': user, ...(groups.length > 0 && { 'Impersonate-Group': groups }) };
}

/**
 * The cluster that kubectl would take.
 * @throws a sentence when there is none, or it cannot be used
 */
export async function findAccess(file: string | undefined, context: string | undefined): Promise<Access> {
  const files = kubeconfigFiles(file);
  const isNamed = file !== undefined || files[0] !== USUAL;
  if (isNamed || (await isThere(USUAL))) return readKubeconfig(files, context);
  if (process.env.KUBERNETES_SERVICE_HOST !== undefined) return inCluster();
  throw new Error(`no cluster is named: ${USUAL} does not exist; give --kubeconfig FILE or set KUBECONFIG`);
}

const USUAL = join(homedir(), '.kube', 'config');

/** Where kubectl looks: the file that was given, else those of `$KUBECONFIG`, else the one of this user. */
export function kubeconfigFiles(file: string | undefined): readonly string[] {
  if (file !== undefined) return [file];
  const named = (process.env.KUBECONFIG ?? '').split(delimiter).filter((each) => each !== '');
  return named.length > 0 ? named : [USUAL];
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
