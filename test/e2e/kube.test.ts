import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient, type KubeClient } from '../../kube/client.ts';
import { CRD_FILE } from '../../manifests/generate.ts';
import { fieldsOf, own, text } from '../../policy/json.ts';
import { startControlPlane } from '../cluster/control-plane.ts';
import { copyKubeconfigToPort } from '../cluster/kubeconfig.ts';
import { contractSuite } from '../kube/contract.ts';

const POLICIES = '/apis/criu.org/v1/namespaces';

/** Server-side apply, so that it does not matter whether the object is there. */
async function apply(client: KubeClient, path: string, body: object): Promise<unknown> {
  return client.request({
    method: 'PATCH',
    path,
    query: { fieldManager: 'contract', force: true },
    contentType: 'application/apply-patch+yaml',
    body,
  });
}

contractSuite('the contract, over a real API server', async () => {
  const plane = await startControlPlane();
  await plane.apply(await readFile(CRD_FILE, 'utf8'));
  await plane.kubectl(['wait', '--for=condition=Established', 'crd/checkpointrestoreoperators.criu.org']);
  await plane.kubectl(['create', 'namespace', 'contract']);
  const admin = await createClient({ kubeconfig: plane.kubeconfig });
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  return {
    port: plane.port,
    async kubeconfig(port) {
      const file = join(plane.directory, `contract-${port}.kubeconfig`);
      await copyKubeconfigToPort(plane.kubeconfig, port, file);
      return file;
    },
    async createPod(namespace, name, annotations = {}) {
      const metadata = { name, annotations };
      const spec = { containers: [{ name: 'main', image: 'none' }] };
      const path = `/api/v1/namespaces/${namespace}/pods`;
      const pod = await admin.request({ method: 'POST', path, body: { metadata, spec } });
      return text(own(fieldsOf(own(fieldsOf(pod), 'metadata')), 'uid'));
    },
    async deletePod(namespace, name) {
      const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
      await admin.request({ method: 'DELETE', path, query: { gracePeriodSeconds: 0 } });
    },
    async putPolicy(namespace, name, spec) {
      const envelope = { apiVersion: 'criu.org/v1', kind: 'CheckpointRestoreOperator', metadata: { name } };
      const path = `${POLICIES}/${namespace}/checkpointrestoreoperators/${name}`;
      await apply(admin, path, { ...envelope, spec });
    },
    async deletePolicy(namespace, name) {
      const path = `${POLICIES}/${namespace}/checkpointrestoreoperators/${name}`;
      await admin.request({ method: 'DELETE', path });
    },
    async grantGovern(group) {
      const name = 'contract-govern';
      const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name };
      const rules = [
        { apiGroups: ['criu.org'], resources: ['checkpointrestoreoperators'], verbs: ['govern'] },
      ];
      const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: group }];
      const metadata = { name };
      await admin.request({ method: 'POST', path: `${rbac}/clusterroles`, body: { metadata, rules } });
      const binding = { metadata, roleRef: role, subjects };
      await admin.request({ method: 'POST', path: `${rbac}/clusterrolebindings`, body: binding });
    },
    async [Symbol.asyncDispose]() {
      admin.close();
      await plane.stop();
    },
  };
});
