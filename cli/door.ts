import type { Command } from 'commander';
import { fileCertificates } from '../certs/files.ts';
import type { KubeletOptions } from '../gc/door/kubelet.ts';
import type { KubeletFiles } from '../gc/door/kubelet-access.ts';
import type { DoorPart } from '../gc/main.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../observe/log.ts';
import { DOORS_AUDIENCE } from '../policy/archive-routes.ts';
import { InputError, UsageError } from './errors.ts';
import { optional, repeated } from './options.ts';
import { requirePath } from './policies.ts';
import { address, kubeletUrl, nonEmpty, path } from './values.ts';

/** What of the rest of a call decides whether it can have a door. */
export interface DoorCall {
  readonly once: boolean;
  readonly dryRun: boolean;
  /** As given with `--node`: the name of the host is often another than the node's. */
  readonly node: string | undefined;
  readonly stateDirectory: string | undefined;
}

/** A door's part, ready to be opened. */
export interface PreparedDoor {
  readonly part: DoorPart;
  /** How the kubelet is reached, for what else it can be asked. */
  readonly kubelet: Pick<KubeletOptions, 'url' | 'serverNames' | 'files'>;
  stop(): Promise<void>;
}

/** Prepares the door that was asked for. @param client null where policies come from files. */
export type PrepareDoor = (client: KubeClient | null, log: Logger) => Promise<PreparedDoor>;

/** In every pod with a service account. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Of the node itself, which a pod in the host's network reaches. */
const KUBELET_URL = 'https://127.0.0.1:10250';

/** `--door` and what belongs to it. @returns what judges the call; null without a door. */
export function doorOptions(command: Command): (call: DoorCall) => PrepareDoor | null {
  const listen = optional(
    command,
    '--door <address:port>',
    "where to serve the node's door: checkpoints are asked for here, and those that do not fit are refused",
    address,
  );
  const certificates = optional(
    command,
    '--certificate-directory <dir>',
    "a folder with the door's tls.crt, tls.key and ca.crt; changes are taken up",
    path,
  );
  const clientCa = optional(
    command,
    '--client-ca <file>',
    'the authority of client certificates; without it callers come with tokens alone',
    path,
  );
  const audiences = repeated(
    command,
    '--audience <name>',
    "what callers' tokens must be for; repeatable (default: the API server)",
    nonEmpty,
  );
  const kubelet = optional(
    command,
    '--kubelet <url>',
    `the kubelet of this node, or its address alone (default ${KUBELET_URL}); its certificate must be for that host or for the name in --node`,
    kubeletUrl,
  );
  const kubeletCa = optional(
    command,
    '--kubelet-ca <file>',
    "the authority of the kubelet's certificate (default in a pod: the cluster's)",
    path,
  );
  const kubeletToken = optional(
    command,
    '--kubelet-token <file>',
    "the door's token for the kubelet, read again when it changes (default in a pod: the service account's)",
    path,
  );
  return (call) => {
    const address = listen();
    if (address === undefined) {
      requireNoRest({
        '--certificate-directory': certificates(),
        '--client-ca': clientCa(),
        '--audience': audiences()[0],
        '--kubelet': kubelet(),
        '--kubelet-ca': kubeletCa(),
        '--kubelet-token': kubeletToken(),
      });
      return null;
    }
    const { node } = requireCall(call);
    const directory = required(certificates(), '--certificate-directory DIR');
    const files = kubeletFiles(kubeletCa(), kubeletToken());
    const [clients, url, wanted] = [clientCa(), kubelet(), audiences()];
    return async (client, log) => {
      if (client === null) {
        throw new UsageError(
          'gc --door needs a cluster that knows callers and pods: give --kubeconfig FILE in the place of --policies',
        );
      }
      for (const file of [files.ca, files.token, clients]) if (file !== undefined) await requirePath(file);
      const own = fileCertificates({ directory, log });
      await own.start().catch((error: unknown) => {
        throw new InputError(error instanceof Error ? error.message : String(error));
      });
      const asking = await askingOf(client, wanted);
      const { kubeletClient } = await import('../gc/door/kubelet.ts');
      const reached = {
        url: url ?? KUBELET_URL,
        // A kubelet that made its certificate by itself has no address in it.
        serverNames: url === undefined ? [node] : [hostOf(url), node],
        files,
      };
      const part: DoorPart = {
        listen: address,
        certificates: own,
        ...(clients !== undefined && { clientAuthority: clients }),
        ...asking,
        kubelet: kubeletClient({ ...reached, log, now: Date.now }),
      };
      return { part, kubelet: reached, stop: () => own.stop() };
    };
  };
}

function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
}

/** Who asks the API server whose a token is, who may, and where a pod is. */
async function askingOf(
  client: KubeClient,
  audiences: readonly string[],
): Promise<Pick<DoorPart, 'authenticator' | 'authorizer' | 'pods' | 'archives'>> {
  const [
    { tokenReviewer },
    { archivesReviewer, checkpointReviewer },
    { placedPodLookup },
    { authenticator },
    { authorizer },
  ] = await Promise.all([
    import('../kube/authentication.ts'),
    import('../kube/reviews.ts'),
    import('../kube/placed-pods.ts'),
    import('../gc/door/authenticate.ts'),
    import('../gc/door/authorize.ts'),
  ]);
  return {
    authenticator: authenticator({ tokens: tokenReviewer(client, { audiences }), now: Date.now }),
    authorizer: authorizer(checkpointReviewer(client)),
    archives: {
      authenticator: authenticator({
        tokens: tokenReviewer(client, { audiences: [DOORS_AUDIENCE] }),
        now: Date.now,
      }),
      rights: archivesReviewer(client),
    },
    pods: placedPodLookup(client),
  };
}

function requireNoRest(options: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) throw new UsageError(`${name} is about the door: give --door ADDRESS:PORT, too`);
  }
}

function requireCall({ once, dryRun, node, stateDirectory }: DoorCall): { readonly node: string } {
  if (once) throw new UsageError('--once ends before anybody could come: leave out --door or --once');
  if (dryRun) {
    throw new UsageError(
      '--dry-run deletes nothing, so its door could make no room: leave out one of the two',
    );
  }
  required(stateDirectory, '--state-directory DIR, where the promises of room outlive a restart');
  return { node: required(node, "--node NAME, this node's name in the API") };
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new UsageError(`gc --door needs ${what}`);
  return value;
}

function kubeletFiles(ca: string | undefined, token: string | undefined): KubeletFiles {
  const inPod = process.env.KUBERNETES_SERVICE_HOST !== undefined;
  const orOwn = (given: string | undefined, name: string) =>
    given ?? (inPod ? `${SERVICE_ACCOUNT}/${name}` : undefined);
  return {
    ca: required(orOwn(ca, 'ca.crt'), '--kubelet-ca FILE where it does not run in a pod'),
    token: required(orOwn(token, 'token'), '--kubelet-token FILE where it does not run in a pod'),
  };
}
