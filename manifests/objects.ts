import { BEFORE_STOP_LABEL, MIRROR_ANNOTATION } from '../policy/schedule/before-stop.ts';
import { SCHEDULE_PLURAL } from '../policy/schedule/schema.ts';
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
  readonly failurePolicy: 'Fail' | 'Ignore';
  readonly matchPolicy: 'Equivalent';
  readonly sideEffects: 'None';
  readonly timeoutSeconds: number;
  readonly admissionReviewVersions: readonly ['v1'];
  readonly namespaceSelector: object;
  readonly objectSelector?: object;
  readonly matchConditions?: readonly object[];
  readonly reinvocationPolicy?: 'IfNeeded' | 'Never';
}

export interface WebhookConfiguration {
  readonly apiVersion: 'admissionregistration.k8s.io/v1';
  readonly kind: 'MutatingWebhookConfiguration' | 'ValidatingWebhookConfiguration';
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly webhooks: readonly Webhook[];
}

/**
 * The registrations of the webhook for policies and schedules. They fail closed. What is not validated is not let in;
 * and a mutation that is left out would cost an administrator's policy its stamp, so that it stood as a tenant's own.
 * An outage stops writers of policies and schedules and nobody else. The one for pods fails open.
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
          ...webhook(`mutate.${GROUP}`, clientConfig, '/mutate', PLURAL),
          // Defaults are additions, so a second call adds nothing that the first did.
          reinvocationPolicy: 'IfNeeded',
        },
        {
          ...webhook(`mutate-schedules.${GROUP}`, clientConfig, '/mutate-schedules', SCHEDULE_PLURAL),
          reinvocationPolicy: 'IfNeeded',
        },
        podWebhook(clientConfig),
      ],
    },
    {
      apiVersion,
      kind: 'ValidatingWebhookConfiguration',
      metadata,
      webhooks: [
        webhook(`validate.${GROUP}`, clientConfig, '/validate', PLURAL),
        webhook(`validate-schedules.${GROUP}`, clientConfig, '/validate-schedules', SCHEDULE_PLURAL),
      ],
    },
  ];
}

function webhook(name: string, clientConfig: WebhookClientConfig, path: string, resource: string): Webhook {
  return {
    name: `checkpoint-warden-${name}`,
    clientConfig: endpoint(clientConfig, path),
    rules: [
      {
        apiGroups: [GROUP],
        apiVersions: [VERSION],
        operations: ['CREATE', 'UPDATE'],
        resources: [resource],
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

/**
 * Gives pods that ask for it by their label a preStop hook. Whoever makes no such pod never waits for it; and it fails
 * open, for a pod that cannot be made is worse than one whose last checkpoint holds a SIGTERM.
 */
function podWebhook(clientConfig: WebhookClientConfig): Webhook {
  const own = 'service' in clientConfig ? clientConfig.service.namespace : 'checkpoint-warden';
  return {
    name: `checkpoint-warden-mutate-pods.${GROUP}`,
    clientConfig: endpoint(clientConfig, '/mutate-pods'),
    rules: [
      {
        apiGroups: [''],
        apiVersions: ['v1'],
        operations: ['CREATE'],
        resources: ['pods'],
        scope: 'Namespaced',
      },
    ],
    failurePolicy: 'Ignore',
    matchPolicy: 'Equivalent',
    sideEffects: 'None',
    timeoutSeconds: 2,
    admissionReviewVersions: ['v1'],
    namespaceSelector: {
      matchExpressions: [
        { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', own] },
      ],
    },
    objectSelector: { matchLabels: { [BEFORE_STOP_LABEL]: 'true' } },
    matchConditions: [
      {
        // The kubelet's copy of a static pod would no longer be what the kubelet has.
        name: 'not-a-mirror-pod',
        expression: `!has(object.metadata.annotations) || !('${MIRROR_ANNOTATION}' in object.metadata.annotations)`,
      },
    ],
    // A webhook behind it may add a container, which then has no hook; that is better than to be called twice.
    reinvocationPolicy: 'Never',
  };
}

/** Where the API server finds one path of the webhook. */
export function endpoint(config: WebhookClientConfig, path: string): object {
  const caBundle = config.caBundle && { caBundle: Buffer.from(config.caBundle).toString('base64') };
  if ('url' in config) return { url: `${config.url.replace(/\/$/, '')}${path}`, ...caBundle };
  return { service: { ...config.service, path }, ...caBundle };
}
