import assert from 'node:assert/strict';
import { formatFinding, hasErrors } from '../../policy/findings.ts';
import { PolicySet } from '../../policy/govern.ts';
import type { JsonObject } from '../../policy/json.ts';
import { readResource } from '../../policy/read.ts';
import { API_VERSION, KIND } from '../../policy/schema.ts';
import type { Archive, Authority, Finding, Identity, Instant, PolicyResource } from '../../policy/types.ts';

/** 2026-11-21T00:00:00Z */
export const NOW: Instant = Date.UTC(2026, 10, 21);
export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const MI = 1024 * 1024;
export const GI = 1024 * MI;

export interface About {
  readonly namespace?: string;
  readonly name?: string;
  readonly authority?: Authority;
  readonly createdAt?: Instant;
  readonly file?: string;
}

/** A resource as somebody writes it. */
export function document(
  spec: unknown,
  { namespace = 'ops', name = 'quotas', createdAt }: About = {},
): JsonObject {
  const creationTimestamp = createdAt === undefined ? undefined : new Date(createdAt).toISOString();
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { namespace, name, ...(creationTimestamp !== undefined && { creationTimestamp }) },
    spec,
  };
}

/** A resource that has to be sound. */
export function resource(spec: unknown, about: About = {}): PolicyResource {
  const { authority, file } = about;
  const reading = readResource(document(spec, about), {
    ...(authority !== undefined && { authority }),
    ...(file !== undefined && { file }),
  });
  assert.ok(reading.resource && !hasErrors(reading.findings), reading.findings.map(formatFinding).join('\n'));
  return reading.resource;
}

export function policies(...resources: readonly PolicyResource[]): PolicySet {
  return new PolicySet(resources);
}

/** `code field`, as tables list findings. */
export function codes(findings: readonly Finding[]): string[] {
  return findings.map((each) => `${each.code} ${each.field}`);
}

/** `shop/cart/main` */
export function identity(path: string): Identity {
  const [namespace = '', pod = '', container = ''] = path.split('/');
  return { namespace, pod, container, podUid: null };
}

/** A sound archive of 10Mi, as old as its number of hours: `archive('shop/cart/main', 3)`. */
export function archive(path: string | null, hours: number, more: Partial<Archive> = {}): Archive {
  const [namespace, pod, container] = path?.split('/') ?? ['', 'half', 'written'];
  const bytes = more.bytes ?? 10 * MI;
  return {
    file: `checkpoint-${pod}_${namespace}-${container}-${String(hours).padStart(4, '0')}h.tar`,
    bytes,
    allocatedBytes: bytes,
    modifiedAt: NOW - hours * HOUR,
    state: 'complete',
    pinned: false,
    identity: path === null ? null : identity(path),
    staleTailBytes: 0,
    orphan: null,
    ...more,
  };
}
