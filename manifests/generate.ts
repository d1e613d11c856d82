import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { apiService } from './api.ts';
import { connectPolicy, connectWebhookConfiguration } from './connect.ts';
import { customResourceDefinition, nodeResourceDefinition } from './crd.ts';
import { scheduleResourceDefinition } from './crd-schedule.ts';
import { dashboard } from './dashboard.ts';
import { webhookConfigurations } from './objects.ts';

/** Where the generated definition stands. */
export const CRD_FILE = fileURLToPath(new URL('base/crd.yaml', import.meta.url));

/** Its text, with which the committed file must agree. */
export function crdText(): string {
  const note = '# Generated from policy/schema.ts by `npm run manifests`; a test compares the two.\n';
  return note + yaml(customResourceDefinition());
}

export const NODE_CRD_FILE = fileURLToPath(new URL('base/crd-node.yaml', import.meta.url));

export function nodeCrdText(): string {
  const note = '# Generated from policy/node-schema.ts by `npm run manifests`; a test compares the two.\n';
  return note + yaml(nodeResourceDefinition());
}

export const SCHEDULE_CRD_FILE = fileURLToPath(new URL('base/crd-schedule.yaml', import.meta.url));

export function scheduleCrdText(): string {
  const note =
    '# Generated from policy/schedule/schema.ts by `npm run manifests`; a test compares the two.\n';
  return note + yaml(scheduleResourceDefinition());
}

/** Where the guard of `nodes/proxy` stands: the policy, which needs no webhook, and the webhook's registration. */
export const CONNECT_POLICY_FILE = fileURLToPath(new URL('base/connect-policy.yaml', import.meta.url));
export const CONNECT_WEBHOOK_FILE = fileURLToPath(new URL('base/connect-webhook.yaml', import.meta.url));

/** Where the registrations of the webhook for policies stand. */
export const POLICY_WEBHOOKS_FILE = fileURLToPath(new URL('webhook/policy-webhooks.yaml', import.meta.url));

const note = (source: string) =>
  `# Generated from manifests/${source} by \`npm run manifests\`; a test compares the two.\n`;

/** The webhook's Service as the API server dials it. */
const SERVICE = { namespace: 'checkpoint-warden', name: 'webhook', port: 443 } as const;

export function connectPolicyText(): string {
  return note('connect.ts') + connectPolicy().map(yaml).join('---\n');
}

/** Without a caBundle: an overlay or an injector fills it in. */
export function connectWebhookText(): string {
  return note('connect.ts') + yaml(connectWebhookConfiguration({ clientConfig: { service: SERVICE } }));
}

/** Without a caBundle as well. */
export function policyWebhooksText(): string {
  const name = 'checkpoint-warden-policies';
  const configurations = webhookConfigurations({ clientConfig: { service: SERVICE }, name });
  return note('objects.ts') + configurations.map(yaml).join('---\n');
}

/** Where the registration of the aggregated API stands: apart from all else, for it is applied last. */
export const API_SERVICE_FILE = fileURLToPath(new URL('registration/apiservice.yaml', import.meta.url));

/** Without a caBundle as well. */
export function apiServiceText(): string {
  return note('api.ts') + yaml(apiService({ service: { ...SERVICE, port: 6443 } }));
}

/** Where the dashboard for Grafana stands. */
export const DASHBOARD_FILE = fileURLToPath(new URL('monitoring/dashboard.json', import.meta.url));

export function dashboardText(): string {
  return `${JSON.stringify(dashboard(), null, 2)}\n`;
}

function yaml(object: object): string {
  return stringify(object, { lineWidth: 0, aliasDuplicateObjects: false });
}

if (import.meta.main) {
  await writeFile(CRD_FILE, crdText());
  await writeFile(NODE_CRD_FILE, nodeCrdText());
  await writeFile(SCHEDULE_CRD_FILE, scheduleCrdText());
  await writeFile(CONNECT_POLICY_FILE, connectPolicyText());
  await writeFile(CONNECT_WEBHOOK_FILE, connectWebhookText());
  await writeFile(DASHBOARD_FILE, dashboardText());
  await writeFile(POLICY_WEBHOOKS_FILE, policyWebhooksText());
  await writeFile(API_SERVICE_FILE, apiServiceText());
}
