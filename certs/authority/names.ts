import type { LeafSecret } from './leaf-secret.ts';

/** The Secret of the authority itself. */
export const AUTHORITY_SECRET = 'checkpoint-warden-authority';
/** What the webhook serves. */
export const WEBHOOK_SECRET = 'webhook-certificate';
/** What the doors of all nodes serve; the collector's DaemonSet mounts it. */
export const DOOR_SECRET = 'door-certificate';

/** One for the doors of all nodes, whatever their addresses: it says what they are, not where. */
const DOOR_NAME = 'checkpoint-warden-door.checkpoint-warden.svc';

/** The certificates that are kept in a namespace, and the names that they are for. */
export function leafSecrets(namespace: string): readonly LeafSecret[] {
  const service = `webhook.${namespace}`;
  return [
    { name: WEBHOOK_SECRET, names: [`${service}.svc`, `${service}.svc.cluster.local`, service, 'webhook'] },
    { name: DOOR_SECRET, names: [DOOR_NAME] },
  ];
}
