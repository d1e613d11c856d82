import type { EventSink, EventSubject } from '../../kube/events.ts';
import type { Audit, AuditRecord } from '../../observe/audit.ts';
import type { PolicySet } from '../../policy/govern.ts';
import { API_VERSION, KIND } from '../../policy/schema.ts';
import type { Archive, ResourceReference, Unmet } from '../../policy/types.ts';

export interface AnnouncerOptions {
  readonly events: EventSink;
  readonly node: string;
  readonly policies: () => PolicySet;
}

/** Refusals that say something of the pod's policies or of its node, and not of the request. */
const REFUSALS: ReadonlySet<unknown> = new Set([
  ...['denied', 'count', 'total', 'size', 'interval', 'concurrency', 'disk'],
  ...['notEvicted', 'evictionWithheld'],
]);
const FAILURES: ReadonlySet<unknown> = new Set(['failed', 'frozen', 'kubeletLost', 'kubeletRefuses']);

/** Why an archive was deleted, behind "was deleted:". */
const WHY: ReadonlyMap<unknown, string> = new Map([
  ['count', 'there were more than the policy keeps'],
  ['age', 'it was older than the policy keeps'],
  ['size', 'it was larger than the policy allows'],
  ['total', 'together they took more than the policy allows'],
  ['orphan', 'its pod is gone'],
  ['pressure', 'the disk was too full'],
  ['tainted', 'it held bytes of another checkpoint'],
  ['unidentified', 'nobody could tell whose it was'],
  ['retain', 'there were more than its schedule keeps'],
]);

/**
 * Tells pods and policies, by Events, what became of their archives and requests. Whoever reads the events of a
 * namespace reads nothing of other namespaces, but for an administrator's policy, nor of the host.
 */
export class Announcer {
  readonly #options: AnnouncerOptions;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** What goes into the audit file is told here, too. */
  over(audit: Audit): Audit {
    const told = (record: AuditRecord) => this.#audited(record);
    return {
      get lost() {
        return audit.lost;
      },
      record(record) {
        audit.record(record);
        told(record);
      },
    };
  }

  tainted({ identity }: Archive): void {
    if (identity === null) return;
    const { namespace, pod, container, podUid } = identity;
    const what = `an archive of container ${container} has bytes of another checkpoint behind its end, possibly another tenant's memory`;
    this.#options.events.tell({
      about: podSubject(namespace, pod, podUid),
      ...{ type: 'Warning', reason: 'CheckpointTainted', action: 'Checkpoint' },
      note: `${what}; do not hand it out (spec.tainted: Delete removes such archives)`,
    });
  }

  /** A limit that stays broken. */
  blocked({ policy, limit, of, message }: Unmet): void {
    if (policy === null) return;
    const isPressure = limit === 'pressure';
    this.#options.events.tell({
      about: policySubject(policy.resource.reference),
      type: 'Warning',
      ...{ reason: isPressure ? 'DiskPressure' : 'LimitBlocked', action: 'Collect' },
      note: `on node ${this.#options.node}: ${message}`,
      key: `${limit} ${of} ${policy.field}`,
    });
  }

  #audited({ operation, resource, metadata }: AuditRecord): void {
    const { namespace, pod, container, podUid } = resource;
    const subject = namespace && pod ? podSubject(namespace, pod, podUid ?? null) : null;
    if (operation === 'request' && subject) this.#requested(subject, String(container), metadata);
    if (operation === 'delete' && metadata.by === 'checkpoint-warden') {
      this.#deleted(subject, String(container), metadata);
    }
  }

  #requested(about: EventSubject, container: string, metadata: AuditRecord['metadata']): void {
    const { reason: code, message } = metadata;
    const isRefused = REFUSALS.has(code);
    if (!isRefused && !FAILURES.has(code)) return;
    this.#options.events.tell({
      about,
      ...{
        type: 'Warning',
        reason: isRefused ? 'CheckpointRefused' : 'CheckpointFailed',
        action: 'Checkpoint',
      },
      note: `container ${container}: ${message}`,
      // Its message has figures that change.
      key: `${container} ${code} ${metadata.resource} ${metadata.field}`,
    });
  }

  #deleted(pod: EventSubject | null, container: string, metadata: AuditRecord['metadata']): void {
    const { rule, policy, resource } = metadata;
    const why = WHY.get(rule);
    if (why === undefined) return;
    const { events, node, policies } = this.#options;
    const reason = rule === 'pressure' ? 'CheckpointEvicted' : 'CheckpointDeleted';
    const told = { type: 'Normal', reason, action: 'Delete' } as const;
    const [inNamespace = '', name = ''] = String(resource).split('/');
    const acting = policies().get({ namespace: inNamespace, name });
    if (acting) {
      const note = `on node ${node} archives were deleted: ${why}${policy === null ? '' : ` (policy ${policy})`}`;
      events.tell({ about: policySubject(acting.reference), ...told, note });
    }
    // Of one that is gone nobody describes the pod.
    if (pod === null || rule === 'orphan') return;
    const whose = `${policy === null ? 'a rule' : `policy ${policy}`} of ${resource}`;
    const note = `an archive of container ${container} was deleted: ${why} (${whose})`;
    events.tell({ about: pod, ...told, note });
  }
}

function podSubject(namespace: string, name: string, uid: string | null): EventSubject {
  return { apiVersion: 'v1', kind: 'Pod', namespace, name, ...(uid !== null && { uid }) };
}

function policySubject({ namespace, name, uid }: ResourceReference): EventSubject {
  return { apiVersion: API_VERSION, kind: KIND, namespace, name, ...(uid !== undefined && { uid }) };
}
