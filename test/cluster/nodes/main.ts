import { once } from 'node:events';
import { type Cluster, startCluster } from './cluster.ts';

// `node test/cluster/nodes/main.ts [NODES]` runs a cluster until Ctrl-C.
const started = Date.now();
// From the beginning, so that Ctrl-C during the start leaves nothing either.
let interrupted = false;
const interrupt = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]).then(() => {
  interrupted = true;
});
const alive = setInterval(() => {}, 60_000);
try {
  await using cluster = await startCluster({
    nodes: Number(process.argv[2] ?? 2),
    services: true,
    audit: true,
  });
  if (!interrupted) {
    console.error(`Ready after ${((Date.now() - started) / 1000).toFixed(1)} s. Ctrl-C ends it.\n`);
    console.log(instructions(cluster));
  }
  await interrupt;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  clearInterval(alive);
}

function instructions(own: Cluster): string {
  const nodes = own.nodes.map((node) => `#   ${node.name}  ${node.address}  ${node.checkpointDirectory}`);
  const example = own.nodes[0]?.name ?? 'node1';
  return `export KUBECONFIG=${own.kubeconfig}
alias kubectl=${own.kubectlProgram}

# This machine is ${own.hostAddress} to the nodes. Name, address and checkpoints of each, as seen from here:
${nodes.join('\n')}
# Logs: ${own.directory} (control plane), ${own.nodesDirectory} (nodes).

# To try: a pod that counts, and a checkpoint of it through the API server.
kubectl run counter --image=localhost/busybox:1 --image-pull-policy=Never \\
  --overrides='{"spec": {"nodeName": "${example}"}}' -- -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 1; done'
kubectl wait --for=condition=Ready pod/counter
kubectl create --raw /api/v1/nodes/${example}/proxy/checkpoint/default/counter/counter -f /dev/null
`;
}
