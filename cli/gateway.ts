import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { CertificateSource } from '../certs/source.ts';
import type { Logger } from '../observe/log.ts';
import { DOORS_AUDIENCE } from '../policy/archive-routes.ts';
import { isSubdomain } from '../policy/fields.ts';
import type { ConnectOptions } from '../webhook/connect.ts';
import type { Doors } from '../webhook/gateway/main.ts';
import type { WebhookOptions } from '../webhook/main.ts';
import { UsageError } from './errors.ts';
import { choice, optional, repeated } from './options.ts';
import type { Origin } from './origin.ts';
import { requirePath } from './policies.ts';
import { type Address, address, nonEmpty, path, tlsUrl } from './values.ts';

/** What of a webhook is about checkpoint requests: the gateway, and admission of CONNECT. */
export type CheckpointWays = Pick<WebhookOptions, 'gateway' | 'connect'>;

/** What the rest of the call says. */
export interface GatewayCall {
  readonly listen: Address;
  readonly logLevel: NonNullable<WebhookOptions['gateway']>['logLevel'];
  /** The webhook's certificate is of the authority that the doors' are of, too. */
  readonly sharesAuthority: boolean;
}

export interface PreparedGateway {
  /** Where the gateway is to listen; undefined without one. */
  readonly listen: Address | undefined;
  open(
    origin: Origin,
    certificates: Pick<CertificateSource, 'current'>,
    log: Logger,
  ): Promise<CheckpointWays>;
}

const DOOR_PORT = 10_350;
const DOOR_NAME = 'checkpoint-warden-door.checkpoint-warden.svc';
/** As the manifests mount it. */
const API_TOKEN = '/var/run/secrets/checkpoint-warden/doors/token';
const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** `--gateway`, `--connect-mode` and what belongs to them. @returns what judges the call. */
export function gatewayOptions(command: Command): (call: GatewayCall) => PreparedGateway {
  const listen = optional(
    command,
    '--gateway <address:port>',
    'where to serve the gateway: checkpoints of any pod are asked for here, and passed on to the door of its node',
    address,
  );
  const api = optional(
    command,
    '--api <address:port>',
    'where to serve the aggregated API checkpoint.criu.org/v1alpha1, to which the API server alone comes',
    address,
  );
  const apiToken = optional(
    command,
    '--api-token <file>',
    `the webhook's own token for the doors' archives, of the audience ${DOORS_AUDIENCE} (default ${API_TOKEN})`,
    path,
  );
  const audiences = repeated(
    command,
    '--audience <name>',
    "what callers' tokens must be for; repeatable (default: the API server)",
    nonEmpty,
  );
  const mode = choice(
    command,
    '--connect-mode <mode>',
    'what becomes of checkpoint requests through nodes/proxy',
    ['Deny', 'Enforce'],
  );
  const url = optional(
    command,
    '--gateway-url <url>',
    'the gateway as users reach it, to be named where such a request is denied',
    tlsUrl,
  );
  const exempt = repeated(
    command,
    '--exempt-user <name>',
    'a user who may ask through nodes/proxy all the same; repeatable',
    nonEmpty,
  );
  const ca = optional(
    command,
    '--door-ca <file>',
    "the authority of the doors' certificates; read again when it changes (default with --authority-namespace: that one)",
    path,
  );
  const name = optional(
    command,
    '--door-name <name>',
    `the name in every door's certificate (default ${DOOR_NAME})`,
    dnsName,
  );
  const port = optional(
    command,
    '--door-port <port>',
    `the doors' port on every node (default ${DOOR_PORT})`,
    portNumber,
  );
  const token = optional(
    command,
    '--door-token <file>',
    "the webhook's own token for the doors, with --connect-mode Enforce (default in a pod: the service account's)",
    path,
  );
  return (call) => {
    const [at, isEnforcing, given] = [listen(), mode() === 'Enforce', ca()];
    const rest = { '--door-ca': given, '--door-name': name(), '--door-port': port() };
    if (at === undefined && !isEnforcing) {
      refuse(rest, 'is about doors: give --gateway ADDRESS:PORT or --connect-mode Enforce, too');
    }
    if (at === undefined) {
      refuse({ '--audience': audiences()[0] }, 'is about the gateway: give --gateway ADDRESS:PORT, too');
    }
    const apiAt = api();
    if (at === undefined) {
      refuse({ '--api': apiAt }, 'is served beside the gateway: give --gateway ADDRESS:PORT, too');
    }
    if (!isEnforcing) refuse({ '--door-token': token() }, 'is for --connect-mode Enforce: give that, too');
    if (apiAt === undefined) {
      refuse({ '--api-token': apiToken() }, 'is for the aggregated API: give --api ADDRESS:PORT, too');
    }
    if (isEnforcing) {
      refuse({ '--gateway-url': url() }, 'is named by --connect-mode Deny alone: leave out one of the two');
    }
    requireApart('--gateway', at, { '--listen': call.listen });
    requireApart('--api', apiAt, { '--listen': call.listen, '--gateway': at });
    const doors = { port: port() ?? DOOR_PORT, name: name() ?? DOOR_NAME };
    const known = at === undefined && !isEnforcing ? null : { ...doors, ca: requireCa(given, at, call) };
    const own = isEnforcing ? requireToken(token()) : null;
    const doorsToken = apiAt === undefined ? null : (apiToken() ?? API_TOKEN);
    const ways: ConnectOptions = { exemptUsers: exempt(), ...withUrl(url()) };
    return {
      listen: at,
      async open(origin, certificates, log) {
        if (known === null) return { connect: ways };
        if (origin.client === null) throw new UsageError(needsCluster(at));
        for (const file of [known.ca, own, doorsToken]) if (file !== null) await requirePath(file);
        return {
          connect:
            own === null
              ? ways
              : { ...ways, verdicts: await verdictsOf(origin.client, known, own, certificates, log) },
          ...(at !== undefined && {
            gateway: {
              ...{ listen: at, doors: known, audiences: audiences(), logLevel: call.logLevel },
              ...(origin.kubeconfig !== undefined && { kubeconfig: origin.kubeconfig }),
              ...(apiAt !== undefined &&
                doorsToken !== null && { api: { listen: apiAt, token: doorsToken } }),
            },
          }),
        };
      },
    };
  };
}

async function verdictsOf(
  client: NonNullable<Origin['client']>,
  doors: Doors,
  token: string,
  certificates: Pick<CertificateSource, 'current'>,
  log: Logger,
) {
  const [{ podNodeLookup }, { DoorClient }, { DoorAuthority, sharedDoorTrust }, { doorVerdicts, tokenFile }] =
    await Promise.all([
      import('../kube/pod-nodes.ts'),
      import('../webhook/gateway/door-client.ts'),
      import('../webhook/gateway/door-authority.ts'),
      import('../webhook/verdicts.ts'),
    ]);
  const trust =
    doors.ca === null
      ? sharedDoorTrust(() => certificates.current().ca)
      : new DoorAuthority(doors.ca, log, Date.now);
  return doorVerdicts({
    places: podNodeLookup(client),
    doors: new DoorClient(doors, trust),
    token: tokenFile(token),
    log,
    now: Date.now,
  });
}

function refuse(options: Readonly<Record<string, unknown>>, why: string): void {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) throw new UsageError(`${name} ${why}`);
  }
}

function requireApart(
  name: string,
  own: Address | undefined,
  others: Readonly<Record<string, Address | undefined>>,
): void {
  if (own === undefined || own.port === 0) return;
  for (const [other, address] of Object.entries(others)) {
    if (address?.port !== own.port) continue;
    throw new UsageError(`${name} and ${other} both name port ${own.port}: give each a port of its own`);
  }
}

/** @returns null where the webhook's own authority is the doors', too. */
function requireCa(
  file: string | undefined,
  gateway: Address | undefined,
  { sharesAuthority }: GatewayCall,
): string | null {
  if (file !== undefined) return file;
  if (sharesAuthority) return null;
  throw new UsageError(
    `webhook ${shownMode(gateway)} needs --door-ca FILE, the authority of the doors' certificates`,
  );
}

function requireToken(file: string | undefined): string {
  const own = process.env.KUBERNETES_SERVICE_HOST === undefined ? undefined : SERVICE_ACCOUNT_TOKEN;
  const token = file ?? own;
  if (token !== undefined) return token;
  throw new UsageError(
    'webhook --connect-mode Enforce needs --door-token FILE where it does not run in a pod',
  );
}

function needsCluster(gateway: Address | undefined): string {
  return `webhook ${shownMode(gateway)} needs a cluster that knows callers and pods: give --kubeconfig FILE in the place of --policies`;
}

function shownMode(gateway: Address | undefined): string {
  return gateway === undefined ? '--connect-mode Enforce' : '--gateway';
}

function withUrl(gateway: string | undefined): Pick<ConnectOptions, 'gateway'> {
  return gateway === undefined ? {} : { gateway };
}

function dnsName(text: string): string {
  if (isSubdomain(text)) return text;
  throw new InvalidArgumentError(`Write a DNS name, for example ${DOOR_NAME}.`);
}

function portNumber(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError('Write a port from 1 to 65535.');
}
