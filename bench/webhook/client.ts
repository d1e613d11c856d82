import { connect, type TLSSocket } from 'node:tls';
import { isObject, own, text } from '../../policy/json.ts';
import { reviewsOf } from './reviews.ts';

/**
 * A client that costs little: it speaks as much HTTP/1.1 as it must, over kept connections with one request each
 * under way, as the API server does. `rate` is in requests a second; 0 asks again as soon as there is an answer.
 */
export interface Load {
  readonly port: number;
  readonly ca: string;
  readonly path: string;
  readonly bytes: number;
  readonly connections: number;
  readonly seconds: number;
  readonly rate: number;
}

/** What came of it. */
export interface Answered {
  readonly requests: number;
  readonly errors: number;
  readonly seconds: number;
  /** Milliseconds from the moment when a request was due until its answer; in no order. */
  readonly times: readonly number[];
}

const open = new Map<string, Line[]>();

class Line {
  readonly #socket: TLSSocket;
  #received = '';
  #left = -1;
  #done: ((ok: boolean) => void) | null = null;
  dead = false;

  static async open({ port, ca }: Load): Promise<Line> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connect({ host: '127.0.0.1', port, ca, servername: 'localhost' }, resolve);
    socket.once('error', reject);
    socket.setNoDelay(true);
    await promise;
    return new Line(socket);
  }

  private constructor(socket: TLSSocket) {
    this.#socket = socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#take(chunk));
    const end = () => {
      this.dead = true;
      this.#finish(false);
    };
    socket.on('error', end).on('close', end);
  }

  ask(bytes: Buffer, done: (ok: boolean) => void): void {
    this.#done = done;
    this.#socket.write(bytes);
  }

  #take(chunk: string): void {
    this.#received = this.#received === '' ? chunk : this.#received + chunk;
    if (this.#left < 0) {
      const end = this.#received.indexOf('\r\n\r\n');
      if (end < 0) return;
      const at = this.#received.toLowerCase().indexOf('content-length: ');
      this.#left = end + 4 + Number.parseInt(this.#received.slice(at + 16, at + 28), 10);
    }
    if (this.#received.length < this.#left) return;
    const ok = this.#received.startsWith('HTTP/1.1 200');
    this.#received = '';
    this.#left = -1;
    this.#finish(ok);
  }

  #finish(ok: boolean): void {
    const done = this.#done;
    this.#done = null;
    done?.(ok);
  }
}

const known = new Map<string, readonly Buffer[]>();

function requestsOf(path: string, bytes: number): readonly Buffer[] {
  const key = `${path} ${bytes}`;
  const requests = known.get(key) ?? reviewsOf(path, bytes).map((body) => requestOf(path, body));
  known.set(key, requests);
  return requests;
}

function requestOf(path: string, body: Buffer): Buffer {
  const head = [
    `POST ${path}?timeout=10s HTTP/1.1`,
    'Host: localhost',
    'User-Agent: kube-apiserver-admission',
    'Content-Type: application/json',
    'Accept: application/json, */*',
    `Content-Length: ${body.length}`,
    'Accept-Encoding: gzip',
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]);
}

async function run(load: Load): Promise<Answered> {
  const { path, bytes, connections, seconds, rate, port } = load;
  const lines = (open.get(String(port)) ?? []).filter((line) => !line.dead);
  while (lines.length < connections) lines.push(await Line.open(load));
  open.set(String(port), lines);
  const requests = requestsOf(path, bytes);
  const times: number[] = [];
  let [sent, errors] = [0, 0];
  const began = performance.now();
  const end = began + seconds * 1_000;
  const next = () => requests[sent++ % requests.length] ?? Buffer.alloc(0);

  const ask = (line: Line, due: number): Promise<void> =>
    new Promise((resolve) => {
      line.ask(next(), (ok) => {
        if (ok) times.push(Math.round((performance.now() - due) * 1_000) / 1_000);
        else errors += 1;
        resolve();
      });
    });

  if (rate === 0) {
    await Promise.all(
      lines.map(async (line) => {
        while (performance.now() < end && !line.dead) await ask(line, performance.now());
      }),
    );
  } else {
    const idle = [...lines];
    const pending = new Set<Promise<void>>();
    await new Promise<void>((resolve) => {
      let due = began;
      const step = () => {
        const now = performance.now();
        while (due <= now && due < end && idle.length > 0) {
          const line = idle.pop();
          if (line === undefined) break;
          const asked = ask(line, due).then(() => {
            idle.push(line);
            pending.delete(asked);
          });
          pending.add(asked);
          due += 1_000 / rate;
        }
        if (due >= end) resolve();
        // A timer is late by up to a millisecond; the core is this client's own.
        else setImmediate(step);
      };
      step();
    });
    await Promise.all(pending);
  }
  const took = (performance.now() - began) / 1_000;
  return { requests: times.length, errors, seconds: took, times };
}

process.on('message', async (message: unknown) => {
  if (!isObject(message)) return;
  const number = (key: string) => Number(own(message, key));
  process.send?.(
    await run({
      port: number('port'),
      ca: text(own(message, 'ca')),
      path: text(own(message, 'path')),
      bytes: number('bytes'),
      connections: number('connections'),
      seconds: number('seconds'),
      rate: number('rate'),
    }),
  );
});
process.on('disconnect', () => process.exit());
