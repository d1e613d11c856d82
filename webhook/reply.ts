import type { Finding } from '../policy/types.ts';
import { REVIEW_VERSION } from './review.ts';
import { denial, warningsOf } from './words.ts';

/** An operation of JSON Patch, RFC 6902. */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** `Status.reason` of Kubernetes with the HTTP status that belongs to it. */
const STATUS_CODES = {
  Forbidden: 403,
  BadRequest: 400,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof STATUS_CODES;

/** What a webhook says to a request. */
export interface Answer {
  readonly allowed: boolean;
  /** For logs and metrics: `error` is neither a yes nor a no, and stops the request all the same. */
  readonly verdict: 'allowed' | 'denied' | 'error' | 'malformed';
  readonly reason?: StatusReason;
  readonly message?: string;
  readonly warnings: readonly string[];
  readonly patch?: readonly PatchOperation[];
  /** Codes of the findings, for the audit log. */
  readonly codes?: readonly string[];
  /** Further words for the API server's audit log, by short names. */
  readonly auditAnnotations?: Readonly<Record<string, string>>;
}

/** Most answers: there is nothing to say. */
const ALLOWED: Answer = { allowed: true, verdict: 'allowed', warnings: [], codes: [] };
const [ALLOWED_BEFORE_UID, ALLOWED_BEHIND_UID] = [
  `{"apiVersion":"${REVIEW_VERSION}","kind":"AdmissionReview","response":{"uid":`,
  ',"allowed":true}}',
];

export function allowed(
  findings: readonly Finding[] = [],
  extra: { readonly patch?: readonly PatchOperation[]; readonly warnings?: readonly string[] } = {},
): Answer {
  if (findings.length === 0 && !extra.patch?.length && !extra.warnings?.length) return ALLOWED;
  const warnings = [...warningsOf(findings), ...(extra.warnings ?? [])];
  const patch = extra.patch ?? [];
  return {
    allowed: true,
    verdict: 'allowed',
    warnings,
    codes: codesOf(findings),
    ...(patch.length > 0 && { patch }),
  };
}

/** Refuses a resource; `name` is `team-a/quotas`. */
export function denied(name: string, findings: readonly Finding[], kind?: string): Answer {
  const errors = findings.filter((each) => each.severity === 'error');
  const rest = findings.filter((each) => each.severity !== 'error');
  return {
    allowed: false,
    verdict: 'denied',
    reason: 'Forbidden',
    message: denial(name, errors, kind),
    warnings: warningsOf(rest),
    codes: codesOf(findings),
  };
}

/** No judgement was possible; `message` is a sentence. */
export function failed(reason: Exclude<StatusReason, 'Forbidden'>, message: string): Answer {
  const verdict = reason === 'BadRequest' ? 'malformed' : 'error';
  return { allowed: false, verdict, reason, message, warnings: [] };
}

/** The whole AdmissionReview, as JSON. */
export function renderReview(uid: string, answer: Answer, apiVersion = REVIEW_VERSION): string {
  if (answer === ALLOWED) return `${ALLOWED_BEFORE_UID}${JSON.stringify(uid)}${ALLOWED_BEHIND_UID}`;
  const { reason, message, warnings, patch, codes = [] } = answer;
  const annotations = { ...answer.auditAnnotations, ...(codes.length > 0 && { findings: shortList(codes) }) };
  return JSON.stringify({
    apiVersion,
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed: answer.allowed,
      ...(reason !== undefined && {
        status: { status: 'Failure', code: STATUS_CODES[reason], reason, message },
      }),
      ...(warnings.length > 0 && { warnings }),
      ...(Object.keys(annotations).length > 0 && { auditAnnotations: annotations }),
      ...(patch !== undefined && {
        patchType: 'JSONPatch',
        patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
      }),
    },
  });
}

function codesOf(findings: readonly Finding[]): string[] {
  return [...new Set(findings.map((each) => each.code))];
}

/** The audit log holds one line for each request; the codes of the catalogue are some twenty short words. */
function shortList(codes: readonly string[]): string {
  return codes.join(',').slice(0, 512);
}
