import { leafSecrets } from '../../certs/authority/names.ts';
import { readView, type View } from '../../certs/authority/view.ts';
import { certificatesIn } from '../../certs/bundle.ts';
import { shownTime } from '../../certs/inspect.ts';
import { secretsOf } from '../../kube/secrets.ts';
import { formatDuration } from '../../policy/duration.ts';
import type { Instant } from '../../policy/types.ts';
import { judge } from '../certs/judge.ts';
import { type Check, fail, ok, type Patient, unknown, warn } from './check.ts';

const NAME = 'certificate';
/** Whoever renews it should have done so by now. */
const SOON_MS = 7 * 86_400_000;

/** Whether the webhook's certificates are well: as `certs status` judges them, or by whom the API server trusts. */
export async function checkCertificate({ client, namespace, now }: Patient): Promise<Check> {
  const view = await readView(client, secretsOf(client, namespace));
  return judgeCertificates(view, namespace, now);
}

export function judgeCertificates(view: View, namespace: string, now: Instant): Check {
  const command = `checkpoint-warden certs status --namespace ${namespace}`;
  const secrets = [view.authority, ...[...view.leaves.values()].map(({ secret }) => secret)];
  const trusting = [...view.trusting.values()].map(({ state }) => state);
  const unread = [...secrets, ...trusting].flatMap((each) => (each.kind === 'unknown' ? [each] : []));
  const report = judge({ namespace, now, view, dialled: null });
  const found = report.findings.filter(({ message }) => !message.startsWith('cannot be read'));
  const [first] = found;
  if (first !== undefined) {
    const details = found.map(({ about, message }) => `${about} ${message}`);
    return fail(NAME, `${first.about} ${first.message}`, `${first.remedy}; all of it: ${command}`, details);
  }
  const trusted = trustedUntil(view);
  if (trusted !== null && trusted <= now) {
    const message = `the authority that the API server trusts for the webhook expired at ${shownTime(trusted)}`;
    return fail(NAME, message, `renew it; see ${command}`);
  }
  if (unread.length > 0) {
    const names = leafSecrets(namespace).map(({ name }) => name);
    const needed = `get secrets (${names.join(', ')}, checkpoint-warden-authority) in namespace ${namespace}, and the configurations`;
    const [one] = unread;
    const check = unknown(NAME, new Error(one?.why), needed);
    const until =
      trusted === null
        ? ''
        : `; the authority that the API server trusts is good until ${shownTime(trusted)}`;
    const message = `cannot be told without the right to ${needed}${until}`;
    return one?.status === 403
      ? { ...check, message, remedy: `call as somebody who may, or see ${command} as such` }
      : check;
  }
  const ends = report.certificates.map(({ notAfter }) => notAfter);
  const end = Math.min(...ends, trusted ?? Number.POSITIVE_INFINITY);
  const life = formatDuration(end - now);
  if (end - now < SOON_MS && report.managedBy !== 'own authority') {
    return warn(NAME, `ends in ${life}, and nobody has renewed it`, `see ${command}`);
  }
  return ok(NAME, `is good for ${life} and trusted by the API server, kept by ${report.managedBy}`);
}

/** When the last authority ends that some configuration trusts; the earliest of the configurations. */
function trustedUntil({ trusting }: View): Instant | null {
  const ends = [...trusting.values()].flatMap(({ state }) => {
    if (state.kind !== 'good') return [];
    return state.value.bundles.flatMap(({ pem }) => {
      const each = certificatesIn(pem).all.map(({ validTo }) => Date.parse(validTo));
      return each.length === 0 ? [] : [Math.max(...each)];
    });
  });
  return ends.length === 0 ? null : Math.min(...ends);
}
