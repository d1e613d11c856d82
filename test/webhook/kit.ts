import { once } from 'node:events';
import { Agent, type RequestOptions, request } from 'node:https';
import { text } from 'node:stream/consumers';
import pino, { type Logger } from 'pino';
import { selfSignedCertificates } from '../../certs/self-signed.ts';
import type { CertificateSource } from '../../certs/source.ts';
import type { JsonObject } from '../../policy/json.ts';
import { readResource } from '../../policy/read.ts';
import type { PolicyResource } from '../../policy/types.ts';
import type { PolicySource } from '../../source/source.ts';
import { startWebhook, type Webhook, type WebhookOptions } from '../../webhook/main.ts';

/** A policy resource as the API server sends it. */
export function policy(spec: unknown, metadata: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'criu.org/v1',
    kind: 'CheckpointRestoreOperator',
    metadata: { namespace: 'team-a', name: 'quotas', ...metadata },
    spec,
  };
}

/** The request of an AdmissionReview. */
export function admissionRequest(object: unknown, more: JsonObject = {}): JsonObject {
  return {
    uid: 'f0b7',
    kind: { group: 'criu.org', version: 'v1', kind: 'CheckpointRestoreOperator' },
    resource: { group: 'criu.org', version: 'v1', resource: 'checkpointrestoreoperators' },
    operation: 'CREATE',
    namespace: 'team-a',
    name: 'quotas',
    userInfo: { username: 'ada', groups: ['system:authenticated'] },
    dryRun: false,
    object,
    ...more,
  };
}

export function admissionReview(object: unknown, more: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: admissionRequest(object, more),
  };
}

/** A request through `nodes/proxy` as the API server sends it. */
export function connecting(path: unknown, more: JsonObject = {}): JsonObject {
  const object = { kind: 'NodeProxyOptions', apiVersion: 'v1', ...(path !== undefined && { path }) };
  return admissionReview(object, {
    kind: { group: '', version: 'v1', kind: 'NodeProxyOptions' },
    resource: { group: '', version: 'v1', resource: 'nodes' },
    subResource: 'proxy',
    operation: 'CONNECT',
    namespace: undefined,
    name: 'https:node1:10250',
    oldObject: null,
    ...more,
  });
}

/** A source that a test changes by hand. */
export class FakeSource implements PolicySource {
  fresh = true;
  started = false;
  stopped = false;
  #resources = new Map<string, PolicyResource>();
  #listeners = new Set<() => void>();

  async start(): Promise<void> {
    this.started = true;
  }
  resources(): readonly PolicyResource[] {
    return [...this.#resources.values()];
  }
  problems(): readonly [] {
    return [];
  }
  isFresh(): boolean {
    return this.fresh;
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  async stop(): Promise<void> {
    this.stopped = true;
  }

  put(document: JsonObject): void {
    const { resource } = readResource(document);
    if (resource === null) throw new Error('not a resource');
    const { namespace, name } = resource.reference;
    this.#resources.set(`${namespace}/${name}`, resource);
    this.#tell();
  }
  remove(key: string): void {
    this.#resources.delete(key);
    this.#tell();
  }
  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

export const silent: Logger = pino({ level: 'silent' });

/** A log whose lines a test reads. */
export function recordedLog(): { readonly log: Logger; readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { log, lines };
}

let shared: Promise<CertificateSource> | undefined;

/** One certificate for all tests of a file: keys take time to make. */
export async function sharedCertificates(): Promise<CertificateSource> {
  shared ??= (async () => {
    const source = selfSignedCertificates({ names: ['localhost', '127.0.0.1'], log: silent });
    await source.start();
    return { ...source, start: async () => {}, stop: async () => {} };
  })();
  return shared;
}

/** One HTTPS request. */
export async function call(
  url: string,
  options: RequestOptions,
  body: string | Buffer = '',
): Promise<HttpAnswer> {
  const sent = request(url, options);
  sent.end(body);
  const [response] = await once(sent, 'response');
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

export interface TestWebhook extends AsyncDisposable {
  readonly webhook: Webhook;
  readonly source: FakeSource;
  readonly ca: string;
  /** Sends JSON (or a body as it is) and reads the answer. */
  send(path: string, body: unknown, options?: RequestOptions): Promise<HttpAnswer>;
  /** Sends a review, expects an AdmissionReview, and returns its response. */
  ask(path: string, review: unknown): Promise<ReviewResponse>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

export interface ReviewResponse {
  readonly uid: string;
  readonly allowed: boolean;
  readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
  readonly warnings?: readonly string[];
  readonly patch?: string;
  readonly patchType?: string;
  readonly auditAnnotations?: Readonly<Record<string, string>>;
}

export async function startTestWebhook(options: Partial<WebhookOptions> = {}): Promise<TestWebhook> {
  const source = new FakeSource();
  const certificates = options.certificates ?? (await sharedCertificates());
  const webhook = await startWebhook({
    listen: { host: '127.0.0.1', port: 0 },
    source,
    certificates,
    reviewer: { mayGovern: async () => false },
    log: silent,
    ...options,
    timings: { drain: 0, ...options.timings },
  });
  const agent = new Agent({ keepAlive: true, ca: certificates.current().ca });
  const send: TestWebhook['send'] = (path, body, more = {}) => {
    const headers = { 'content-type': 'application/json', ...more.headers };
    const options = { method: 'POST', agent, ...more, headers };
    const sent = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return call(`${webhook.url}${path}`, options, sent);
  };
  return {
    webhook,
    source,
    ca: certificates.current().ca,
    send,
    async ask(path, review) {
      const { status, body } = await send(path, review);
      if (status !== 200) throw new Error(`HTTP ${status}: ${body}`);
      const { kind, apiVersion, response } = JSON.parse(body);
      if (kind !== 'AdmissionReview' || !apiVersion.startsWith('admission.k8s.io/')) throw new Error(body);
      return response;
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await webhook.stop();
    },
  };
}
