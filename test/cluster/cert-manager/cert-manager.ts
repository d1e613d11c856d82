import { join } from 'node:path';
import type { ControlPlane } from '../control-plane.ts';
import { findPrograms } from '../programs.ts';
import { certManagerRecipe } from '../recipe.ts';
import { type Server, startServer } from '../server.ts';
import { certManagerDefinitions } from './definitions.ts';

/** A real cert-manager beside a control plane. */
export interface CertManager {
  /** Issues and renews certificates. */
  readonly controller: Server;
  /** Writes authorities into webhook configurations. */
  readonly injector: Server;
}

const DEFINITIONS = ['certificates', 'certificaterequests', 'issuers', 'clusterissuers'];

/** Of the controller's parts those that an authority in the cluster takes; the others are for ACME, Vault and Venafi. */
const CONTROLLERS = [
  'issuers',
  'certificates-issuing',
  'certificates-key-manager',
  'certificates-readiness',
  'certificates-request-manager',
  'certificates-revision-manager',
  'certificates-trigger',
  'certificaterequests-approver',
  'certificaterequests-issuer-ca',
  'certificaterequests-issuer-selfsigned',
];

/**
 * Installs cert-manager's resources and starts its controller and its injector, as administrator. Its own webhook is
 * left out: it only refuses what is malformed. They end with the control plane; the controller needs a namespace
 * `cert-manager` for issuers of the whole cluster, which is not made here.
 */
export async function startCertManager(plane: ControlPlane): Promise<CertManager> {
  const programs = await findPrograms(certManagerRecipe);
  await plane.apply(await certManagerDefinitions(join(programs, 'cert-manager-crds')));
  const names = DEFINITIONS.map((name) => `crd/${name}.cert-manager.io`);
  const established = await plane.kubectl(['wait', '--for=condition=Established', ...names]);
  if (established.status !== 0) throw new Error(`cert-manager's resources: ${established.stderr}`);
  const [controller, injector] = await Promise.all([
    startServer(plane.guard, join(programs, 'cert-manager-controller'), [
      `--kubeconfig=${plane.kubeconfig}`,
      `--controllers=${CONTROLLERS.join(',')}`,
      '--leader-elect=false',
      '--metrics-listen-address=127.0.0.1:0',
    ]),
    startServer(plane.guard, join(programs, 'cert-manager-cainjector'), [
      `--kubeconfig=${plane.kubeconfig}`,
      '--leader-elect=false',
    ]),
  ]);
  return { controller, injector };
}
