import type { PlacedPodLookup } from '../../kube/placed-pods.ts';
import type { Asked } from './asked.ts';
import type { Authenticator } from './authenticate.ts';
import type { Authorizer } from './authorize.ts';
import type { Judge } from './judge.ts';
import type { Order, Ordered } from './order.ts';
import type { Passage } from './passage.ts';
import { parseTarget, type Target } from './path.ts';
import { requirePlain } from './plain-request.ts';
import { DoorRecords, type RecordsParts } from './records.ts';
import { Refusal } from './refusal.ts';
import { type Reply, refused, succeeded, verdictReply } from './reply.ts';
import { type Ask, CallerLeft, type Story } from './story.ts';
import { verdictOn } from './verdict.ts';

export interface DoorParts extends RecordsParts {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly pods: PlacedPodLookup;
  readonly judge: Judge;
  readonly passage: Passage;
  /** Requests that may be under way, those that wait included. Default 512. */
  readonly mostRequests?: number;
}

const MOST_REQUESTS = 512;

/** What stands in the records in the place of a request that came over no connection. */
const NO_REQUEST = {
  method: 'POST',
  url: undefined,
  httpVersion: '1.1',
  rawHeaders: [],
  credentials: { authorization: undefined, certificate: null },
  pipelined: false,
} as const;

/** From a request to its answer, each step's failure being an answer too. */
export class Door {
  readonly #parts: DoorParts;
  readonly #records: DoorRecords;
  readonly #stopping = new AbortController();
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(parts: DoorParts) {
    this.#parts = parts;
    this.#records = new DoorRecords(parts);
  }

  /** Never rejects. */
  handle(ask: Ask): Promise<Reply> {
    const replying = this.#handle(ask, this.#underWay.size);
    this.#underWay.add(replying);
    return replying.finally(() => this.#underWay.delete(replying));
  }

  /** A checkpoint that this process itself asks for: judged, counted and recorded as a caller's is. Never rejects. */
  order(order: Order): Promise<Ordered> {
    const ordering = this.#order(order, this.#underWay.size);
    this.#underWay.add(ordering);
    return ordering.finally(() => this.#underWay.delete(ordering));
  }

  /** From now on nothing new is begun; resolves when all requests have their answers. */
  async stop(): Promise<void> {
    this.#stopping.abort(Refusal.of('stopping', 'this door closes', { retryAfterSeconds: 5 }));
    await Promise.all(this.#underWay);
  }

  async #handle(ask: Ask, others: number): Promise<Reply> {
    const began = this.#parts.clock.now();
    const story: Story = { ask, notes: {}, target: null, user: null, pod: null, authorized: false };
    let result: string | Refusal;
    try {
      result = await this.#pass(story, others);
    } catch (error) {
      result = this.#refusalIn(error);
    }
    this.#records.write(story, result, this.#parts.clock.now() - began);
    // Whoever may not ask for verdicts gets none.
    if (story.target?.kind === 'verdict' && story.authorized) return verdictReply(result);
    return typeof result === 'string' ? succeeded(result, story.notes.estimate?.grounds) : refused(result);
  }

  async #order({ asked, pod, user, from, signal }: Order, others: number): Promise<Ordered> {
    const { clock, passage } = this.#parts;
    const began = clock.now();
    const { namespace, pod: name, container } = asked;
    const target: Target = { kind: 'checkpoint', namespace, pod: name, container };
    const ask = { ...NO_REQUEST, from, signal };
    const story: Story = { ask, notes: {}, target, user, pod, authorized: true };
    let result: string | Refusal;
    try {
      this.#requireRoom(others);
      const either = AbortSignal.any([signal, this.#stopping.signal]);
      either.throwIfAborted();
      result = await passage.pass(asked, either, story.notes);
    } catch (error) {
      result = this.#refusalIn(error);
    }
    this.#records.write(story, result, clock.now() - began);
    return { notes: story.notes, refusal: result instanceof Refusal ? result : null };
  }

  /** Resolves with the archive's path, or with the grounds of a verdict. */
  async #pass(story: Story, others: number): Promise<string> {
    const { ask, notes } = story;
    const { authenticator, authorizer, passage, judge } = this.#parts;
    this.#requireRoom(others);
    if (ask.pipelined)
      throw Refusal.of('badRequest', 'an earlier request of this connection has no answer yet');
    requirePlain(ask);
    const target = parseTarget(ask.method, ask.url);
    story.target = target;
    this.#stopping.signal.throwIfAborted();
    const user = ask.vouched ?? (await authenticator.authenticate(ask.credentials));
    story.user = user;
    if (ask.vouched === undefined) {
      await authorizer.authorize(user, target, target.kind === 'verdict' ? 'get' : 'create');
    }
    story.authorized = true;
    const asked = await this.#find(target, story);
    if (target.kind === 'verdict') return await verdictOn(judge, asked, notes);
    return await passage.pass(asked, AbortSignal.any([ask.signal, this.#stopping.signal]), notes);
  }

  #requireRoom(others: number): void {
    const { mostRequests = MOST_REQUESTS } = this.#parts;
    if (others < mostRequests) return;
    throw Refusal.of('busy', `${others} requests are under way on this node`, { retryAfterSeconds: 5 });
  }

  async #find(target: Target, story: Story): Promise<Asked> {
    const { namespace, pod: name, container, timeoutSeconds } = target;
    const { pods, nodeName } = this.#parts;
    const pod = await pods.get(namespace, name).catch((cause: unknown) => {
      const message = `the API server does not say whether there is a pod ${namespace}/${name}`;
      throw Refusal.of('podUnknown', message, { retryAfterSeconds: 2, cause });
    });
    if (pod === null) throw Refusal.of('noPod', `there is no pod ${namespace}/${name}`);
    story.pod = pod;
    if (pod.node !== nodeName) {
      const where =
        pod.node === '' ? 'is not bound to a node yet' : `runs on node ${pod.node}, not on ${nodeName}`;
      throw Refusal.of('elsewhere', `pod ${namespace}/${name} ${where}`);
    }
    const facts = pod.containers.find((each) => each.name === container);
    if (facts === undefined) {
      throw Refusal.of('noContainer', `pod ${namespace}/${name} has no container ${container}`);
    }
    // A static pod's archives carry the hash of its manifest.
    return { namespace, pod: name, container, podUid: pod.configHash ?? pod.uid, facts, timeoutSeconds };
  }

  #refusalIn(error: unknown): Refusal {
    if (error instanceof Refusal) return error;
    const { log } = this.#parts;
    if (error instanceof CallerLeft) return Refusal.of('callerLeft', 'the caller has gone');
    log.error({ err: error }, 'a checkpoint request failed in a way that nobody foresaw');
    return Refusal.of('internal', 'the door failed');
  }
}
