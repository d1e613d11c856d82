import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, writeSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import type { Credentials } from '../../cluster/authority.ts';
import { archiveOf } from './fake-runtime.ts';

/** A container that the fake kubelet knows. */
export interface FakeContainer {
  readonly running: boolean;
  /** Milliseconds that a checkpoint of it takes. */
  readonly ms?: number;
  /** The runtime fails, with these words of its own. */
  readonly fails?: string;
  /** The archive comes so many milliseconds after the answer. */
  readonly lateMs?: number;
  readonly bytes?: number;
}

export interface FakeKubeletOptions {
  readonly certificate: Credentials;
  /** The authority of client certificates. */
  readonly ca: string;
  /** Where archives are written. */
  readonly directory: string;
  /** Tokens, and whether they may create nodes/checkpoint. */
  readonly tokens: Map<string, boolean>;
  /** By `namespace/pod/container`. */
  readonly containers: Map<string, FakeContainer>;
}

/** What came in, as the kubelet saw it. */
export interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
}

export interface FakeKubelet {
  readonly url: string;
  readonly seen: Seen[];
  /** Right after its start it knows no pod. */
  knowsPods: boolean;
  /** Takes the answering of the next request over. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | null;
  close(): Promise<void>;
}

const PATH = /^\/checkpoint\/([^/]+)\/([^/]+)\/([^/?]+)\/?(?:\?(.*))?$/;

/** Answers as kubelet 1.36 was seen to answer; its archives are those of containerd. */
export async function startFakeKubelet(options: FakeKubeletOptions): Promise<FakeKubelet> {
  mkdirSync(options.directory, { recursive: true });
  const server = createServer(
    {
      cert: options.certificate.certificate,
      key: options.certificate.key,
      ca: options.ca,
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      fake.seen.push({ method: request.method, url: request.url, headers: request.headers });
      const { answer } = fake;
      fake.answer = null;
      if (answer !== null) answer(request, response);
      else void checkpoint(fake, options, request, response);
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const fake: FakeKubelet = {
    url: `https://127.0.0.1:${port}`,
    seen: [],
    knowsPods: true,
    answer: null,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return fake;
}

async function checkpoint(
  fake: FakeKubelet,
  { directory, tokens, containers }: FakeKubeletOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const say = (status: number, text: string) => {
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(text);
  };
  const [, namespace = '', pod = '', container = '', query = ''] = PATH.exec(request.url ?? '') ?? [];
  if (namespace === '') return say(404, '404 page not found\n');
  if (request.method !== 'POST') return say(405, '405: Method Not Allowed');
  const may = mayCheckpoint(request, tokens);
  if (may === null) return say(401, 'Unauthorized');
  if (!may)
    return say(403, 'Forbidden (user=robot, verb=create, resource=nodes, subresource(s)=[checkpoint])');
  const pods = [...containers.keys()].filter((name) => name.startsWith(`${namespace}/${pod}/`));
  if (!fake.knowsPods || pods.length === 0) return say(404, 'pod does not exist');
  const name = `${namespace}/${pod}/${container}`;
  const found = containers.get(name);
  if (found === undefined) return say(404, `container ${container} does not exist`);
  const timeouts = query.split('&').filter((each) => each.startsWith('timeout'));
  const timeout = timeouts.at(-1)?.split('=')[1];
  if (timeouts.length > 0 && !/^[+-]?\d+$/.test(timeout ?? ''))
    return say(404, 'cannot parse value of timeout parameter');
  const fail = (why: string) => say(500, `checkpointing of ${name} failed (${why})`);
  if (!found.running) return fail(`container ${container} not found`);
  if (Number(timeout ?? 0) < 0) return fail('CheckpointContainer requires the timeout value to be > 0');
  // The time in the name is that of the start; the file is there at the end.
  const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const path = join(directory, `checkpoint-${pod}_${namespace}-${container}-${time}.tar`);
  await sleep(found.ms ?? 20);
  const write = () => writeInPlace(path, archiveOf({ namespace, pod, container }, found.bytes ?? 10_240));
  if (found.lateMs !== undefined) setTimeout(write, found.lateMs);
  if (found.fails !== undefined) return fail(found.fails);
  if (found.lateMs === undefined) write();
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`{"items":["${path}"]}`);
}

/** Null for nobody. */
function mayCheckpoint({ headers, socket }: IncomingMessage, tokens: Map<string, boolean>): boolean | null {
  if (socket instanceof TLSSocket && socket.authorized) return true;
  const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
  return tokens.get(token) ?? null;
}

/** No temporary name, no truncation: what is longer keeps its tail. */
function writeInPlace(path: string, bytes: Buffer): void {
  const file = openSync(path, existsSync(path) ? 'r+' : 'w', 0o600);
  writeSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
}
