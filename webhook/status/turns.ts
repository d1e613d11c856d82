import type { EventSink } from '../../kube/events.ts';
import { API_VERSION, KIND } from '../../policy/schema.ts';
import type { Verdict } from '../../policy/standing.ts';
import type { ConditionType } from '../../policy/status-schema.ts';
import type { StoredPolicy } from '../../source/source.ts';

/** What is worth an event: when a condition of that type comes to that status. */
const TOLD: Readonly<
  Partial<Record<ConditionType, { readonly status: Verdict['status']; readonly reason: string }>>
> = {
  Accepted: { status: 'False', reason: 'PolicyInvalid' },
  Conflicted: { status: 'True', reason: 'PolicyConflicted' },
  Confirming: { status: 'True', reason: 'ConfirmationNeeded' },
};

/** Tells a policy's namespace what has become of it; only the replica that has written it does. */
export function tellTurn(events: EventSink, policy: StoredPolicy, { type, status, message }: Verdict): void {
  const told = TOLD[type];
  if (told === undefined || told.status !== status) return;
  const { namespace, name, uid } = policy;
  events.tell({
    about: { apiVersion: API_VERSION, kind: KIND, namespace, name, uid },
    ...{ type: 'Warning', reason: told.reason, action: 'Judge' },
    // What is to be typed grows while nodes come to it: the condition has it as it is now.
    note: message.replace(/; mend the policy.*/s, '; its condition Confirming says what to type'),
  });
}
