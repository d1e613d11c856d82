import { getObject, textAt } from '../../kube/objects.ts';
import { type Check, fail, ok, type Patient, unknown } from './check.ts';

const NAME = 'api-server';

/** The first minor version with ValidatingAdmissionPolicy, match conditions and the kubelet's checkpoints by default. */
const LEAST_MINOR = 30;

/** Whether the API server is young enough. */
export async function checkApiServer({ client }: Patient): Promise<Check> {
  try {
    return judgeVersion(await getObject(client, '/version'));
  } catch (error) {
    return unknown(NAME, error, 'get /version');
  }
}

export function judgeVersion(version: unknown): Check {
  // Some clouds write `30+`.
  const [major, minor] = [textAt(version, 'major'), textAt(version, 'minor')].map(Number.parseFloat);
  const shown = textAt(version, 'gitVersion') || `${major}.${minor}`;
  if (major !== 1 || minor === undefined || Number.isNaN(minor)) {
    return unknown(NAME, new Error(`${shown} is no version of Kubernetes 1`), 'get /version');
  }
  if (minor >= LEAST_MINOR) return ok(NAME, `is Kubernetes ${shown}`);
  const message = `is Kubernetes ${shown}, and nodes/proxy is guarded from 1.${LEAST_MINOR} on only (ValidatingAdmissionPolicy v1)`;
  return fail(NAME, message, `upgrade the control plane to 1.${LEAST_MINOR} or later`);
}
