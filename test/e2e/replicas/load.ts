import assert from 'node:assert/strict';
import https from 'node:https';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { API_VERSION, KIND, PLURAL } from '../../../policy/schema.ts';
import type { ControlPlane } from '../../cluster/control-plane.ts';
import { until } from './until.ts';

/** A request that did not get the answer that it should. */
export interface Failure {
  readonly kind: 'apply' | 'connect';
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** 0 where there was no answer. */
  readonly status: number;
  readonly message: string;
  /** How often it had failed before, without a pause in between. */
  readonly repeats: number;
}

/** What came of the load so far. */
export interface Tally {
  readonly applies: number;
  readonly connects: number;
  readonly failures: readonly Failure[];
}

/** Policies that are applied and CONNECTs that are denied, without an end. */
export interface Load extends AsyncDisposable {
  /** Since the last `take`, which begins anew. */
  take(): Tally;
  /** Resolves when so many more applies and CONNECTs have been answered well. */
  more(applies: number, connects: number): Promise<void>;
  /** Resolves when nothing is under way any more. */
  pause(): Promise<void>;
  resume(): void;
}

export interface LoadOptions {
  /** Namespaces that each have a writer of their own. */
  readonly writers: readonly string[];
  /** How many ask for CONNECT. */
  readonly connectors: number;
  /** Between two requests of one of them, milliseconds. */
  readonly pause: number;
}

const TIMEOUT_MS = 15_000;
const CONNECT_PATH = '/api/v1/nodes/node1/proxy/checkpoint/shop/cart/main';
/** Said by the webhook itself: an answer of the policy, which needs no webhook, would show nothing. */
const DENIED =
  /admission webhook "checkpoint-warden-connect\.criu\.org" denied the request: a checkpoint of shop/;

/** Starts the load as an administrator, each writer and connector over a kept connection of its own. */
export function startLoad(plane: ControlPlane, { writers, connectors, pause }: LoadOptions): Load {
  const { certificate, key } = plane.authority.issue({ name: 'load', groups: ['system:masters'] });
  const agent = new https.Agent({ keepAlive: true, ca: plane.ca, cert: certificate, key });
  let [applies, connects, failures]: [number, number, Failure[]] = [0, 0, []];
  let [ending, gate] = [false, Promise.withResolvers<void>()];
  gate.resolve();
  const underWay = new Set<Promise<void>>();

  const send = (method: string, path: string, body?: object) =>
    answerOf({ agent, host: plane.address, port: plane.port, method, path }, body);
  const attempt = async (kind: Failure['kind'], ask: () => Promise<Failed | null>) => {
    for (let repeats = 0; ; repeats += 1) {
      const failed = await ask();
      if (failed === null) break;
      failures.push({ kind, at: Date.now(), ...failed, repeats });
      if (ending) return;
      await sleep(20);
    }
    if (kind === 'apply') applies += 1;
    else connects += 1;
  };
  const forever = async (kind: Failure['kind'], ask: (round: number) => Promise<Failed | null>) => {
    for (let round = 0; ; round += 1) {
      await gate.promise;
      if (ending) return;
      const work = attempt(kind, () => ask(round));
      underWay.add(work);
      await work;
      underWay.delete(work);
      await sleep(pause);
    }
  };

  const loops = [
    ...writers.map((namespace) =>
      forever('apply', async (round) => {
        const path = `/apis/${API_VERSION}/namespaces/${namespace}/${PLURAL}/quotas?fieldManager=load&force=true`;
        const { status, message } = await send('PATCH', path, policy(namespace, (round % 50) + 1));
        return status === 200 || status === 201 ? null : { status, message };
      }),
    ),
    ...Array.from({ length: connectors }, () =>
      forever('connect', async () => {
        const { status, message } = await send('POST', CONNECT_PATH);
        return status === 403 && DENIED.test(message) ? null : { status, message };
      }),
    ),
  ];

  return {
    take() {
      const tally = { applies, connects, failures };
      [applies, connects, failures] = [0, 0, []];
      return tally;
    },
    async more(moreApplies, moreConnects) {
      const wanted = [applies + moreApplies, connects + moreConnects] as const;
      await until(() => applies >= wanted[0] && connects >= wanted[1], 'the load goes on');
    },
    async pause() {
      gate = Promise.withResolvers();
      await Promise.all(underWay);
    },
    resume: () => gate.resolve(),
    async [Symbol.asyncDispose]() {
      ending = true;
      gate.resolve();
      await Promise.all(loops);
      agent.destroy();
    },
  };
}

interface Failed {
  readonly status: number;
  readonly message: string;
}

function policy(namespace: string, maxCheckpoints: number): object {
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { name: 'quotas', namespace },
    spec: { namespacePolicies: [{ namespace, maxCheckpoints }] },
  };
}

/** The answer's status, and the message of a Status or why there is no answer. */
async function answerOf(options: https.RequestOptions, body?: object): Promise<Failed> {
  const { promise, resolve } = Promise.withResolvers<Failed>();
  const headers = body === undefined ? {} : { 'content-type': 'application/apply-patch+yaml' };
  const request = https.request({ ...options, headers, timeout: TIMEOUT_MS }, async (response) => {
    try {
      const said = await text(response);
      resolve({ status: response.statusCode ?? 0, message: messageOf(said) });
    } catch (error) {
      resolve({ status: 0, message: String(error) });
    }
  });
  request.once('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
  request.once('error', ({ message }) => resolve({ status: 0, message }));
  request.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

function messageOf(said: string): string {
  try {
    return String(JSON.parse(said).message);
  } catch {
    return said.slice(0, 500);
  }
}

/** Failures by what they say, for a person to read. */
export function shown({ applies, connects, failures }: Tally): string {
  const kinds = new Map<string, number>();
  for (const { kind, status, message } of failures) {
    const line = `${kind} ${status} ${message}`;
    kinds.set(line, (kinds.get(line) ?? 0) + 1);
  }
  const lines = [...kinds].map(([line, count]) => `${count} x ${line}`);
  return [`${applies} applies, ${connects} CONNECTs, ${failures.length} failures`, ...lines].join('\n');
}

/** Asserts that the load went on since the last look, and that not one request failed. */
export function noneFailed(t: TestContext, load: Load, atLeast: number): void {
  const tally = load.take();
  t.diagnostic(shown(tally));
  assert.ok(tally.applies >= atLeast && tally.connects >= atLeast, 'the load went on');
  // The first tell the rest.
  assert.deepEqual(tally.failures.slice(0, 10), []);
}
