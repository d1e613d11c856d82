import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../cluster/eventually.ts';
import { freePort } from '../../cluster/port.ts';
import { FakeApiServer } from '../../kube/fake-api-server.ts';
import { admissionReview, type HttpAnswer, policy } from '../../webhook/kit.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** As in the manifests. */
const HEAP = ['--max-old-space-size=160', '--max-semi-space-size=16'];

/** The program `webhook`, as it runs in a pod, with an API server of our own. */
export interface Program extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly port: number;
  readonly ca: string;
  readonly metrics: string;
  ask(options: RequestOptions, body?: string | Buffer): Promise<HttpAnswer>;
  /** Resident memory, MB. */
  memory(): Promise<number>;
}

export async function startProgram(blockMs = 2_000): Promise<Program> {
  const api = await FakeApiServer.start();
  const [port, metrics] = [await freePort(), await freePort()];
  const caFile = join(api.directory, 'webhook-ca.crt');
  const child = spawn(
    process.execPath,
    [
      ...HEAP,
      ...['--import', join(import.meta.dirname, 'block.ts'), join(ROOT, 'cli/main.ts'), 'webhook'],
      ...['--kubeconfig', await api.kubeconfig(), '--listen', `127.0.0.1:${port}`],
      ...['--metrics', `127.0.0.1:${metrics}`, '--self-signed', 'localhost,127.0.0.1', '--write-ca', caFile],
    ],
    { stdio: 'ignore', env: { ...process.env, BLOCK_MS: String(blockMs) } },
  );
  const ca = await eventually(() => readFile(caFile, 'utf8'));
  const ask = async (options: RequestOptions, body: string | Buffer = ''): Promise<HttpAnswer> => {
    const sent = request({ host: '127.0.0.1', port, ca, servername: 'localhost', ...options });
    sent.end(body);
    const [response] = await once(sent, 'response');
    return { status: response.statusCode, headers: response.headers, body: await text(response) };
  };
  await eventually(async () => {
    const { status, body } = await ask({ path: '/readyz', agent: false });
    if (status !== 200) throw new Error(body);
  });
  return {
    ...{ child, port, ca, ask },
    metrics: `http://127.0.0.1:${metrics}/metrics`,
    async memory() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await api[Symbol.asyncDispose]();
    },
  };
}

export interface Stream {
  /** Resolves when so many more were answered, or one was not. */
  more(count: number): Promise<void>;
  /** Ends it. @returns how many were answered, and what went wrong with the others. */
  end(): Promise<{ readonly answered: number; readonly failed: readonly string[] }>;
}

/** Reviews one after the other over each of some kept connections, as the API server sends them, until told to end. */
export function streamOfReviews({ ask, ca }: Program, connections = 8): Stream {
  const agent = new Agent({ keepAlive: true, maxSockets: connections, ca });
  const spec = { namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 3 }] };
  const body = JSON.stringify(admissionReview(policy(spec)));
  const failed: string[] = [];
  let [answered, on] = [0, true];
  const call = { path: '/validate?timeout=10s', method: 'POST', agent, timeout: 10_000 } as const;
  const one = async () => {
    while (on) {
      try {
        const { status, body: answer } = await ask(
          { ...call, headers: { 'content-type': 'application/json' } },
          body,
        );
        if (status === 200 && answer.includes('"allowed":true')) answered += 1;
        else failed.push(`${status} ${answer}`);
      } catch (error) {
        failed.push(String(error));
      }
    }
  };
  const running = Array.from({ length: connections }, one);
  return {
    async more(count) {
      const wanted = answered + count;
      while (answered < wanted && failed.length === 0) await sleep(20);
    },
    async end() {
      on = false;
      await Promise.all(running);
      agent.destroy();
      return { answered, failed };
    },
  };
}
