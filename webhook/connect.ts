import { readTarget } from '../policy/checkpoint-path.ts';
import { checkpointOf, nodeOf, type ProxyTarget } from '../policy/proxy-path.ts';
import type { Instant } from '../policy/types.ts';
import type { Judge } from './app.ts';
import { type Answer, allowed, failed } from './reply.ts';
import type { AdmissionRequest, ConnectRequest, PolicyRequest, Written } from './review.ts';
import type { Verdicts } from './verdicts.ts';

/** How checkpoint requests through `nodes/proxy` are answered. */
export interface ConnectOptions {
  /**
   * `https://HOST[:PORT]` of the gateway, to be named in denials; absent where there is none: then the door of the
   * node is named.
   */
  readonly gateway?: string;
  /** Names of users who may go through `nodes/proxy` all the same; default none. */
  readonly exemptUsers?: readonly string[];
  /** Mode `Enforce`: what policy and usage let through passes. Absent: mode `Deny`, nothing does. */
  readonly verdicts?: Verdicts;
}

type Container = Extract<ProxyTarget, { kind: 'container' }>;

/**
 * Not this way: through `nodes/proxy` nobody can reserve room for a checkpoint. Whatever may lead to the kubelet's
 * checkpoint API is denied, or, in mode `Enforce`, what the door of the node would refuse; all else is let through.
 * The path alone decides, for admission knows no method.
 */
export async function connect(
  request: AdmissionRequest,
  options: ConnectOptions,
  deadline: Instant,
): Promise<Answer> {
  const { gateway, exemptUsers = [], verdicts } = options;
  if (request.operation !== 'CONNECT') return misdirected('/connect', 'CONNECT nodes/proxy');
  if (exemptUsers.includes(request.user.username)) return allowed();
  const target = checkpointOf(request.path);
  if (target.kind === 'elsewhere') return allowed();
  if (target.kind === 'unclear') return denied(UNCLEAR);
  if (verdicts !== undefined) return enforced(request, target, verdicts, deadline);
  return denied(denial(target, request.name, gateway));
}

async function enforced(
  request: ConnectRequest,
  { namespace, pod, container }: Container,
  verdicts: Verdicts,
  deadline: Instant,
): Promise<Answer> {
  const asked = readTarget('GET', `/verdict/${namespace}/${pod}/${container}`);
  if ('fault' in asked) return denied(UNCLEAR);
  const verdict = await verdicts.on(asked, nodeOf(request.name), deadline);
  switch (verdict.kind) {
    case 'allowed':
      return { ...allowed(), auditAnnotations: { verdict: `allowed: ${verdict.grounds}` } };
    case 'refused':
      return { ...denied(verdict.message), auditAnnotations: { verdict: `refused: ${verdict.code}` } };
    case 'unknown':
      return {
        ...denied(verdict.message),
        verdict: 'error',
        auditAnnotations: { verdict: `unknown: ${verdict.code}` },
      };
  }
}

function denied(message: string): Answer {
  return { allowed: false, verdict: 'denied', reason: 'Forbidden', message, warnings: [] };
}

/** A judge of policies, who turns all else away. */
export function policiesOnly(
  judge: (request: PolicyRequest, deadline: Instant) => Answer | Promise<Answer>,
): Judge {
  return onlyAbout('policy', 'policies; CONNECT nodes/proxy belongs to /connect', judge);
}

/** A judge that turns away what is about something else. @param what it judges, for the answer */
export function onlyAbout(
  about: Written,
  what: string,
  judge: (request: PolicyRequest, deadline: Instant) => Answer | Promise<Answer>,
): Judge {
  return (request, deadline) =>
    request.operation === 'CONNECT' || request.about !== about
      ? misdirected('this path', what)
      : judge(request, deadline);
}

const UNCLEAR =
  'below /checkpoint the kubelet knows only /checkpoint/NAMESPACE/POD/CONTAINER, and that is not to be had through nodes/proxy; ask the gateway or the door of the node for it';

function denial(target: Container, nodeId: string, gateway: string | undefined): string {
  const names = [target.namespace, target.pod, target.container];
  if (!names.every(isName)) return UNCLEAR;
  const what = names.join('/');
  const why = `a checkpoint of ${what} cannot be had through nodes/proxy, where no room is reserved for it`;
  return `${why}; ask ${keeper(nodeId, gateway)} instead: POST ${(gateway ?? '').replace(/\/$/, '')}/checkpoint/${what}`;
}

function keeper(nodeId: string, gateway: string | undefined): string {
  if (gateway !== undefined) return 'the gateway';
  const node = nodeOf(nodeId);
  return node !== null && isName(node) ? `the door of node ${node}` : 'the door of its node';
}

/** RFC 1123: such a name can stand in a message and be copied from there into a shell. */
const NAME = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

function isName(text: string): boolean {
  return NAME.test(text);
}

function misdirected(path: string, whatItJudges: string): Answer {
  return failed(
    'BadRequest',
    `${path} judges ${whatItJudges}; correct the rules of the webhook configuration`,
  );
}
