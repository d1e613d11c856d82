import type { IncomingMessage, ServerResponse } from 'node:http';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import type { Logger } from '../observe/log.ts';
import { parseDuration } from '../policy/duration.ts';
import type { Instant } from '../policy/types.ts';
import { BodyCutShort, BodyTooLarge, LARGEST_BODY, readBody } from './body.ts';
import type { Metrics } from './metrics.ts';
import { type Answer, failed, renderReview } from './reply.ts';
import { type AdmissionRequest, parseReview, subjectOf } from './review.ts';

/** What the API server waits for at most, and by default. */
const LONGEST_TIMEOUT_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 10_000;

export type Judge = (request: AdmissionRequest, deadline: Instant) => Promise<Answer>;

export interface AppOptions {
  /** By path: `/validate`. */
  readonly judges: Readonly<Record<string, Judge>>;
  /** Why the webhook must not be asked now, as sentences; none when it is ready. */
  unready(): Promise<readonly string[]>;
  /** What is wrong without keeping it from being asked, as sentences. */
  remarks?(): readonly string[];
  readonly log: Pick<Logger, 'info' | 'error'>;
  readonly metrics: Metrics;
  readonly now: () => Instant;
}

/** The webhook's HTTP interface. */
export function createApp(options: AppOptions): Express {
  const { judges, metrics, log } = options;
  const app = express();
  app.disable('x-powered-by');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('query parser', false);

  const turnAway = (response: ServerResponse, status: number, sentence: string) => {
    metrics.turnedAway(status);
    sendText(response, status, sentence);
  };

  for (const [path, judge] of Object.entries(judges)) {
    const review = reviewer(path, judge, options, turnAway);
    app.post(path, (request, response) => review(request, response));
    app.all(path, (_request, response) => {
      response.setHeader('allow', 'POST');
      turnAway(response, 405, `${path} takes POST with an AdmissionReview`);
    });
  }
  app.get('/healthz', (_request, response) => sendText(response, 200, 'ok'));
  app.get('/readyz', async (_request, response) => {
    const reasons = await options.unready();
    if (reasons.length === 0) sendText(response, 200, ['ok', ...(options.remarks?.() ?? [])].join('\n'));
    else sendText(response, 503, reasons.join('\n'));
  });
  app.use((_request, response) => {
    const paths = [...Object.keys(judges), '/healthz', '/readyz'];
    turnAway(response, 404, `there is nothing here; known are ${paths.join(', ')}`);
  });
  app.use((err: unknown, _request: Request, response: Response, _next: NextFunction) => {
    // Express itself throws only for a path that cannot be decoded.
    const isCallers = err instanceof URIError || statusOf(err) === 400;
    if (!isCallers) log.error({ err }, 'a request could not be answered');
    const sentence = isCallers ? 'the path cannot be decoded' : 'an internal error; see the log';
    turnAway(response, isCallers ? 400 : 500, sentence);
  });
  return app;
}

function reviewer(
  path: string,
  judge: Judge,
  { log, metrics, now }: AppOptions,
  turnAway: (response: ServerResponse, status: number, sentence: string) => void,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    const type = request.headers['content-type'] ?? '';
    if (!/^application\/json\s*(;|$)/i.test(type)) {
      return turnAway(response, 415, `the content type is ${JSON.stringify(type)}; send application/json`);
    }
    const timeout = timeoutOf(request.url ?? '');
    if (timeout === undefined) {
      return turnAway(response, 400, 'timeout is not a duration above zero; write for example ?timeout=10s');
    }
    const arrivedAt = now();
    const body = await bodyOf(request);
    if (typeof body === 'string') return turnAway(response, 413, body);
    if (body === null) return;

    const startedAt = performance.now();
    const parsed = parseReview(body);
    if (parsed.kind === 'garbage') return turnAway(response, 400, parsed.message);
    if (parsed.kind === 'refused') {
      const answer = failed('BadRequest', parsed.message);
      metrics.reviewed(path, answer.verdict, (performance.now() - startedAt) / 1000);
      log.info({ path, verdict: answer.verdict, because: parsed.message }, 'turned a review away');
      return sendJson(response, renderReview(parsed.uid, answer, parsed.apiVersion));
    }
    const { request: asked } = parsed;
    const answer = await judged(judge, asked, arrivedAt + timeout - marginOf(timeout), log);
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
  };
}

/** Whatever happens there is an answer, and the server lives. */
async function judged(
  judge: Judge,
  asked: AdmissionRequest,
  deadline: Instant,
  log: AppOptions['log'],
): Promise<Answer> {
  try {
    return await judge(asked, deadline);
  } catch (err) {
    if (err instanceof RangeError) {
      return failed('BadRequest', 'the resource is nested too deeply to be read; a policy has four levels');
    }
    log.error({ err, name: subjectOf(asked) }, 'a review failed');
    return failed('InternalError', 'the policy could not be judged; the log of the webhook says why');
  }
}

/** The body, a sentence when it is too large, null when the caller went away. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | string | null> {
  try {
    return await readBody(request);
  } catch (error) {
    if (error instanceof BodyTooLarge)
      return `the body is larger than ${LARGEST_BODY} bytes; send a smaller one`;
    if (error instanceof BodyCutShort) return null;
    throw error;
  }
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

function statusOf(err: unknown): unknown {
  return typeof err === 'object' && err !== null && 'status' in err ? err.status : undefined;
}

function sendJson(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function sendText(response: ServerResponse, status: number, text: string): void {
  const body = `${text}\n`;
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}
