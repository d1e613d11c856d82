import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../observe/log.ts';
import { parseDuration } from '../policy/duration.ts';
import type { Instant } from '../policy/types.ts';
import { type Bounds, kindOf } from './bounds.ts';
import { Slots } from './gateway/slots.ts';
import { Intake, LARGEST_BODY } from './intake.ts';
import type { Metrics } from './metrics.ts';
import { type Answer, failed, renderReview } from './reply.ts';
import { type AdmissionRequest, parseReview, subjectOf } from './review.ts';

/** What the API server waits for at most, and by default. */
const LONGEST_TIMEOUT_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 10_000;
/** Seconds after which to come again; the API server does so by itself, within its time limit. */
const RETRY_AFTER = '1';

/** Answers at once where nobody else has to be asked: each turn of a promise would be for nothing. */
export type Judge = (request: AdmissionRequest, deadline: Instant) => Answer | Promise<Answer>;

export interface ReviewerOptions {
  readonly log: Pick<Logger, 'info' | 'error'>;
  readonly metrics: Metrics;
  readonly now: () => Instant;
  readonly bounds: Bounds;
}

/** Answers the requests of the API server: reads a review, has it judged, and tells log and metrics of it. */
export class Reviewer {
  readonly #options: ReviewerOptions;
  readonly #intake: Intake;
  readonly #slots: Slots;

  constructor(options: ReviewerOptions) {
    this.#options = options;
    this.#intake = new Intake(options.bounds);
    this.#slots = new Slots(options.bounds.reviews);
  }

  /** Answers one request. @param path the judge's, for log and metrics. */
  async answer(
    path: string,
    judge: Judge,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { metrics, now } = this.#options;
    const type = request.headers['content-type'] ?? '';
    if (!isJson(type)) {
      const sentence = `the content type is ${JSON.stringify(type)}; send application/json`;
      return turnAway(response, metrics, 415, sentence);
    }
    const timeout = timeoutOf(request.url ?? '');
    if (timeout === undefined) {
      const sentence = 'timeout is not a duration above zero; write for example ?timeout=10s';
      return turnAway(response, metrics, 400, sentence);
    }
    const deadline = now() + timeout - marginOf(timeout);
    const body = await this.#intake.read(request);
    if (body === 'cut') return;
    if (body === 'large') {
      const sentence = `the body is larger than ${LARGEST_BODY} bytes; send a smaller one`;
      return turnAway(response, metrics, 413, sentence);
    }
    if (body === 'shed') {
      metrics.shed('body');
      return sendAway(response, metrics, 'more bodies are arriving than the webhook takes on at once');
    }
    try {
      await this.#review(path, judge, body, deadline, response);
    } finally {
      this.#intake.giveBack(body);
    }
  }

  async #review(
    path: string,
    judge: Judge,
    body: Buffer,
    deadline: Instant,
    response: ServerResponse,
  ): Promise<void> {
    const { metrics, log } = this.#options;
    const startedAt = performance.now();
    const parsed = parseReview(body);
    if (parsed.kind === 'garbage') return turnAway(response, metrics, 400, parsed.message);
    if (parsed.kind === 'refused') {
      const answer = failed('BadRequest', parsed.message);
      metrics.reviewed(path, answer.verdict, (performance.now() - startedAt) / 1000);
      log.info({ path, verdict: answer.verdict, because: parsed.message }, 'turned a review away');
      return sendJson(response, renderReview(parsed.uid, answer, parsed.apiVersion));
    }
    const { request: asked } = parsed;
    const giveBack = this.#slots.take(kindOf(asked));
    if (giveBack === null) {
      metrics.shed('review');
      return sendAway(response, metrics, 'more reviews are under way than the webhook takes on at once');
    }
    let answer: Answer;
    try {
      const judged = this.#judged(judge, asked, deadline);
      answer = judged instanceof Promise ? await judged : judged;
    } finally {
      giveBack();
    }
    sendJson(response, renderReview(asked.uid, answer));

    const ms = performance.now() - startedAt;
    metrics.reviewed(path, answer.verdict, ms / 1000);
    log.info(
      {
        path,
        operation: asked.operation,
        name: subjectOf(asked),
        user: asked.user.username,
        verdict: answer.verdict,
        ms: Math.round(ms * 100) / 100,
        ...(asked.dryRun && { dryRun: true }),
        ...(answer.codes?.length && { findings: answer.codes }),
        ...(answer.verdict === 'error' && { because: answer.message }),
      },
      'reviewed',
    );
  }

  /** Whatever happens there is an answer, and the server lives. */
  #judged(judge: Judge, asked: AdmissionRequest, deadline: Instant): Answer | Promise<Answer> {
    const { now } = this.#options;
    // The API server has gone on without it; to judge it all the same would make the next ones late as well.
    if (now() > deadline)
      return failed('Timeout', 'the webhook was too busy to judge it in time; apply it again');
    try {
      const answer = judge(asked, deadline);
      return answer instanceof Promise ? answer.catch((err: unknown) => this.#failed(asked, err)) : answer;
    } catch (err) {
      return this.#failed(asked, err);
    }
  }

  #failed(asked: AdmissionRequest, err: unknown): Answer {
    if (err instanceof RangeError) {
      return failed('BadRequest', 'the resource is nested too deeply to be read; a policy has four levels');
    }
    this.#options.log.error({ err, name: subjectOf(asked) }, 'a review failed');
    return failed('InternalError', 'the policy could not be judged; the log of the webhook says why');
  }
}

function isJson(type: string): boolean {
  return type === 'application/json' || /^application\/json\s*(;|$)/i.test(type);
}

/** Milliseconds of `?timeout=10s`; undefined when it is none. */
function timeoutOf(url: string): number | undefined {
  const given = /[?&]timeout=([^&#]*)/.exec(url)?.[1];
  if (given === undefined) return DEFAULT_TIMEOUT_MS;
  const ms = parseDuration(given);
  return ms !== undefined && ms > 0 ? Math.min(ms, LONGEST_TIMEOUT_MS) : undefined;
}

/** What the way back may take: the answer is worth nothing behind the API server's deadline. */
function marginOf(timeout: number): number {
  return Math.min(500, timeout / 5);
}

/** Too much at once: the API server asks again, as long as its time limit lets it. */
function sendAway(response: ServerResponse, metrics: Metrics, why: string): void {
  response.setHeader('retry-after', RETRY_AFTER);
  turnAway(response, metrics, 429, `${why}; ask again in ${RETRY_AFTER} s`);
}

/** Answers without an AdmissionReview. */
export function turnAway(response: ServerResponse, metrics: Metrics, status: number, sentence: string): void {
  metrics.turnedAway(status);
  sendText(response, status, sentence);
}

function sendJson(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  const body = `${text}\n`;
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}
