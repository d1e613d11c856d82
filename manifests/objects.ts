import { GROUP, PLURAL, VERSION } from '../policy/schema.ts';

/** How the API server reaches the webhook: by a URL outside the cluster, or by a Service inside. */
export type WebhookClientConfig =
  | {
      /** `https://localhost:9443`, without a path; `/mutate` and `/validate` are put behind it. */
      readonly url: string;
      /** PEM. */
      readonly caBundle: string;
    }
  | {
      readonly service: { readonly namespace: string; readonly name: string; readonly port?: number };
      /** PEM; absent where something else fills it in, such as cert-manager's injector. */
      readonly caBundle?: string;
    };

export interface WebhookOptions {
  readonly clientConfig: WebhookClientConfig;
  /** Of both configurations and in front of the webhooks' names; default `checkpoint-warden`. */
  readonly name?: string;
  /** Annotations of both, such as `cert-manager.io/inject-ca-from`. */
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Webhook {
  readonly name: string;
  readonly clientConfig: object;
  readonly rules: readonly object[];
  readonly failurePolicy: 'Fail';
  readonly matchPolicy: 'Equivalent';
  readonly sideEffects: 'None';
  readonly timeoutSeconds: number;
  readonly admissionReviewVersions: readonly ['v1'];
  readonly namespaceSelector: object;
  readonly reinvocationPolicy?: 'IfNeeded';
}

export interface WebhookConfiguration {
  readonly apiVersion: 'admissionregistration.k8s.io/v1';
  readonly kind: 'MutatingWebhookConfiguration' | 'ValidatingWebhookConfiguration';
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly webhooks: readonly Webhook[];
}

/**
 * The registrations of `/mutate` and `/validate` for policies. Both fail closed. What is not validated is not let in;
 * and a mutation that is left out would cost an administrator's policy its stamp, so that it stood as a tenant's own.
 * An outage stops writers of policies and nobody else.
 */
export function webhookConfigurations(options: WebhookOptions): readonly WebhookConfiguration[] {
  const { clientConfig, name = 'checkpoint-warden', annotations } = options;
  const metadata = { name, ...(annotations && { annotations }) };
  const apiVersion = 'admissionregistration.k8s.io/v1';
  return [
    {
      apiVersion,
      kind: 'MutatingWebhookConfiguration',
      metadata,
      webhooks: [
        {
          ...webhook(`mutate.${GROUP}`, clientConfig, '/mutate'),
          // Defaults are additions, so a second call adds nothing that the first did.
          reinvocationPolicy: 'IfNeeded',
        },
      ],
    },
    {
      apiVersion,
      kind: 'ValidatingWebhookConfiguration',
      metadata,
      webhooks: [webhook(`validate.${GROUP}`, clientConfig, '/validate')],
    },
  ];
}

function webhook(name: string, clientConfig: WebhookClientConfig, path: '/mutate' | '/validate'): Webhook {
  return {
    name: `checkpoint-warden-${name}`,
    clientConfig: endpoint(clientConfig, path),
    rules: [
      {
        apiGroups: [GROUP],
        apiVersions: [VERSION],
        operations: ['CREATE', 'UPDATE'],
        resources: [PLURAL],
        scope: 'Namespaced',
      },
    ],
    failurePolicy: 'Fail',
    matchPolicy: 'Equivalent',
    sideEffects: 'None',
    timeoutSeconds: 5,
    admissionReviewVersions: ['v1'],
    // No namespace is left out, not even our own: a stored policy that reaches beyond its namespace is taken for an
    // administrator's because it passed here. The webhook's own pods start without any policy, so nothing can jam.
    namespaceSelector: {},
  };
}

/** Where the API server finds one path of the webhook. */
export function endpoint(config: WebhookClientConfig, path: string): object {
  const caBundle = config.caBundle && { caBundle: Buffer.from(config.caBundle).toString('base64') };
  if ('url' in config) return { url: `${config.url.replace(/\/$/, '')}${path}`, ...caBundle };
  return { service: { ...config.service, path }, ...caBundle };
}
