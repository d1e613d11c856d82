import { FakeApiServer, POLICIES } from '../../test/kube/fake-api-server.ts';
import { storedPolicy } from './reviews.ts';

/** An API server with so many policies, where everybody may govern. */
const [policies = '0'] = process.argv.slice(2);
const api = await FakeApiServer.start();
api.governors.add('system:authenticated');
for (let index = 0; index < Number(policies); index += 1) {
  const { metadata, ...rest } = storedPolicy(index);
  api.put(POLICIES, {
    ...rest,
    metadata: { namespace: `tenant-${index}`, name: 'quotas', ...Object(metadata) },
  });
}
process.send?.({ kubeconfig: await api.kubeconfig(), directory: api.directory });
process.on('disconnect', () => process.exit());
