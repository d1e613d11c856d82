import type { PodNodes, PodPlace } from '../../kube/pod-nodes.ts';
import type { Log } from '../../kube/types.ts';
import { readTarget, type Target } from '../../policy/checkpoint-path.ts';
import { faultInRequest } from '../../policy/plain-request.ts';
import type { Bounds } from './bounds.ts';
import type { Callers } from './callers.ts';
import type { DoorClient, DoorOutcome } from './door-client.ts';
import type { GatewayMetrics } from './metrics.ts';
import { Refusal, type RefusalCode, refused } from './refusal.ts';
import { type Ask, CallerLeft, type Reply } from './reply.ts';
import { Slots } from './slots.ts';

export interface GatewayParts {
  readonly callers: Callers;
  readonly places: PodNodes;
  /** False while nobody knows the pods. */
  readonly ready: () => boolean;
  readonly doors: Pick<DoorClient, 'ask'>;
  readonly bounds: Bounds;
  readonly metrics: GatewayMetrics;
  readonly log: Log;
  /** Milliseconds that only go forward; for durations. */
  readonly clock: () => number;
}

type There = Extract<PodPlace, { kind: 'there' }>;
type Answered = Extract<DoorOutcome, { kind: 'answered' }>;

/** What is known of a request when it ends. */
interface Story {
  readonly ask: Ask;
  target: Target | null;
  user: string | null;
  node: string | null;
  /** Milliseconds that the door took. */
  doorMs: number;
}

/** A door lets a request wait for its turn for 75 s; the kubelet raises a shorter timeout to 120 s, and cuts at 4 h. */
const TURN_SECONDS = 75;
const LEAST_SECONDS = 120;
const MOST_SECONDS = 4 * 3_600;
/** Between the door's own deadlines and ours: its answer is worth more than our guess. */
const LEEWAY_SECONDS = 60;

const STRANGERS_EVERY_MS = 60_000;

/** From a request to its answer, each step's failure being an answer too. */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #ofNode: Slots;
  readonly #stopping = new AbortController();
  readonly #underWay = new Set<Promise<Reply>>();
  /** When a line was last written of strangers, by the refusal's code. */
  readonly #toldAt = new Map<string, number>();

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#ofNode = new Slots(parts.bounds.ofNode);
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** Never rejects. */
  handle(ask: Ask): Promise<Reply> {
    const replying = this.#handle(ask, this.#underWay.size);
    this.#underWay.add(replying);
    return replying.finally(() => this.#underWay.delete(replying));
  }

  /** From now on nothing new is begun; resolves when all requests have their answers. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#underWay);
  }

  async #handle(ask: Ask, others: number): Promise<Reply> {
    const { clock } = this.#parts;
    const began = clock();
    const story: Story = { ask, target: null, user: null, node: null, doorMs: 0 };
    let result: Answered | Refusal;
    using held = new DisposableStack();
    try {
      result = await this.#pass(story, others, held);
    } catch (error) {
      result = this.#refusalIn(error);
    }
    this.#tell(story, result, clock() - began);
    return result instanceof Refusal ? refused(result) : result;
  }

  async #pass(story: Story, others: number, held: DisposableStack): Promise<Answered> {
    const { ask } = story;
    const { bounds, callers, ready } = this.#parts;
    if (others >= bounds.requests) {
      const message = `${others} requests are under way, and no more may`;
      throw new Refusal('tooMany', message, { retryAfterSeconds: 5 });
    }
    if (ask.pipelined) {
      throw new Refusal('badRequest', 'an earlier request of this connection has no answer yet');
    }
    const fault = faultInRequest(ask);
    if (fault !== null) throw new Refusal('badRequest', fault);
    if (this.#stopping.signal.aborted) {
      throw new Refusal('stopping', 'this gateway closes', { retryAfterSeconds: 1 });
    }
    if (ask.authorization === undefined) await callers.identify(undefined, ask.from, held);
    const target = targetOf(ask);
    story.target = target;
    const user = await callers.identify(ask.authorization, ask.from, held);
    story.user = user.username;
    await callers.authorize(user, target);
    if (!ready()) {
      throw new Refusal('starting', 'the pods of the cluster are not known yet', { retryAfterSeconds: 2 });
    }
    const place = await this.#find(target, false);
    const answer = await this.#ask(story, place);
    if (answer.headers['checkpoint-warden-refusal'] !== 'elsewhere') return answer;
    // The door did nothing; what is remembered of the pod was old.
    const again = await this.#find(target, true);
    return again.node === place.node ? answer : this.#ask(story, again);
  }

  async #find({ namespace, pod }: Target, fresh: boolean): Promise<There> {
    const place = await this.#parts.places.find(namespace, pod, fresh).catch((cause: unknown) => {
      const message = `the API server does not say where pod ${namespace}/${pod} is`;
      throw new Refusal('podUnknown', message, { retryAfterSeconds: 2, cause });
    });
    if (place.kind === 'there') return place;
    throw notThere(`${namespace}/${pod}`, place);
  }

  async #ask(story: Story, { node, address }: There): Promise<Answered> {
    const { ask, target } = story;
    if (target === null) throw new Error('a request without a target');
    story.node = node;
    const free = this.#ofNode.take(node);
    if (free === null) {
      const message = `${this.#parts.bounds.ofNode} requests are under way on node ${node}, and no more may`;
      throw new Refusal('tooManyOfNode', message, { retryAfterSeconds: 5 });
    }
    const began = this.#parts.clock();
    try {
      const outcome = await this.#parts.doors.ask({
        address,
        method: 'POST',
        path: pathOf(target),
        authorization: ask.authorization ?? '',
        waitMs: waitSecondsOf(target) * 1_000,
        signal: ask.signal,
      });
      if (outcome.kind === 'answered') return outcome;
      throw refusalFor(outcome, node, waitSecondsOf(target));
    } finally {
      story.doorMs += this.#parts.clock() - began;
      free();
    }
  }

  #tellOfStranger({ code, message, cause }: Refusal, from: string): void {
    const { log, clock } = this.#parts;
    if (clock() - (this.#toldAt.get(code) ?? Number.NEGATIVE_INFINITY) < STRANGERS_EVERY_MS) return;
    this.#toldAt.set(code, clock());
    const fields = { code, from, why: message, ...(cause !== undefined && { err: cause }) };
    const level = ALARMING.has(code) ? 'error' : 'info';
    log[level](fields, 'a request of a caller who is not known was refused; told once a minute');
  }

  #refusalIn(error: unknown): Refusal {
    if (error instanceof Refusal) return error;
    if (error instanceof CallerLeft) return new Refusal('callerLeft', 'the caller has gone');
    return new Refusal('internal', 'the gateway failed', { cause: error });
  }

  /** One line for each request of somebody known; of those who are not known one a minute for each reason. */
  #tell(story: Story, result: Answered | Refusal, ms: number): void {
    const { metrics, log } = this.#parts;
    const { target, user, node, doorMs } = story;
    const isRefusal = result instanceof Refusal;
    metrics.requests.inc({ outcome: isRefusal ? result.code : 'passed' });
    if (!isRefusal) {
      metrics.answers.inc({ status: String(result.status) });
      metrics.ownSeconds.observe(Math.max(0, ms - doorMs) / 1_000);
    }
    const { namespace = null, pod = null, container = null } = target ?? {};
    const fields = { namespace, pod, container, user, node, status: result.status, ms: Math.round(ms) };
    if (isRefusal && user === null) {
      this.#tellOfStranger(result, story.ask.from);
    } else if (isRefusal && ALARMING.has(result.code)) {
      log.error({ ...fields, code: result.code, err: result.cause }, result.message);
    } else {
      const code = isRefusal ? result.code : (result.headers['checkpoint-warden-refusal'] ?? null);
      log.info(
        { ...fields, code },
        isRefusal ? 'refused a checkpoint request' : 'passed a checkpoint request on',
      );
    }
  }
}

/** Refusals behind which something is out of order. */
const ALARMING: ReadonlySet<RefusalCode> = new Set([
  'doorAway',
  'doorGarbled',
  'doorLost',
  'doorSlow',
  'doorUntrusted',
  'internal',
  'noAddress',
  'noReview',
  'podUnknown',
]);

function targetOf({ method, url }: Ask): Target {
  const read = readTarget(method, url);
  if ('fault' in read) throw new Refusal(read.fault, read.message);
  if (read.kind === 'checkpoint') return read;
  throw new Refusal('noSuchPath', 'verdicts are had from the door of a node alone');
}

/** Built from names that were checked: nothing in them needs to be encoded. */
function pathOf({ namespace, pod, container, timeoutSeconds }: Target): string {
  const query = timeoutSeconds === undefined ? '' : `?timeout=${timeoutSeconds}`;
  return `/checkpoint/${namespace}/${pod}/${container}${query}`;
}

/** How long a door may take for a checkpoint. */
export function waitSecondsOf({ timeoutSeconds = 0 }: Pick<Target, 'timeoutSeconds'>): number {
  return TURN_SECONDS + Math.min(Math.max(timeoutSeconds, LEAST_SECONDS), MOST_SECONDS) + LEEWAY_SECONDS;
}

/** Why a pod's node is not to be reached. */
export function notThere(pod: string, place: Exclude<PodPlace, { kind: 'there' }>): Refusal {
  switch (place.kind) {
    case 'noPod':
      return new Refusal('noPod', `there is no pod ${pod}`);
    case 'unbound':
      return new Refusal('unbound', `pod ${pod} is not bound to a node yet`, { retryAfterSeconds: 2 });
    case 'noNode':
      return new Refusal('noNode', `node ${place.node}, which pod ${pod} is bound to, is not there any more`);
    case 'noAddress':
      return new Refusal(
        'noAddress',
        `node ${place.node}, which pod ${pod} is bound to, has no internal address`,
      );
  }
}

/** What went wrong between the gateway and a door. */
export function refusalFor(
  outcome: Exclude<DoorOutcome, { kind: 'answered' }>,
  node: string,
  waitSeconds: number,
): Refusal {
  const door = `the door of node ${node}`;
  switch (outcome.kind) {
    case 'away': {
      const { cause } = outcome;
      return new Refusal('doorAway', `${door} does not answer`, { retryAfterSeconds: 5, cause });
    }
    case 'untrusted':
      return new Refusal('doorUntrusted', `${door} does not show a certificate that can be trusted`, {
        cause: outcome.cause,
      });
    case 'slow':
      return new Refusal('doorSlow', `${door} did not answer within ${waitSeconds} s`);
    case 'lost':
      return new Refusal('doorLost', `the connection to ${door} broke`, { cause: outcome.cause });
    case 'garbled':
      return new Refusal('doorGarbled', `${door} gave an answer that is none`, {
        cause: new Error(outcome.text),
      });
  }
}
