import { once } from 'node:events';
import { hostname } from 'node:os';
import type { Command } from 'commander';
import { errorCode } from '../gc/system/files.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Log } from '../kube/types.ts';
import { createLog } from '../observe/log.ts';
import { GatewayError } from '../webhook/gateway/thread.ts';
import { startWebhook } from '../webhook/main.ts';
import type { StatusPart } from '../webhook/status/open.ts';
import { SOURCE_TIMING } from '../webhook/timings.ts';
import { certificateOptions } from './certificates.ts';
import type { Context } from './context.ts';
import { EXIT, Refusal } from './errors.ts';
import { eventTimes } from './event-times.ts';
import { gatewayOptions } from './gateway.ts';
import { explainCommand } from './help.ts';
import { logLevelOption, optional, required } from './options.ts';
import { type Origin, originOptions } from './origin.ts';
import { watchSchedules } from './schedules.ts';
import { type Address, address } from './values.ts';

const EXPLANATION = `
Serves /mutate and /validate for the API server: policies get their defaults, unsound and conflicting ones are
refused, and authors are told what they may not govern. With --policies there is no API server to ask, so whoever
applies a policy is taken for an administrator; that is for trying things out. /mutate-schedules and
/validate-schedules do the same for schedules; /mutate-pods gives pods that ask for it time for a checkpoint at their end.

With --gateway it serves POST /checkpoint/NAMESPACE/POD/CONTAINER for the whole cluster, in a thread and on a port of
its own: it finds the pod's node and passes the request with the caller's bearer token on to the door of that node.
Callers need create on pods/checkpoint in checkpoint.criu.org. --connect-mode says what /connect does to checkpoint
requests through nodes/proxy: Deny refuses all of them, Enforce lets through what the door of the node says would fit,
and reserves nothing for it.

--api serves checkpoints as objects of the cluster (checkpoint.criu.org/v1alpha1) in that thread, on one more port, to
which the API server alone comes. Register it when it answers: manifests/registration.

--authority-namespace keeps an authority and its certificates in Secrets of that namespace, shared by all replicas, and
tells the API server whom to trust; it takes the rights of manifests/overlays/self-signed, and no other tool.

SIGTERM ends it: it drains first, then stops. Logs are JSON lines on stderr.`;

export function define(command: Command): (context: Context) => Promise<number> {
  const listen = required(command, '--listen <address:port>', 'where to serve HTTPS', address);
  const open = originOptions(command, SOURCE_TIMING, { keepsStatus: true });
  const certificates = certificateOptions(command);
  const metrics = optional(command, '--metrics <address:port>', 'where to serve /metrics over HTTP', address);
  const gateway = gatewayOptions(command);
  const level = logLevelOption(command);
  explainCommand(command, EXPLANATION, [
    [
      'checkpoint-warden webhook --listen 0.0.0.0:9443 --certificate-directory /etc/warden/tls',
      'serves in a pod with a mounted certificate (tls.crt, tls.key, ca.crt)',
    ],
    [
      'checkpoint-warden webhook --listen :9443 --authority-namespace checkpoint-warden',
      'serves in a pod with a certificate of its own making, which it renews',
    ],
    [
      'checkpoint-warden webhook --listen :9443 --certificate-directory /etc/warden/tls --gateway :9444 --door-ca /etc/warden/doors.crt',
      'serves the gateway, too, which finds the node of a pod and passes the request on to its door',
    ],
    [
      'checkpoint-warden webhook --listen 127.0.0.1:9443 --kubeconfig ~/.kube/config --self-signed localhost --write-ca ca.crt',
      'serves beside a test cluster; ca.crt is the caBundle of its webhook configuration',
    ],
    [
      'checkpoint-warden webhook --listen 127.0.0.1:9443 --policies policies/ --self-signed localhost --write-ca ca.crt',
      'judges against a folder of policies, without a cluster',
    ],
  ]);
  return async (context) => {
    const log = createLog({ level: level(), together: true });
    const [listening, certificate] = [listen(), certificates()];
    const { isClusters: sharesAuthority } = certificate;
    const prepared = gateway({ listen: listening, logLevel: level(), sharesAuthority });
    const stopped = context.untilStopped();
    const origin = await open(log);
    const { source, client } = origin;
    const opened = await certificate.open(client, log);
    const ways = await prepared.open(origin, opened, log);
    const schedules = client && (await watchSchedules(client, log));
    const scraped = metrics();
    const webhook = await startWebhook({
      listen: listening,
      source,
      certificates: opened,
      reviewer: await reviewerOf(client),
      log,
      ...(schedules && { schedules: schedules.values }),
      ...ways,
      ...(client && { status: await statusOf(client, log) }),
      ...(scraped && { metrics: scraped }),
    }).catch((error: unknown) => {
      throw listenError(error, listening, prepared.listen);
    });
    if (!stopped.aborted) await once(stopped, 'abort');
    await webhook.stop();
    await schedules?.stop();
    client?.close();
    return EXIT.done;
  };
}

/** The system's error in words, where an address cannot be had. */
function listenError(error: unknown, listen: Address, gateway: Address | undefined): unknown {
  const isGateways = error instanceof GatewayError;
  const code = isGateways ? error.code : errorCode(error);
  const why = LISTEN_ERRORS.get(code ?? '');
  if (why === undefined) {
    return isGateways ? new Refusal(`the gateway cannot begin: ${error.message}`) : error;
  }
  const [option, { host, port }] = isGateways && gateway ? ['--gateway', gateway] : ['--listen', listen];
  return new Refusal(
    `${option} ${host}:${port} cannot be listened on: ${why}; choose another address or port`,
  );
}

const LISTEN_ERRORS: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'it is in use'],
  ['EADDRNOTAVAIL', 'this machine has no such address'],
  ['EACCES', 'permission denied'],
  ['ENOTFOUND', 'the name is not known'],
]);

/** What the collectors say, and where it is written. */
async function statusOf(client: KubeClient, log: Log): Promise<StatusPart> {
  const [{ checkpointNodes }, { policyStatusWriter }, { EventRecorder }] = await Promise.all([
    import('../kube/checkpoint-nodes.ts'),
    import('../kube/policy-status.ts'),
    import('../kube/events.ts'),
  ]);
  return {
    nodes: () => checkpointNodes({ client, log, timing: SOURCE_TIMING }),
    writer: policyStatusWriter(client),
    events: (onOutcome) => {
      const named = { controller: 'checkpoint-warden/webhook', instance: hostname() };
      return new EventRecorder({ client, ...named, ...eventTimes, onOutcome, log });
    },
  };
}

async function reviewerOf(client: Origin['client']): Promise<Parameters<typeof startWebhook>[0]['reviewer']> {
  if (client === null) return null;
  const { governReviewer } = await import('../kube/reviews.ts');
  return governReviewer(client);
}
