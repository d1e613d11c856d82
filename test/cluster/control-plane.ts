import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiServerOptions, auditLogIn, prepareApiServer, startApiServer } from './api-server.ts';
import { type Authority, createAuthority } from './authority.ts';
import { startEtcd } from './etcd.ts';
import { type Guard, startGuard } from './guard.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { type KubectlOptions, type KubectlResult, runKubectl } from './kubectl.ts';
import { freePort } from './port.ts';
import { findPrograms } from './programs.ts';
import { controlPlaneRecipe } from './recipe.ts';
import { ServerFailure } from './server.ts';

const startAttempts = 3;

/**
 * A real API server with its storage. No controllers run: a deleted namespace stays `Terminating`, and the
 * cluster roles that others are aggregated into (`view`, `edit`, `admin`) stay empty.
 */
export interface ControlPlane extends AsyncDisposable {
  /** `https://ADDRESS:PORT`. */
  readonly url: string;
  /** Where it listens; 127.0.0.1 unless another was asked for. */
  readonly address: string;
  readonly port: number;
  /** Path of a cluster administrator's kubeconfig. */
  readonly kubeconfig: string;
  /** Scratch directory with logs and certificates; `stop` removes it. */
  readonly directory: string;
  /** Certificate of its authority, PEM. */
  readonly ca: string;
  /** Issues further certificates that the API server accepts. */
  readonly authority: Authority;
  /** Path of the audit log (JSON lines); undefined unless it was asked for. */
  readonly auditLog: string | undefined;
  /** Path of kubectl. */
  readonly kubectlProgram: string;
  /** Takes charge of processes that a test adds to the cluster: they end with it. */
  readonly guard: Guard;
  /** Runs kubectl, as administrator unless told otherwise. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<KubectlResult>;
  /** Applies manifests as administrator and returns what kubectl printed; throws if they are refused. */
  apply(yaml: string): Promise<string>;
  /** Path of a new kubeconfig for that user, who has only the rights that RBAC grants. */
  asUser(name: string, options?: { readonly groups?: readonly string[] }): Promise<string>;
  /** Kills the API server and starts it again at the same port, with the same data, `away` ms later (default 0). */
  restartApiServer(away?: number): Promise<void>;
  /** Kills everything and removes the directory. May be called twice. */
  stop(): Promise<void>;
}

/** Starts a control plane of its own, next to any others, on free ports of the loopback interface. */
export async function startControlPlane(options: ApiServerOptions = {}): Promise<ControlPlane> {
  const programs = await findPrograms(controlPlaneRecipe);
  for (let attempt = 1; ; attempt += 1) {
    const guard = await startGuard(await mkdtemp(join(tmpdir(), 'checkpoint-warden-cluster-')));
    try {
      return await startGuarded(guard, programs, options);
    } catch (error) {
      await guard.release();
      if (attempt === startAttempts || !isPortTaken(error)) throw error;
    }
  }
}

async function startGuarded(
  guard: Guard,
  programs: string,
  options: ApiServerOptions,
): Promise<ControlPlane> {
  const { directory } = guard;
  const ports = { api: await freePort(), etcd: await freePort() };
  const { address = '127.0.0.1' } = options;
  const url = `https://${address}:${ports.api}`;
  const [authority] = await Promise.all([createAuthority('cluster'), startEtcd(guard, programs, ports.etcd)]);
  const ca = authority.certificate;
  const admin = authority.issue({ name: 'admin', groups: ['system:masters'] });
  const kubeconfig = join(directory, 'admin.kubeconfig');
  await writeKubeconfig(kubeconfig, { url, ca, user: 'admin', credentials: admin });

  const flags = await prepareApiServer(directory, authority, options);
  const start = () => startApiServer(guard, programs, flags, ports, { url, ca, credentials: admin });
  let server = await start();

  const kubectlProgram = join(programs, 'kubectl');
  const kubectl = (args: readonly string[], kubectlOptions: KubectlOptions = {}) =>
    runKubectl({ program: kubectlProgram, home: directory, kubeconfig }, args, kubectlOptions);
  let users = 0;

  return {
    url,
    address,
    port: ports.api,
    kubeconfig,
    directory,
    ca,
    authority,
    auditLog: options.audit ? auditLogIn(directory) : undefined,
    kubectlProgram,
    guard,
    kubectl,
    async apply(yaml) {
      const { status, stdout, stderr } = await kubectl(['apply', '-f', '-'], { input: yaml });
      if (status !== 0) throw new Error(`kubectl apply failed (${status}): ${stderr}`);
      return stdout;
    },
    async asUser(name, { groups = [] } = {}) {
      users += 1;
      const folder = join(directory, 'users');
      await mkdir(folder, { recursive: true });
      const file = join(folder, `${users}-${encodeURIComponent(name)}.kubeconfig`);
      await writeKubeconfig(file, { url, ca, user: name, credentials: authority.issue({ name, groups }) });
      return file;
    },
    async restartApiServer(away = 0) {
      await server.kill();
      await sleep(away);
      server = await start();
    },
    stop: () => guard.release(),
    [Symbol.asyncDispose]: () => guard.release(),
  };
}

function isPortTaken(error: unknown): boolean {
  return error instanceof ServerFailure && error.tail.includes('address already in use');
}
