import { fieldsOf, isObject, own, text } from '../policy/json.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './error.ts';
import { isOwnNotFound } from './pods.ts';

/** An object of the API server with fields that say whom it trusts when it calls us. */
export interface TrustingObject {
  /** `ValidatingWebhookConfiguration` */
  readonly kind: string;
  readonly name: string;
  /** Of the collection: `/apis/…/validatingwebhookconfigurations`. */
  readonly collection: string;
  /** The resource's name in the API server's own 404. */
  readonly resource: string;
}

/** One such field. */
export interface CaBundle {
  /** As JSON Patch writes it: `/webhooks/0/clientConfig/caBundle`. */
  readonly pointer: string;
  /** What people know it by: `webhooks[0] (validate.criu.org)`. */
  readonly label: string;
  /** PEM, as far as it is; empty where there is none. */
  readonly pem: string;
}

/** An object as it was read. */
export interface TrustingState {
  readonly resourceVersion: string;
  /** The annotation by which cert-manager fills its fields in; null when nobody does. */
  readonly injectedBy: string | null;
  readonly bundles: readonly CaBundle[];
}

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';

function configuration(kind: 'Mutating' | 'Validating', name: string): TrustingObject {
  const resource = `${kind.toLowerCase()}webhookconfigurations`;
  return { kind: `${kind}WebhookConfiguration`, name, resource, collection: `${ADMISSION}/${resource}` };
}

/** All that may call this program. A ValidatingAdmissionPolicy calls nobody, so it holds no caBundle. */
export const TRUSTING_OBJECTS: readonly TrustingObject[] = [
  configuration('Mutating', 'checkpoint-warden-policies'),
  configuration('Validating', 'checkpoint-warden-policies'),
  configuration('Validating', 'checkpoint-warden-connect'),
  {
    kind: 'CustomResourceDefinition',
    name: 'checkpointrestoreoperators.criu.org',
    resource: 'customresourcedefinitions',
    collection: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  },
  {
    kind: 'APIService',
    name: 'v1alpha1.checkpoint.criu.org',
    resource: 'apiservices',
    collection: '/apis/apiregistration.k8s.io/v1/apiservices',
  },
];

const INJECTIONS = [
  'cert-manager.io/inject-ca-from',
  'cert-manager.io/inject-ca-from-secret',
  'cert-manager.io/inject-apiserver-ca',
];

/** Null only for the API server's own 404. Rejects with a KubeError. */
export async function readTrusting(
  client: KubeClient,
  { collection, name, resource }: TrustingObject,
): Promise<TrustingState | null> {
  try {
    return stateOf(await client.request({ path: `${collection}/${name}` }), name);
  } catch (error) {
    if (isOwnNotFound(error, name, resource)) return null;
    throw error;
  }
}

/**
 * Writes these fields and nothing else of the object. Rejects with a KubeError, of status 422 or 409 when the object is
 * no longer what was read.
 */
export async function patchBundles(
  client: KubeClient,
  { collection, name }: TrustingObject,
  { resourceVersion }: TrustingState,
  pointers: readonly string[],
  pem: string,
): Promise<void> {
  const value = Buffer.from(pem).toString('base64');
  await client.request({
    method: 'PATCH',
    path: `${collection}/${name}`,
    contentType: 'application/json-patch+json',
    body: [
      { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
      ...pointers.map((path) => ({ op: 'add', path, value })),
    ],
  });
}

function stateOf(object: unknown, name: string): TrustingState {
  const metadata = fieldsOf(isObject(object) ? own(object, 'metadata') : undefined);
  const resourceVersion = text(own(metadata, 'resourceVersion'));
  if (!isObject(object) || own(metadata, 'name') !== name || resourceVersion === '') {
    throw new KubeError(`the answer to GET ${name} is not that object`);
  }
  const annotations = fieldsOf(own(metadata, 'annotations'));
  const injectedBy = INJECTIONS.find((each) => own(annotations, each) !== undefined) ?? null;
  return { resourceVersion, injectedBy, bundles: bundlesIn(object) };
}

function bundlesIn(object: Readonly<Record<string, unknown>>): CaBundle[] {
  const webhooks = own(object, 'webhooks');
  if (Array.isArray(webhooks)) {
    return webhooks.flatMap((webhook: unknown, index) => {
      const name = text(own(fieldsOf(webhook), 'name'));
      const config = own(fieldsOf(webhook), 'clientConfig');
      return bundleAt(`/webhooks/${index}/clientConfig`, `webhooks[${index}] (${name})`, config);
    });
  }
  const spec = fieldsOf(own(object, 'spec'));
  const conversion = own(fieldsOf(own(spec, 'conversion')), 'webhook');
  if (conversion !== undefined) {
    const at = 'spec.conversion.webhook';
    return bundleAt('/spec/conversion/webhook/clientConfig', at, own(fieldsOf(conversion), 'clientConfig'));
  }
  // An APIService that the API server itself answers has no Service, one without verification takes no bundle.
  const isAggregated = own(object, 'kind') === 'APIService' && isObject(own(spec, 'service'));
  return isAggregated && own(spec, 'insecureSkipTLSVerify') !== true ? bundleAt('/spec', 'spec', spec) : [];
}

function bundleAt(pointer: string, label: string, config: unknown): CaBundle[] {
  if (!isObject(config)) return [];
  const pem = Buffer.from(text(own(config, 'caBundle')), 'base64').toString('utf8');
  return [{ pointer: `${pointer}/caBundle`, label, pem }];
}
