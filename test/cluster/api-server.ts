import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { aggregationFlags, auditFlags, certificateFlags, serviceAccountFlags } from './api-server-files.ts';
import type { Authority, Credentials } from './authority.ts';
import type { Guard } from './guard.ts';
import { probe } from './probe.ts';
import { type Server, startServer, waitUntilReady } from './server.ts';

const loopback = '127.0.0.1';
const readyMilliseconds = 60_000;

/** What a test may ask of its API server. */
export interface ApiServerOptions {
  /** The one address of this machine that it listens on; default 127.0.0.1. */
  readonly address?: string;
  /** Names and addresses that its certificate covers besides localhost and 127.0.0.1. */
  readonly hosts?: readonly string[];
  readonly featureGates?: Readonly<Record<string, boolean>>;
  /**
   * Default `ServiceAccount`: no controller makes each namespace's `default` account here, and without one
   * that plugin refuses every pod.
   */
  readonly disableAdmissionPlugins?: readonly string[];
  /** Writes an audit log at level Metadata; default false. */
  readonly audit?: boolean;
  /**
   * Lets aggregated API servers trust the users that this one passes on; default false. A Service of type
   * ExternalName reaches one on localhost; for one in a pod add `--enable-aggregator-routing=true`, which
   * in turn rules external names out.
   */
  readonly aggregation?: boolean;
  /** Further flags. Where a flag takes one value, these win. */
  readonly apiServerArgs?: readonly string[];
}

/** Where the audit log is, if one was asked for. */
export function auditLogIn(directory: string): string {
  return join(directory, 'audit.log');
}

/** Writes what the API server reads from files, and returns its flags but for the ports. */
export async function prepareApiServer(
  directory: string,
  authority: Authority,
  options: ApiServerOptions,
): Promise<string[]> {
  const ca = join(directory, 'ca.crt');
  await writeFile(ca, authority.certificate);
  const address = options.address ?? loopback;
  const hosts = [
    'localhost',
    '127.0.0.1',
    '::1',
    'kubernetes.default.svc',
    address,
    ...(options.hosts ?? []),
  ];
  const gates = Object.entries(options.featureGates ?? {}).map(([name, on]) => `${name}=${on}`);
  const disabled = options.disableAdmissionPlugins ?? ['ServiceAccount'];
  return [
    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    // A loopback address cannot be an endpoint of the Service `kubernetes`, so nothing tries to make it one.
    ...(address === loopback ? ['--endpoint-reconciler-type=none'] : []),
    `--client-ca-file=${ca}`,
    `--kubelet-certificate-authority=${ca}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    ...(disabled.length > 0 ? [`--disable-admission-plugins=${disabled.join(',')}`] : []),
    ...(gates.length > 0 ? [`--feature-gates=${gates.join(',')}`] : []),
    ...(await certificateFlags(authority, { name: 'kube-apiserver', hosts }, directory, [
      '--tls-cert-file',
      '--tls-private-key-file',
    ])),
    ...(await certificateFlags(authority, { name: 'kube-apiserver-kubelet-client' }, directory, [
      '--kubelet-client-certificate',
      '--kubelet-client-key',
    ])),
    ...(await serviceAccountFlags(directory)),
    ...(options.audit ? await auditFlags(directory, auditLogIn(directory)) : []),
    ...(options.aggregation ? await aggregationFlags(directory) : []),
    ...(options.apiServerArgs ?? []),
  ];
}

/** Who asks whether the API server is ready; before RBAC's own roles exist, an administrator must. */
export interface Prober {
  /** `https://ADDRESS:PORT`. */
  readonly url: string;
  readonly ca: string;
  readonly credentials: Credentials;
}

/** Starts the API server and waits until it is ready. */
export async function startApiServer(
  guard: Guard,
  programs: string,
  flags: readonly string[],
  ports: { readonly api: number; readonly etcd: number },
  { url, ca, credentials }: Prober,
): Promise<Server> {
  const server = await startServer(guard, join(programs, 'kube-apiserver'), [
    `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
    `--secure-port=${ports.api}`,
    ...flags,
  ]);
  const tls = { ca, cert: credentials.certificate, key: credentials.key };
  await waitUntilReady(server, () => probe(`${url}/readyz`, tls), readyMilliseconds);
  return server;
}
