import { appendFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { selfSignedCertificates } from '../../certs/self-signed.ts';
import { type RunningCollector, startCollector } from '../../gc/main.ts';
import { auditAll, auditFile } from '../../observe/audit.ts';
import { createLog } from '../../observe/log.ts';
import { filePolicySource } from '../../source/files.ts';
import { startWebhook, type Webhook } from '../../webhook/main.ts';
import type { WebhookClient } from './apply.ts';
import { Diary } from './diary.ts';

/** Where the demonstration keeps its files. */
export interface Places {
  readonly root: string;
  readonly archives: string;
  readonly policies: string;
  readonly ca: string;
  readonly log: string;
  readonly audit: string;
}

/** A collector and a webhook in this process, on a scratch directory. */
export interface World {
  readonly collector: RunningCollector;
  readonly webhook: Webhook & WebhookClient;
  readonly diary: Diary;
  stop(): Promise<void>;
}

/** Makes the scratch directory. */
export async function makePlaces(within: string | null): Promise<Places> {
  const root = await mkdtemp(join(within ?? tmpdir(), 'checkpoint-warden-'));
  const at = (name: string) => join(root, name);
  const places = {
    root,
    archives: at('checkpoints'),
    policies: at('policies'),
    ca: at('ca.crt'),
    log: at('log.jsonl'),
    audit: at('audit.jsonl'),
  };
  await mkdir(places.archives, { mode: 0o700 });
  await mkdir(places.policies);
  return places;
}

export async function removePlaces({ root }: Places): Promise<void> {
  await rm(root, { recursive: true, force: true });
}

/** An editor's half-written file is rarer here than somebody who waits. */
const SETTLE_MS = 100;

export async function startWorld(places: Places): Promise<World> {
  const log = createLog({ destination: { write: (line) => appendFileSync(places.log, line) } });
  const policies = () => filePolicySource({ paths: [places.policies], log, settleMs: SETTLE_MS });
  const diary = new Diary();
  const names = ['localhost', '127.0.0.1'];
  const certificates = selfSignedCertificates({ names, writeCa: places.ca, log });
  const webhook = await startWebhook({
    listen: { host: '127.0.0.1', port: 0 },
    source: policies(),
    certificates,
    reviewer: null,
    log,
  });
  const { ca } = certificates.current();
  const collector = await startCollector({
    directory: places.archives,
    source: policies(),
    pods: null,
    dryRun: false,
    nodeName: 'demo',
    audit: auditAll([auditFile({ file: places.audit, log }), diary]),
    log,
  }).catch(async (error: unknown) => {
    await webhook.stop();
    throw error;
  });
  return {
    collector,
    webhook: { ...webhook, ca },
    diary,
    async stop() {
      await Promise.all([collector.stop(), webhook.stop()]);
    },
  };
}
