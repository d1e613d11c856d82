import { join } from 'node:path';
import type { ControlPlane } from '../control-plane.ts';
import { type Server, startServer } from '../server.ts';

/** Starts what makes pods of Deployments, service accounts, and an end of namespaces: controllers and scheduler. */
export async function startControllers(plane: ControlPlane, programs: string): Promise<Server[]> {
  const common = [
    `--kubeconfig=${plane.kubeconfig}`,
    // One of each: an election would cost seconds.
    '--leader-elect=false',
    // They serve metrics to nobody.
    '--secure-port=0',
  ];
  return Promise.all([
    startServer(plane.guard, join(programs, 'kube-controller-manager'), [
      ...common,
      `--root-ca-file=${join(plane.directory, 'ca.crt')}`,
    ]),
    startServer(plane.guard, join(programs, 'kube-scheduler'), common),
  ]);
}
