import type { Command } from 'commander';
import { type Checkpoints, checkpointsOf } from '../../kube/checkpoints.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { CHECKPOINT_API } from '../../policy/checkpoint-object.ts';
import { namespaceName } from '../certificates.ts';
import { clusterOptions } from '../cluster-access.ts';
import type { Context } from '../context.ts';
import { Refusal, UsageError } from '../errors.ts';
import { flag, optional } from '../options.ts';
import { printable } from '../text.ts';

/** What a command of the plugin works on. */
export interface Session {
  readonly client: KubeClient;
  readonly checkpoints: Checkpoints;
  /** Null: all. */
  readonly namespace: string | null;
  readonly context: Context;
  /** Prints a warning of the API server, as kubectl does. */
  warn(text: string): void;
}

/** A session in one namespace. */
export interface NamespacedSession extends Session {
  readonly namespace: string;
}

type Work<S> = (context: Context, work: (session: S) => Promise<number>) => Promise<number>;

/** Where the cluster is, `-n` and `-A`. @returns what opens a session for some work, and closes it. */
export function sessionOptions(command: Command): Work<Session> {
  const work = namespacedOptions(command);
  const all = flag(command, '-A, --all-namespaces', 'archives of all namespaces');
  return (context, run) => work(context, (session) => run(all() ? { ...session, namespace: null } : session));
}

/** As `sessionOptions`, without `-A`. */
export function namespacedOptions(command: Command): Work<NamespacedSession> {
  const open = clusterOptions(command);
  const namespace = optional(
    command,
    '-n, --namespace <namespace>',
    "the archives' namespace (default: the context's)",
    namespaceName,
  );
  return async (context, run) => {
    const cluster = await open();
    const { client } = cluster;
    try {
      return await run({
        ...{
          client,
          context,
          checkpoints: checkpointsOf(client),
          namespace: namespace() ?? cluster.namespace,
        },
        warn: (text) => context.err.write(`Warning: ${printable(text)}\n`),
      });
    } catch (error) {
      throw explained(error);
    } finally {
      client.close();
    }
  };
}

/** The arguments that name archives; `checkpoint/NAME` and what `-o name` prints will do. */
export function namesOf(command: Command): readonly string[] {
  return command.args.map((each) => {
    const [, kind, name = ''] = /^(?:([^/]*)\/)?(.*)$/.exec(each) ?? [];
    const isKind = kind === undefined || KINDS.has(kind);
    if (!isKind || name === '')
      throw new UsageError(`${each} names no checkpoint; write NAME or checkpoint/NAME`);
    return name;
  });
}

const { group, plural, singular, shortName, groupVersion } = CHECKPOINT_API;
const KINDS: ReadonlySet<string> = new Set(
  [singular, plural, shortName].flatMap((each) => [each, `${each}.${group}`]),
);

/** What `-o name` prints. */
export function resourceName(name: string): string {
  return `${singular}.${group}/${name}`;
}

const INSTALL = 'kubectl apply -k manifests/overlays/api, then kubectl apply -k manifests/registration';

/** What the API server answered, with a remedy where one is known. */
export function explained(error: unknown): unknown {
  if (!(error instanceof KubeError)) return error;
  const { status, details, cause } = error;
  const said = error.message.replace(/^[A-Z]+ \S+ was answered \d+: /, '').replace(/[.\s]+$/, '');
  const refusal = (message: string) => new Refusal(message, { cause: cause ?? error });
  if (status === null)
    return refusal(`${said}; see whether the API server answers: kubectl get --raw /readyz`);
  if (status === 404 && details?.reason !== 'NotFound') {
    return refusal(`the API ${groupVersion} is not installed in this cluster; install it: ${INSTALL}`);
  }
  if (status === 404 && details?.kind === plural && /not found$/.test(said)) {
    return refusal(`${said}; kubectl checkpoint ls lists what is there, with -A in all namespaces`);
  }
  if (status === 403 && details?.reason === 'Forbidden' && /cannot \w+ resource/.test(said)) {
    return refusal(`${said}; ask whoever administers the cluster for that right`);
  }
  if (status === 503) {
    return refusal(`${groupVersion} does not answer: ${said}; see kubectl checkpoint doctor`);
  }
  return refusal(said);
}
