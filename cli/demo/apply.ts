import { randomUUID } from 'node:crypto';
import { request } from 'node:https';
import { parse, stringify } from 'yaml';
import { fieldsOf, isObject, type JsonObject, own, text } from '../../policy/json.ts';
import { GROUP, KIND, PLURAL, VERSION } from '../../policy/schema.ts';

/** A webhook as the API server knows it: an address, and the authority that it has to be vouched for by. */
export interface WebhookClient {
  /** `https://127.0.0.1:9443` */
  readonly url: string;
  /** PEM. */
  readonly ca: string;
}

/** One field that the webhook has set. */
export interface Default {
  /** `spec.orphanGracePeriod` */
  readonly field: string;
  readonly value: unknown;
}

/** What `kubectl apply` is answered. */
export type Applied =
  | { readonly admitted: false; readonly message: string; readonly warnings: readonly string[] }
  | {
      readonly admitted: true;
      /** The resource as the API server would store it, as YAML. */
      readonly stored: string;
      readonly defaults: readonly Default[];
      readonly warnings: readonly string[];
    };

/** Sends a resource as the API server does at `kubectl apply`: first to be completed, then to be judged. */
export async function apply(webhook: WebhookClient, yaml: string): Promise<Applied> {
  const object = fieldsOf(parse(yaml));
  const mutated = await review(webhook, '/mutate', object);
  if (!mutated.allowed) return { admitted: false, message: mutated.message, warnings: mutated.warnings };
  const completed = patched(object, mutated.patch);
  const judged = await review(webhook, '/validate', completed);
  const warnings = [...mutated.warnings, ...judged.warnings];
  if (!judged.allowed) return { admitted: false, message: judged.message, warnings };
  return { admitted: true, stored: stringify(completed), defaults: defaultsIn(mutated.patch), warnings };
}

interface Verdict {
  readonly allowed: boolean;
  readonly message: string;
  readonly warnings: readonly string[];
  readonly patch: readonly JsonObject[];
}

async function review(webhook: WebhookClient, path: string, object: JsonObject): Promise<Verdict> {
  const metadata = fieldsOf(own(object, 'metadata'));
  const body = {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: randomUUID(),
      kind: { group: GROUP, version: VERSION, kind: KIND },
      resource: { group: GROUP, version: VERSION, resource: PLURAL },
      name: text(own(metadata, 'name')),
      namespace: text(own(metadata, 'namespace')) || 'default',
      operation: 'CREATE',
      userInfo: { username: 'admin', groups: ['system:masters'] },
      object,
      oldObject: null,
      dryRun: false,
    },
  };
  const response = fieldsOf(own(fieldsOf(await post(webhook, path, body)), 'response'));
  const warnings = own(response, 'warnings');
  const patch = text(own(response, 'patch'));
  const operations: unknown = patch === '' ? [] : JSON.parse(Buffer.from(patch, 'base64').toString('utf8'));
  return {
    allowed: own(response, 'allowed') === true,
    message: text(own(fieldsOf(own(response, 'status')), 'message')),
    warnings: Array.isArray(warnings) ? warnings.map(String) : [],
    patch: Array.isArray(operations) ? operations.filter(isObject) : [],
  };
}

async function post({ url, ca }: WebhookClient, path: string, body: unknown): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const call = request(new URL(path, url), {
    method: 'POST',
    ca,
    agent: false,
    headers: { 'content-type': 'application/json' },
    timeout: 10_000,
  });
  call.on('error', reject);
  call.on('timeout', () => call.destroy(new Error(`${url} does not answer`)));
  call.on('response', (response) => {
    let answer = '';
    response.setEncoding('utf8');
    response.on('data', (part: string) => {
      answer += part;
    });
    response.on('end', () => resolve(answer));
    response.on('error', reject);
  });
  call.end(JSON.stringify(body));
  return JSON.parse(await promise);
}

/** The resource with a JSON Patch on it; of its operations the webhook uses `add` to mappings. */
function patched(object: JsonObject, patch: readonly JsonObject[]): JsonObject {
  const copy: unknown = structuredClone(object);
  for (const operation of patch) {
    const keys = pathOf(operation);
    const last = keys.pop() ?? '';
    let parent: unknown = copy;
    for (const key of keys) parent = Array.isArray(parent) ? parent[Number(key)] : own(fieldsOf(parent), key);
    if (isObject(parent)) Object.assign(parent, { [last]: own(operation, 'value') });
  }
  return fieldsOf(copy);
}

/** RFC 6901. */
function pathOf(operation: JsonObject): string[] {
  const parts = text(own(operation, 'path')).split('/').slice(1);
  return parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function defaultsIn(patch: readonly JsonObject[]): Default[] {
  return patch.map((operation) => ({
    field: pathOf(operation).reduce(
      (path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : path === '' ? part : `${path}.${part}`),
      '',
    ),
    value: own(operation, 'value'),
  }));
}
