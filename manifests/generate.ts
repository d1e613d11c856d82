import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { connectPolicy, connectWebhookConfiguration } from './connect.ts';
import { customResourceDefinition } from './crd.ts';
import { dashboard } from './dashboard.ts';

/** Where the generated definition stands. */
export const CRD_FILE = fileURLToPath(new URL('base/crd.yaml', import.meta.url));

/** Its text, with which the committed file must agree. */
export function crdText(): string {
  const note = '# Generated from policy/schema.ts by `npm run manifests`; a test compares the two.\n';
  return note + yaml(customResourceDefinition());
}

/** Where the guard of `nodes/proxy` stands: the policy, which needs no webhook, and the webhook's registration. */
export const CONNECT_POLICY_FILE = fileURLToPath(new URL('base/connect-policy.yaml', import.meta.url));
export const CONNECT_WEBHOOK_FILE = fileURLToPath(new URL('base/connect-webhook.yaml', import.meta.url));

const NOTE = '# Generated from manifests/connect.ts by `npm run manifests`; a test compares the two.\n';

export function connectPolicyText(): string {
  return NOTE + connectPolicy().map(yaml).join('---\n');
}

/** Without a caBundle: an overlay or an injector fills it in. */
export function connectWebhookText(): string {
  const service = { namespace: 'checkpoint-warden', name: 'webhook', port: 443 };
  return NOTE + yaml(connectWebhookConfiguration({ clientConfig: { service } }));
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
  await writeFile(CONNECT_POLICY_FILE, connectPolicyText());
  await writeFile(CONNECT_WEBHOOK_FILE, connectWebhookText());
  await writeFile(DASHBOARD_FILE, dashboardText());
}
