import { endpoint, type WebhookClientConfig } from './objects.ts';

export interface ConnectOptions {
  /** Of the objects, and in front of the webhook's name; default `checkpoint-warden-connect`. */
  readonly name?: string;
  /** Names of users who may ask for checkpoints through `nodes/proxy` all the same; default none. */
  readonly exemptUsers?: readonly string[];
}

export interface ConnectWebhookOptions extends ConnectOptions {
  readonly clientConfig: WebhookClientConfig;
  /** `Enforce` gives the webhook time to ask the door of a node; the policy must then be left out. Default `Deny`. */
  readonly mode?: 'Deny' | 'Enforce';
  /** Such as `cert-manager.io/inject-ca-from`. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ConnectPolicyOptions extends ConnectOptions {
  /** `https://HOST[:PORT]` of the gateway, to be named in denials; absent: the door of the node is named. */
  readonly gateway?: string;
}

const API_VERSION = 'admissionregistration.k8s.io/v1';
const NAME = 'checkpoint-warden-connect';

/** A replica that is held up for two seconds is waited for; a verdict takes two look-ups and a question to a node. */
const TIMEOUT_SECONDS = { Deny: 3, Enforce: 5 } as const;

const RULE = {
  apiGroups: [''],
  apiVersions: ['v1'],
  operations: ['CONNECT'],
  resources: ['nodes/proxy'],
  scope: 'Cluster',
};

const SEGMENTS = "object.path.split('/')";
/** Without the segments that cleaning drops whatever else there is. */
const NAMES = `${SEGMENTS}.filter(segment, segment != '' && segment != '.')`;

/**
 * In CEL, whether a request through `nodes/proxy` may reach the kubelet's checkpoint API. Cleaning only drops whole
 * segments, so without one that is exactly `checkpoint` no spelling gets there. CEL cannot take segments back as
 * `..` does; a path that holds both is therefore taken for one that does get there, and only those are in doubt:
 * without `..` it says what `checkpointOf` of policy/proxy-path.ts says.
 *
 * The cheap test comes first: a path so long that CEL gives up on the others is stopped only if it passes that one.
 */
export const MAY_REACH_CHECKPOINT = [
  "has(object.path) && object.path.contains('checkpoint')",
  `'checkpoint' in ${SEGMENTS}`,
  `('..' in ${SEGMENTS} || ${NAMES}[0] == 'checkpoint')`,
].join(' && ');

/**
 * The registration of `/connect`. While the webhook is away, requests that may reach the checkpoint API fail; no other
 * request through `nodes/proxy` depends on it.
 */
export function connectWebhookConfiguration(options: ConnectWebhookOptions) {
  const { clientConfig, name = NAME, annotations, exemptUsers = [], mode = 'Deny' } = options;
  return {
    apiVersion: API_VERSION,
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name, ...(annotations && { annotations }) },
    webhooks: [
      {
        name: `${name}.criu.org`,
        clientConfig: endpoint(clientConfig, '/connect'),
        rules: [RULE],
        matchConditions: matchConditions(exemptUsers),
        failurePolicy: 'Fail',
        matchPolicy: 'Equivalent',
        sideEffects: 'None',
        timeoutSeconds: TIMEOUT_SECONDS[mode],
        admissionReviewVersions: ['v1'],
      },
    ],
  } as const;
}

/**
 * The backstop: a policy that the API server carries out by itself, and its binding. It denies the same requests
 * whether or not there is a webhook, and comes before it.
 */
export function connectPolicy(options: ConnectPolicyOptions = {}) {
  const { name = NAME, exemptUsers = [], gateway } = options;
  return [
    {
      apiVersion: API_VERSION,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: { matchPolicy: 'Equivalent', resourceRules: [RULE] },
        matchConditions: matchConditions(exemptUsers),
        variables: [{ name: 'names', expression: NAMES }],
        validations: [
          {
            // What fulfils the conditions is denied.
            expression: 'false',
            reason: 'Forbidden',
            message: `the kubelet's checkpoint API is not to be had through nodes/proxy; ask ${keeper(gateway)} instead`,
            messageExpression: messageExpression(gateway),
          },
        ],
      },
    },
    {
      apiVersion: API_VERSION,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name },
      spec: { policyName: name, validationActions: ['Deny', 'Audit'] },
    },
  ] as const;
}

/** All must hold; a false one counts even where another fails. */
function matchConditions(exemptUsers: readonly string[]) {
  return [
    { name: 'may-reach-checkpoint', expression: MAY_REACH_CHECKPOINT },
    ...(exemptUsers.length > 0
      ? [
          {
            name: 'not-exempt',
            expression: `!(request.userInfo.username in [${exemptUsers.map(celText).join(', ')}])`,
          },
        ]
      : []),
  ];
}

/** No character that a name cannot have, no step back, one container. Names have some 400 characters at most. */
const IS_PLAIN = `size(object.path) < 600 && object.path.matches('^[-a-z0-9./]+$') && !('..' in ${SEGMENTS}) && size(variables.names) == 4`;

/** Names the container where the path is plain; else the API server falls back on `message`. */
function messageExpression(gateway: string | undefined): string {
  const why = ` cannot be had through nodes/proxy, where no room is reserved for it; ask ${keeper(gateway)} instead: POST ${(gateway ?? '').replace(/\/$/, '')}/checkpoint/`;
  const what = [1, 2, 3].map((index) => `variables.names[${index}]`).join(" + '/' + ");
  return `${IS_PLAIN} ? 'a checkpoint of ' + ${what} + ${celText(why)} + ${what} : ''`;
}

function keeper(gateway: string | undefined): string {
  return gateway === undefined ? 'the door of the node' : 'the gateway';
}

/** A text as a CEL literal. */
function celText(text: string): string {
  return `'${text.replace(/[\\']/g, (each) => `\\${each}`)}'`;
}
