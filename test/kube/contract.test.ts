import { contractSuite } from './contract.ts';
import { FakeApiServer, PODS, POLICIES } from './fake-api-server.ts';

contractSuite('the contract, over the fake API server', async () => {
  const fake = await FakeApiServer.start();
  return {
    port: fake.port,
    kubeconfig: (port) => fake.kubeconfig(port),
    createPod: async (namespace, name, annotations = {}) =>
      fake.put(PODS, { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name, annotations } }),
    deletePod: async (namespace, name) => fake.remove(PODS, namespace, name),
    putPolicy: async (namespace, name, spec) => {
      const kind = 'CheckpointRestoreOperator';
      fake.put(POLICIES, { apiVersion: 'criu.org/v1', kind, metadata: { namespace, name }, spec });
    },
    deletePolicy: async (namespace, name) => fake.remove(POLICIES, namespace, name),
    grantGovern: async (group) => {
      fake.governors.add(group);
    },
    [Symbol.asyncDispose]: () => fake[Symbol.asyncDispose](),
  };
});
