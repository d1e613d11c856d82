import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { DOORS_AUDIENCE } from '../../../policy/archive-routes.ts';
import { hasExited } from '../../cluster/guard.ts';
import { startServer, waitUntilReady } from '../../cluster/server.ts';
import { DOOR_NAME } from '../door/collector.ts';
import { type Installed, tokenOf } from '../door/install.ts';

const PROGRAM = fileURLToPath(new URL('../../../cli/checkpoint-warden.js', import.meta.url));
const READY_MS = 30_000;

/** The webhook as its users start it, with the rights of the manifests and no others. */
export interface NodeWebhook {
  /** `https://localhost:40001` */
  readonly url: string;
  readonly gatewayUrl: string;
  log(): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Ends it by SIGTERM. */
  stop(): Promise<number | null>;
}

/** Starts `webhook --gateway` beside the cluster; resolves when both serve. */
export async function startWebhookProcess(
  { cluster, directory, ca }: Installed,
  args: readonly string[] = [],
): Promise<NodeWebhook> {
  const own = join(directory, 'webhook');
  const certificates = join(own, 'tls');
  await mkdir(certificates, { recursive: true });
  const { certificate, key } = cluster.authority.issue({
    name: 'webhook',
    hosts: ['localhost', '127.0.0.1', 'webhook.checkpoint-warden.svc'],
  });
  await writeFile(join(certificates, 'tls.crt'), certificate);
  await writeFile(join(certificates, 'tls.key'), key, { mode: 0o600 });
  await writeFile(join(certificates, 'ca.crt'), cluster.ca);
  const token = join(own, 'token');
  await writeFile(token, await tokenOf(cluster, 'checkpoint-warden', 'webhook'));
  const apiToken = join(own, 'doors-token');
  const audience = `--audience=${DOORS_AUDIENCE}`;
  await writeFile(apiToken, await tokenOf(cluster, 'checkpoint-warden', 'webhook', audience));
  const kubeconfig = join(own, 'kubeconfig');
  const config = {
    clusters: [{ name: 'c', cluster: { server: cluster.url, 'certificate-authority': ca } }],
    users: [{ name: 'u', user: { tokenFile: token } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  await writeFile(kubeconfig, stringify(config));
  const options = {
    listen: '127.0.0.1:0',
    gateway: '127.0.0.1:0',
    kubeconfig,
    'certificate-directory': certificates,
    'door-ca': ca,
    'door-name': DOOR_NAME,
    ...(args.includes('Enforce') && { 'door-token': token }),
    ...(args.includes('--api') && { 'api-token': apiToken }),
  };
  const given = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const server = await startServer(cluster.guard, process.execPath, [PROGRAM, 'webhook', ...given, ...args]);
  const urlIn = async (message: string) =>
    (await linesOf(server.log)).findLast((line) => line.message === message)?.url;
  await waitUntilReady(server, async () => (await urlIn('the webhook serves')) !== undefined, READY_MS);
  return {
    url: String(await urlIn('the webhook serves')).replace('127.0.0.1', 'localhost'),
    gatewayUrl: String(await urlIn('the gateway is open')),
    log: () => linesOf(server.log),
    async stop() {
      const { child } = server;
      if (hasExited(child)) return child.exitCode;
      child.ref();
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
      return child.exitCode;
    },
  };
}

async function linesOf(file: string): Promise<Readonly<Record<string, unknown>>[]> {
  const content = await readFile(file, 'utf8').catch(() => '');
  return content
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}
