import type { Command } from 'commander';
import type { KubeClient } from '../kube/client.ts';
import type { InformerTiming } from '../kube/informer.ts';
import type { Log } from '../kube/types.ts';
import { filePolicySource } from '../source/files.ts';
import type { PolicySource } from '../source/source.ts';
import { warningOfEmptyFolders } from './empty-folders.ts';
import { InputError, UsageError } from './errors.ts';
import { optional, repeated } from './options.ts';
import { requirePath } from './policies.ts';
import { nonEmpty, path } from './values.ts';

/** Where policies come from, and whether there is an API server to ask. */
export interface Origin {
  readonly source: PolicySource;
  /** Null when policies come from files: then nobody knows of pods or rights. */
  readonly client: KubeClient | null;
  /** The file of `--kubeconfig`; absent in a pod, and without a cluster. */
  readonly kubeconfig?: string;
}

/**
 * `--policies PATH`, `--kubeconfig FILE`, or neither in a pod. @returns what opens the one that was given.
 * @param timing how a cluster's policies are followed, or what tells it after parsing; default the informer's own
 * @param keepsStatus for who writes the status of policies.
 */
export function originOptions(
  command: Command,
  timing: Partial<InformerTiming> | (() => Partial<InformerTiming>) = {},
  { keepsStatus = false }: { readonly keepsStatus?: boolean } = {},
): (log: Log, directoryOf?: (path: string) => string) => Promise<Origin> {
  const policies = repeated(
    command,
    '--policies <path>',
    'a file or folder of policies; repeatable',
    nonEmpty,
  );
  const kubeconfig = optional(
    command,
    '--kubeconfig <file>',
    'the cluster whose policies act; without it and --policies, the one that this runs in',
    path,
  );
  return async (log, directoryOf) => {
    const file = kubeconfig();
    if (policies().length === 0) {
      const followed = typeof timing === 'function' ? timing() : timing;
      return await openCluster(command.name(), file, log, { timing: followed, keepsStatus });
    }
    if (file !== undefined) throw new UsageError('give --policies or --kubeconfig, not both');
    for (const each of policies()) await requirePath(each);
    const source = filePolicySource({ paths: policies(), log, ...(directoryOf && { directoryOf }) });
    return { source: warningOfEmptyFolders(source, policies(), log), client: null };
  };
}

async function openCluster(
  name: string,
  kubeconfig: string | undefined,
  log: Log,
  following: { readonly timing: Partial<InformerTiming>; readonly keepsStatus: boolean },
): Promise<Origin> {
  if (kubeconfig === undefined && process.env.KUBERNETES_SERVICE_HOST === undefined) {
    throw new UsageError(`${name} needs --policies PATH or --kubeconfig FILE where it does not run in a pod`);
  }
  // The client takes half a second and 60 MB: who works with files goes without.
  const [{ createClient }, { clusterPolicySource }] = await Promise.all([
    import('../kube/client.ts'),
    import('../source/cluster.ts'),
  ]);
  const client = await createClient({ log, ...(kubeconfig !== undefined && { kubeconfig }) }).catch(
    (error: unknown) => {
      throw new InputError(error instanceof Error ? error.message : String(error));
    },
  );
  const source = clusterPolicySource({ client, log, ...following });
  return { source, client, ...(kubeconfig !== undefined && { kubeconfig }) };
}
