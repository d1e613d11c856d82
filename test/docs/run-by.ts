/** How it is seen that a command of the documentation does what stands there. */
export type RunBy =
  /** Run by test/docs/commands.test.ts, to its end. */
  | { readonly here: true; readonly code?: number }
  /** Started by test/docs/commands.test.ts, and ended by SIGTERM. */
  | { readonly started: true }
  /** Run by this test, which takes it out of the page (`typed`), or in whose text `as` stands. */
  | { readonly test: string; readonly as?: string };

const HERE: RunBy = { here: true };
const ON_NODES: RunBy = { test: 'test/node/installed.test.ts' };
const IN_CLUSTER: RunBy = { test: 'test/e2e/docs/commands.test.ts' };
const OPERATOR: RunBy = {
  test: 'test/e2e/public-operator/guide.test.ts',
  as: 'for (const command of COMMANDS)',
};
/** Through kubectl, at the aggregated API. */
const API = 'test/e2e/api/kubectl.test.ts';
const API_INSTALLED: RunBy = { test: 'test/node/api.test.ts', as: 'registration' };
/** The scripts that `npm test` is made of, and those that take minutes. */
const SCRIPT: RunBy = { test: 'package.json' };

/** Every command of every page. A page that has another one fails the test, and so does an entry that no page has. */
export const RUN_BY: Readonly<Record<string, Readonly<Record<string, RunBy>>>> = {
  'README.md': {
    'npm ci && npm start': { test: '.ci/run', as: 'npm ci' },
    'npm ci && npm test': { test: '.ci/run', as: 'npm test' },
    'npm start -- validate examples/refused.yaml': { here: true, code: 1 },
    'npm start -- plan --directory test/fixtures/archives --policies examples/team-quota.yaml --now 2026-12-24T00:00:00Z':
      HERE,
    'npm start -- ls --directory test/fixtures/archives': HERE,
    'checkpoint-warden gc --directory /var/lib/kubelet/checkpoints --policies /etc/checkpoint-warden --once --dry-run':
      HERE,
    'checkpoint-warden gc --directory /var/lib/kubelet/checkpoints --policies /etc/checkpoint-warden --state-directory /var/lib/checkpoint-warden --audit /var/log/checkpoint-warden/audit.jsonl --metrics 127.0.0.1:9090':
      { started: true },
    'checkpoint-warden gc --directory /var/lib/kubelet/checkpoints --state-directory /var/lib/checkpoint-warden --node worker-1 --door :10350 --certificate-directory /etc/checkpoint-warden/door':
      { test: 'test/node/door/collector.ts', as: "'certificate-directory'" },
    'checkpoint-warden webhook --listen :9443 --certificate-directory /etc/checkpoint-warden/tls --gateway :9444 --door-ca /etc/checkpoint-warden/doors/ca.crt --gateway-url https://checkpoints.example.com':
      { test: 'test/node/gateway/webhook.ts', as: "'door-ca'" },
    'curl -X POST -H "Authorization: Bearer $TOKEN" --cacert ca.crt https://checkpoints.example.com/checkpoint/shop/cart/main':
      { test: 'test/node/gateway.test.ts', as: "ask('shop/cart/main')" },
    'checkpoint-warden webhook --listen 0.0.0.0:9443 --certificate-directory /etc/checkpoint-warden/tls': {
      test: 'test/e2e/rolling.test.ts',
      as: 'overlays/cert-manager',
    },
    ...Object.fromEntries(
      [
        ...['check', 'test:properties', 'test:model', 'test:fuzz', 'test:cluster', 'test:node', 'cluster'],
        ...['build', 'bench:door', 'bench:gateway', 'bench:webhook', 'bench:gc'],
      ].map((script) => [`npm run ${script}`, SCRIPT]),
    ),
  },
  'docs/guide/README.md': {
    'checkpoint-warden ls --directory test/fixtures/archives': HERE,
    'cat examples/team-quota.yaml': HERE,
    'checkpoint-warden validate examples/team-quota.yaml': HERE,
    'checkpoint-warden validate examples/refused.yaml || echo "refused, with a sentence for each mistake"':
      HERE,
    'checkpoint-warden plan --directory test/fixtures/archives --policies examples/team-quota.yaml': HERE,
    'kubectl apply -f examples/team-quota.yaml': IN_CLUSTER,
    'kubectl get cro -A': IN_CLUSTER,
    'checkpoint-warden demo --exit': { test: 'test/cli/demo.test.ts', as: "['demo', '--exit'" },
  },
  'docs/guide/api.md': {
    'kubectl get checkpoints -A': { test: 'test/node/api.test.ts', as: "'get', 'checkpoints', '-A'" },
    'kubectl get ckpt -n shop -o wide': { test: API, as: "'get', 'ckpt', '-A', '-o', 'wide'" },
    'kubectl explain checkpoint.status': { test: API, as: "'explain', 'checkpoint.status'" },
    'kubectl apply -k manifests/overlays/api': API_INSTALLED,
    'kubectl rollout status -n checkpoint-warden deployment/webhook': API_INSTALLED,
    'kubectl rollout status -n checkpoint-warden daemonset/collector': API_INSTALLED,
    'kubectl apply -k manifests/registration': API_INSTALLED,
    'kubectl wait --for=condition=Available apiservice/v1alpha1.checkpoint.criu.org': API_INSTALLED,
    'kubectl delete -k manifests/registration': API_INSTALLED,
    'kubectl delete -k manifests/overlays/api': API_INSTALLED,
    'kubectl create -f checkpoint.yaml --dry-run=server': { test: API, as: "'--dry-run=server'" },
    'kubectl create -f checkpoint.yaml': { test: 'test/node/api.test.ts', as: "await create('shop'" },
    'kubectl create --raw /apis/checkpoint.criu.org/v1alpha1/namespaces/shop/pods/cart/checkpoint -f - <<< \'{"spec":{"containerName":"main"}}\'':
      { test: 'test/node/api.test.ts', as: "'create', '--raw', raw, '-f', '-'" },
    'kubectl label ckpt -n shop cart-main-ca12a60bd1f73cbf checkpoint.criu.org/pinned=true': {
      test: 'test/node/api.test.ts',
      as: "label('checkpoint.criu.org/pinned=true')",
    },
    'kubectl label ckpt -n shop cart-main-ca12a60bd1f73cbf checkpoint.criu.org/pinned-': {
      test: 'test/node/api.test.ts',
      as: "label('checkpoint.criu.org/pinned-')",
    },
    'kubectl delete ckpt -n shop cart-main-ca12a60bd1f73cbf': {
      test: 'test/node/api.test.ts',
      as: "'delete', 'ckpt'",
    },
  },
  'docs/guide/cert-manager.md': {
    'kubectl apply -k .': { test: 'test/e2e/cert-manager.test.ts', as: 'overlays/cert-manager' },
  },
  'docs/guide/certificates.md': {
    'checkpoint-warden certs status --kubeconfig ~/.kube/config --address localhost:9443': {
      test: 'test/e2e/authority.test.ts',
      as: "suite('certs status'",
    },
  },
  'docs/guide/door.md': {
    'checkpoint-warden gc --directory /var/lib/kubelet/checkpoints --state-directory /var/lib/checkpoint-warden --node worker-1 --door :10350 --certificate-directory /etc/warden/tls --kubeconfig FILE --kubelet 10.1.2.3 --kubelet-ca FILE --kubelet-token FILE':
      { test: 'test/node/door/collector.ts', as: "'kubelet-token'" },
    'curl --cacert ca.crt -X POST -H "Authorization: Bearer $(kubectl create token -n shop forensics)" https://worker-1:10350/checkpoint/shop/cart/main':
      { test: 'test/node/door.test.ts', as: '/checkpoint/' },
  },
  'docs/guide/gateway.md': {
    'curl -X POST -H "Authorization: Bearer $(kubectl create token backup -n shop)" --cacert ca.crt https://checkpoints.example.com/checkpoint/shop/cart/main':
      { test: 'test/node/gateway.test.ts', as: "ask('shop/cart/main')" },
    'checkpoint-warden webhook --listen :9443 --certificate-directory /etc/warden/tls --gateway :9444 --door-ca /etc/warden/doors/ca.crt --gateway-url https://checkpoints.example.com':
      { test: 'test/node/gateway/webhook.ts', as: "'door-ca'" },
  },
  'docs/guide/install.md': {
    'docker build -t registry.example.com/checkpoint-warden:0.1.0 --build-arg BUILD_IMAGE=node:24-bookworm-slim --build-arg RUNTIME_IMAGE=node:24-bookworm-slim .':
      { test: 'test/cluster/image/image.ts', as: '--build-arg=' },
    'kubectl apply -k .': ON_NODES,
    'kubectl rollout status -n checkpoint-warden deployment/webhook': ON_NODES,
    'kubectl rollout status -n checkpoint-warden daemonset/collector': ON_NODES,
    'kubectl get ckn': ON_NODES,
    'kubectl get cro -A': ON_NODES,
    'kubectl delete -k .': ON_NODES,
  },
  'docs/guide/public-operator.md': {
    'kubectl get checkpointrestoreoperators -A -o yaml > policies.yaml': OPERATOR,
    'kubectl get pods -A -o json > pods.json': OPERATOR,
    'checkpoint-warden validate policies.yaml': OPERATOR,
    'checkpoint-warden plan --directory /var/lib/kubelet/checkpoints --policies policies.yaml --pods pods.json':
      OPERATOR,
    'kubectl scale deployment -n "$NAMESPACE" "$DEPLOYMENT" --replicas=0': OPERATOR,
    'checkpoint-warden gc --directory /var/lib/kubelet/checkpoints --state-directory /var/lib/checkpoint-warden --kubeconfig "$KUBECONFIG" --once --dry-run':
      OPERATOR,
    'checkpoint-warden gc --directory /var/lib/kubelet/checkpoints --state-directory /var/lib/checkpoint-warden --kubeconfig "$KUBECONFIG" --once':
      OPERATOR,
  },
  'docs/guide/status.md': {
    'kubectl annotate cro -n shop tight --overwrite checkpoint.criu.org/confirm="$(kubectl get cro -n shop tight -o jsonpath=\'{.status.confirming.digests}\')"':
      { test: 'test/e2e/status/status.test.ts', as: 'annotate cro -n shop quotas' },
  },
  'docs/operations/README.md': {
    'kubectl get checkpointrestoreoperators -A -o yaml > policies.yaml': IN_CLUSTER,
    'kubectl apply -f policies.yaml': IN_CLUSTER,
    'kubectl apply -k .': ON_NODES,
    'kubectl rollout status -n checkpoint-warden deployment/webhook': ON_NODES,
    'kubectl rollout status -n checkpoint-warden daemonset/collector': ON_NODES,
    'kubectl delete -k .': ON_NODES,
    'kubectl get ckn': IN_CLUSTER,
    'kubectl describe ckn': IN_CLUSTER,
    'kubectl get cro -A': IN_CLUSTER,
    'kubectl get pods -n checkpoint-warden -o wide': IN_CLUSTER,
    'kubectl logs -n checkpoint-warden daemonset/collector': ON_NODES,
  },
  'docs/operations/alerts.md': {
    'kubectl get cro -n "$NAMESPACE" "$NAME" -o jsonpath=\'{.status.conditions[?(@.type=="Confirming")].message}\'':
      IN_CLUSTER,
    'kubectl get pods -n checkpoint-warden -o wide -l app.kubernetes.io/component=collector': IN_CLUSTER,
  },
};

/** Of a page, the commands that this test runs. */
export function runBy(path: string, test: string): readonly string[] {
  return Object.entries(RUN_BY[path] ?? {}).flatMap(([command, by]) =>
    'test' in by && by.test === test ? command : [],
  );
}
