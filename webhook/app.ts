import type { RequestListener, ServerResponse } from 'node:http';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { BOUNDS, type Bounds } from './bounds.ts';
import { type Judge, Reviewer, type ReviewerOptions, sendText, turnAway } from './reviewer.ts';

export type { Judge } from './reviewer.ts';

export interface AppOptions extends Omit<ReviewerOptions, 'bounds'> {
  /** By path: `/validate`. */
  readonly judges: Readonly<Record<string, Judge>>;
  /** Why the webhook must not be asked now, as sentences; none when it is ready. */
  unready(): Promise<readonly string[]>;
  /** What is wrong without keeping it from being asked, as sentences. */
  remarks?(): readonly string[];
  readonly bounds?: Bounds;
}

/**
 * The webhook's HTTP interface. What the API server asks goes straight to its judge, all else through express:
 * docs/adr/0012.
 */
export function createApp(options: AppOptions): RequestListener {
  const { log, metrics } = options;
  const reviewer = new Reviewer({ ...options, bounds: options.bounds ?? BOUNDS });
  const judges = new Map(Object.entries(options.judges));
  const rest = createRest(options);
  const onFailure = (err: unknown, response: ServerResponse) => {
    log.error({ err }, 'a request could not be answered');
    if (response.headersSent) response.destroy();
    else turnAway(response, metrics, 500, 'an internal error; see the log');
  };
  return (request, response) => {
    const { url = '', method } = request;
    const query = url.indexOf('?');
    const path = query < 0 ? url : url.slice(0, query);
    const judge = method === 'POST' ? judges.get(path) : undefined;
    if (judge === undefined) rest(request, response);
    else reviewer.answer(path, judge, request, response).catch((err: unknown) => onFailure(err, response));
  };
}

/** Health, and whatever is no review. */
function createRest({ judges, unready, remarks, metrics, log }: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('query parser', false);

  for (const path of Object.keys(judges)) {
    app.all(path, (_request, response) => {
      response.setHeader('allow', 'POST');
      turnAway(response, metrics, 405, `${path} takes POST with an AdmissionReview`);
    });
  }
  app.get('/healthz', (_request, response) => sendText(response, 200, 'ok'));
  app.get('/readyz', async (_request, response) => {
    const reasons = await unready();
    if (reasons.length === 0) sendText(response, 200, ['ok', ...(remarks?.() ?? [])].join('\n'));
    else sendText(response, 503, reasons.join('\n'));
  });
  app.use((_request, response) => {
    const paths = [...Object.keys(judges), '/healthz', '/readyz'];
    turnAway(response, metrics, 404, `there is nothing here; known are ${paths.join(', ')}`);
  });
  app.use((err: unknown, _request: Request, response: Response, _next: NextFunction) => {
    // Express itself throws only for a path that cannot be decoded.
    const isCallers = err instanceof URIError || statusOf(err) === 400;
    if (!isCallers) log.error({ err }, 'a request could not be answered');
    const sentence = isCallers ? 'the path cannot be decoded' : 'an internal error; see the log';
    turnAway(response, metrics, isCallers ? 400 : 500, sentence);
  });
  return app;
}

function statusOf(err: unknown): unknown {
  return typeof err === 'object' && err !== null && 'status' in err ? err.status : undefined;
}
