import type { ServerResponse } from 'node:http';
import type { UserInfo } from '../../../kube/types.ts';
import type { ApiPath } from './route.ts';

/** One request of the API server's, by whom it names. */
export interface ApiCall {
  readonly method: string;
  readonly path: ApiPath;
  readonly query: URLSearchParams;
  readonly accept: string | undefined;
  readonly contentType: string;
  readonly user: UserInfo;
  /** JSON, as far as there is a body. @throws ApiError 400, 413 */
  readonly body: () => Promise<unknown>;
  /** Aborted when the caller has gone, or the server closes. */
  readonly signal: AbortSignal;
  readonly response: ServerResponse;
}

const JSON_TYPE = 'application/json';
const MOST_NAMED = 10;
const LONGEST_WARNING = 1_000;

/** An answer of one piece. */
export function answer(
  { response }: Pick<ApiCall, 'response'>,
  status: number,
  body: string | object,
  headers: Readonly<Record<string, string | readonly string[]>> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const content = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, {
    'content-type': JSON_TYPE,
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(content),
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()])),
  });
  response.end(content);
}

/** Begins an answer that is written piece by piece. */
export function begin(
  { response }: ApiCall,
  headers: Readonly<Record<string, string | readonly string[]>>,
): void {
  response.writeHead(200, {
    'content-type': JSON_TYPE,
    'cache-control': 'no-store',
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()])),
  });
  // Of a watch the client waits for the head alone.
  response.flushHeaders();
}

/** Resolves when the client can take more. Rejects when it has gone. */
export async function write({ response, signal }: ApiCall, piece: string): Promise<void> {
  signal.throwIfAborted();
  if (response.write(piece)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('drain', resolve);
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  response.off('drain', resolve);
  signal.throwIfAborted();
}

/** Warnings as kubectl shows them: `Warning: …`. RFC 7234, with code 299 and no agent. */
export function warnings(texts: readonly string[]): { readonly warning?: readonly string[] } {
  if (texts.length === 0) return {};
  return { warning: texts.map((each) => `299 - ${quoted(each)}`) };
}

function quoted(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?').slice(0, LONGEST_WARNING);
  return `"${plain.replace(/["\\]/g, '\\$&')}"`;
}

/** What is to be said of nodes that did not answer. */
export function silentNodes(nodes: readonly string[]): readonly string[] {
  if (nodes.length === 0) return [];
  const named = nodes.slice(0, MOST_NAMED).join(', ');
  const more = nodes.length > MOST_NAMED ? ` and ${nodes.length - MOST_NAMED} more` : '';
  return [
    nodes.length === 1
      ? `node ${named} does not answer: its checkpoints are not shown`
      : `nodes ${named}${more} do not answer: their checkpoints are not shown`,
  ];
}
