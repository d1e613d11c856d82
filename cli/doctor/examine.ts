import { checkAggregatedApi } from './aggregated-api.ts';
import { checkApiServer } from './api-server.ts';
import { checkCertificate } from './certificate.ts';
import { type Check, type Patient, unknown } from './check.ts';
import { checkConnect } from './connect.ts';
import { checkKubelets } from './kubelets.ts';
import { checkCollectors, judgeRuntimes, readNodes } from './nodes.ts';
import { checkReach } from './reach.ts';
import { checkResources } from './resources.ts';
import { checkRights } from './rights.ts';
import { checkWebhook } from './webhook.ts';

/** All checks, in the order in which they are told. Changes nothing in the cluster. */
export async function examine(patient: Patient): Promise<Check[]> {
  const connecting = checkConnect(patient);
  const checks = await Promise.all([
    checkApiServer(patient),
    checkResources(patient),
    checkAggregatedApi(patient),
    checkRights(patient),
    connecting.then((connect) => checkReach(patient, connect.verdict === 'ok')),
    connecting,
    checkWebhook(patient),
    checkCertificate(patient),
    checkNodes(patient),
  ]);
  return checks.flat();
}

async function checkNodes(patient: Patient): Promise<Check[]> {
  const { client } = patient;
  try {
    const nodes = await readNodes(client);
    const told = await Promise.all([checkKubelets(client, nodes), checkCollectors(patient, nodes)]);
    return [judgeRuntimes(nodes), ...told.flat()];
  } catch (error) {
    const untold = ['runtime', 'kubelet'].map((name) => unknown(name, error, 'list nodes'));
    return [...untold, ...(await checkCollectors(patient, null))];
  }
}
