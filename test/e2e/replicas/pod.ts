import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import https from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from '../../../kube/client.ts';
import type { Guard } from '../../cluster/guard.ts';
import { hasExited } from '../../cluster/guard.ts';
import { freePort } from '../../cluster/port.ts';
import { type Server, startServer } from '../../cluster/server.ts';
import { type Conditions, type Endpoint, endpointOf } from './endpoint.ts';
import type { PodTemplate, Probe } from './manifest.ts';
import { mountSecret } from './mount.ts';
import { until } from './until.ts';

const PROGRAM = join(import.meta.dirname, '../../../cli/checkpoint-warden.js');
const SECRETS = '/api/v1/namespaces/checkpoint-warden/secrets';
const LOG_LINES = 30;

/** Where the kubelet's and the controllers' part of a pod is played. */
export interface PodPlace {
  readonly guard: Guard;
  /** An administrator's. */
  readonly client: KubeClient;
  /** Of the webhook's service account. */
  readonly kubeconfig: string;
  /** Of this machine, and not the loopback one. */
  readonly address: string;
  /** From a change of a pod to its endpoint's, milliseconds. */
  readonly delay: number;
}

/** How a container ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Milliseconds from the wish. */
  readonly took: number;
}

/** One pod of the Deployment: a process with its arguments, and what kubelet and controllers do around it. */
export class Pod {
  readonly name: string;
  /** Of admission. */
  readonly url: string;
  /** Of the gateway; undefined where the manifests open none. */
  readonly gatewayUrl: string | undefined;
  readonly #mounts: readonly AsyncDisposable[];
  readonly #place: PodPlace;
  readonly #template: PodTemplate;
  readonly #args: readonly string[];
  readonly #endpoint: Endpoint;
  readonly #watching: Promise<void>;
  #conditions: Conditions = { ready: false, terminating: false };
  #told: Promise<void> = Promise.resolve();
  #server: Server;
  #restarts = 0;
  #deleted = false;

  private constructor(
    name: string,
    place: PodPlace,
    template: PodTemplate,
    { args, server, ports, mounts }: Begun,
  ) {
    this.name = name;
    this.#mounts = mounts;
    this.#place = place;
    this.#template = template;
    this.#args = args;
    this.#server = server;
    this.#endpoint = endpointOf(place.client, name, place.address, ports);
    this.url = `https://${place.address}:${ports.get('https')}`;
    const gateway = ports.get('gateway');
    this.gatewayUrl = gateway === undefined ? undefined : `https://${place.address}:${gateway}`;
    this.#watching = this.#watch();
  }

  /** Starts its container as soon as its mounts are there. */
  static async start(name: string, place: PodPlace, template: PodTemplate): Promise<Pod> {
    const { guard, client, kubeconfig, address } = place;
    const root = join(guard.directory, 'pods', name);
    const mounts = await Promise.all(
      template.mounts.map(({ path, secret, keys }) =>
        mountSecret({
          ...{ client, secret: `${SECRETS}/${secret}`, directory: join(root, path) },
          ...(keys && { keys }),
        }),
      ),
    );
    const ports = new Map<string, number>();
    for (const each of template.ports.keys()) ports.set(each, await freePort());
    const args = template.args.map((each) => argumentIn(each, template, { root, ports, address }));
    const all = [...template.nodeOptions, PROGRAM, ...args, `--kubeconfig=${kubeconfig}`];
    const server = await startServer(guard, process.execPath, all, name);
    return new Pod(name, place, template, { args: all, server, ports, mounts });
  }

  get ready(): boolean {
    return this.#conditions.ready;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Path of its log; restarts continue it. */
  get log(): string {
    return this.#server.log;
  }

  /** Lines of its log that are no everyday matter. */
  async complaints(): Promise<string[]> {
    const lines = (await readFile(this.log, 'utf8')).split('\n');
    return lines.filter((line) => line !== '' && !line.startsWith('{"level":"info"'));
  }

  /** Resolves when the API server knows that it is ready, after so many restarts. */
  async untilReady(restarts = 0): Promise<void> {
    await until(
      () => this.ready && this.#restarts >= restarts,
      `${this.name} is ready`,
      () => this.#found(),
    );
    await this.#told;
  }

  /** What there is to know of a pod that is not ready, for a person to read. */
  async #found(): Promise<string> {
    const { status, text } = await this.ask(this.#template.readiness);
    const { child } = this.#server;
    const process = hasExited(child) ? `ended (${child.signalCode ?? child.exitCode})` : 'is running';
    const log = (await readFile(this.log, 'utf8')).trimEnd().split('\n').slice(-LOG_LINES).join('\n');
    return `; it ${process} after ${this.#restarts} restarts, ${this.#template.readiness.path} answers ${status} ${text}; the end of its log:\n${log}`;
  }

  /** Asks a probe's question, as the kubelet does: without a look at the certificate. */
  ask({ path, timeout }: Pick<Probe, 'path' | 'timeout'>): Promise<{ status: number; text: string }> {
    return get(`${this.url}${path}`, timeout);
  }

  /** Deletes the pod: SIGTERM at once, its endpoint a moment later, SIGKILL when its grace is over. */
  async delete(): Promise<Ended> {
    this.#deleted = true;
    const began = Date.now();
    const { child } = this.#server;
    child.ref();
    const exit = hasExited(child) ? undefined : once(child, 'exit');
    const forgotten = sleep(this.#place.delay).then(() =>
      this.#endpoint.set({ ready: false, terminating: true }),
    );
    child.kill('SIGTERM');
    const overdue = setTimeout(() => child.kill('SIGKILL'), this.#template.grace);
    await exit;
    clearTimeout(overdue);
    const ended = { code: child.exitCode, signal: child.signalCode, took: Date.now() - began };
    await Promise.all([forgotten, this.#watching, this.#told]);
    await this.#endpoint.remove();
    for (const mount of this.#mounts) await mount[Symbol.asyncDispose]();
    return ended;
  }

  /** Ends what there is of it in this process, at the end of a test; the guard ends the container. */
  async end(): Promise<void> {
    this.#deleted = true;
    await Promise.all([this.#watching, this.#told]);
    for (const mount of this.#mounts) await mount[Symbol.asyncDispose]();
  }

  /** Ends the container by SIGKILL; the kubelet starts it again. */
  async kill(): Promise<void> {
    await this.#server.kill();
  }

  /** Lets the container do nothing for so many milliseconds, as a blocked event loop would. */
  async freeze(ms: number): Promise<void> {
    this.#server.child.kill('SIGSTOP');
    await sleep(ms);
    this.#server.child.kill('SIGCONT');
  }

  /** Probes the container, starts it again when it has ended, and tells the endpoint, until the pod is deleted. */
  async #watch(): Promise<void> {
    const { startup, readiness } = this.#template;
    let failures = 0;
    while (!this.#deleted) {
      await sleep(this.ready ? readiness.period : startup.period, undefined, { ref: false });
      if (this.#deleted) return;
      if (hasExited(this.#server.child)) {
        this.#change(false);
        this.#restarts += 1;
        this.#server = await startServer(this.#place.guard, process.execPath, this.#args, this.name);
        continue;
      }
      const { status } = await this.ask(this.ready ? readiness : startup);
      failures = status === 200 ? 0 : failures + 1;
      if (status === 200) this.#change(true);
      else if (failures >= readiness.failures) this.#change(false);
    }
  }

  #change(ready: boolean): void {
    if (this.#conditions.ready === ready) return;
    this.#conditions = { ready, terminating: false };
    this.#told = sleep(this.#place.delay).then(() => {
      if (!this.#deleted) return this.#endpoint.set(this.#conditions);
    });
  }
}

interface Begun {
  readonly args: readonly string[];
  readonly server: Server;
  readonly ports: ReadonlyMap<string, number>;
  readonly mounts: readonly AsyncDisposable[];
}

/** An argument of the manifest with this machine's address, free ports and mounted paths. */
function argumentIn(
  argument: string,
  template: PodTemplate,
  { root, ports, address }: { root: string; ports: ReadonlyMap<string, number>; address: string },
): string {
  for (const [name, port] of template.ports) {
    if (argument.endsWith(`=:${port}`)) return argument.replace(/:\d+$/, `${address}:${ports.get(name)}`);
  }
  const mount = template.mounts.find(({ path }) => argument.includes(`=${path}`));
  return mount === undefined ? argument : argument.replace(mount.path, join(root, mount.path));
}

function get(url: string, timeout: number): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const request = https.get(url, { agent: false, rejectUnauthorized: false, timeout }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.once('error', ({ message }) => resolve({ status: 0, text: message }));
    });
    request.once('timeout', () => request.destroy(new Error('no answer in time')));
    request.once('error', ({ message }) => resolve({ status: 0, text: message }));
  });
}
