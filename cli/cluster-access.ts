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
      const access = await findAccess(kubeconfig(), context());
      const impersonate = impersonation(user(), groups(), access);
      const client = await createClient({ access: { ...access, impersonate } });
      return { client, namespace: access.namespace ?? 'default' };
    } catch (error) {
      throw new InputError(error instanceof Error ? error.message : String(error));
    }
  };
}

function impersonation(user: string | undefined, groups: readonly string[], access: Access) {
  if (user === undefined) return access.impersonate;
  return { 'Impersonate-User': user, ...(groups.length > 0 && { 'Impersonate-Group': groups }) };
}

/** Where kubectl looks, in its order. */
async function findAccess(file: string | undefined, context: string | undefined): Promise<Access> {
  if (file !== undefined) return readKubeconfig(file, context);
  const { KUBECONFIG, KUBERNETES_SERVICE_HOST } = process.env;
  const named = (KUBECONFIG ?? '').split(delimiter).filter((each) => each !== '');
  if (named.length > 0) return readKubeconfig(named, context);
  const usual = join(homedir(), '.kube', 'config');
  try {
    return await readKubeconfig(usual, context);
  } catch (error) {
    const isMissing = error instanceof Error && error.message.endsWith('it does not exist');
    if (isMissing && KUBERNETES_SERVICE_HOST !== undefined) return inCluster();
    if (!isMissing) throw error;
    throw new Error(`no cluster is named: ${usual} does not exist; give --kubeconfig FILE or set KUBECONFIG`);
  }
}
