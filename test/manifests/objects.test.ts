import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { webhookConfigurations } from '../../manifests/objects.ts';

const ca = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';

suite('webhook configurations', () => {
  test('what is asked of the webhook, and what happens without it', () => {
    const configurations = webhookConfigurations({
      clientConfig: { url: 'https://localhost:9443/', caBundle: ca },
    });
    assert.deepEqual(
      configurations.map(({ kind, webhooks }) => [kind, webhooks.map(({ failurePolicy }) => failurePolicy)]),
      [
        ['MutatingWebhookConfiguration', ['Fail', 'Fail', 'Ignore']],
        ['ValidatingWebhookConfiguration', ['Fail', 'Fail']],
      ],
    );
    for (const { apiVersion, metadata, webhooks } of configurations) {
      assert.equal(apiVersion, 'admissionregistration.k8s.io/v1');
      assert.deepEqual(metadata, { name: 'checkpoint-warden' });
      for (const each of webhooks.filter(({ failurePolicy }) => failurePolicy === 'Fail')) {
        const isForSchedules = each.name.includes('schedules');
        assert.deepEqual(each.rules, [
          {
            apiGroups: ['criu.org'],
            apiVersions: ['v1'],
            operations: ['CREATE', 'UPDATE'],
            resources: [isForSchedules ? 'checkpointschedules' : 'checkpointrestoreoperators'],
            scope: 'Namespaced',
          },
        ]);
        assert.equal(each.matchPolicy, 'Equivalent');
        assert.equal(each.sideEffects, 'None');
        assert.equal(each.timeoutSeconds, 5);
        assert.deepEqual(each.admissionReviewVersions, ['v1']);
        assert.deepEqual(each.namespaceSelector, {});
      }
    }
  });

  test('pods are asked about only where they ask for it, and never kept out', () => {
    const service = { namespace: 'warden', name: 'webhook' };
    const [{ webhooks } = assert.fail()] = webhookConfigurations({ clientConfig: { service } });
    const { name, clientConfig: _, ...pods } = webhooks.at(-1) ?? assert.fail();
    assert.equal(name, 'checkpoint-warden-mutate-pods.criu.org');
    assert.deepEqual(pods, {
      rules: [
        {
          apiGroups: [''],
          apiVersions: ['v1'],
          operations: ['CREATE'],
          resources: ['pods'],
          scope: 'Namespaced',
        },
      ],
      failurePolicy: 'Ignore',
      matchPolicy: 'Equivalent',
      sideEffects: 'None',
      timeoutSeconds: 2,
      admissionReviewVersions: ['v1'],
      namespaceSelector: {
        matchExpressions: [
          { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'warden'] },
        ],
      },
      objectSelector: { matchLabels: { 'checkpoint.criu.org/before-stop': 'true' } },
      matchConditions: [
        {
          name: 'not-a-mirror-pod',
          expression:
            "!has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in object.metadata.annotations)",
        },
      ],
      reinvocationPolicy: 'Never',
    });
  });

  test('reached by a URL, or by a Service', () => {
    const endpoints = (clientConfig: Parameters<typeof webhookConfigurations>[0]['clientConfig']) =>
      webhookConfigurations({ clientConfig }).flatMap(({ webhooks }) =>
        webhooks.map((each) => each.clientConfig),
      );
    const caBundle = Buffer.from(ca).toString('base64');
    assert.deepEqual(endpoints({ url: 'https://localhost:9443', caBundle: ca }), [
      { url: 'https://localhost:9443/mutate', caBundle },
      { url: 'https://localhost:9443/mutate-schedules', caBundle },
      { url: 'https://localhost:9443/mutate-pods', caBundle },
      { url: 'https://localhost:9443/validate', caBundle },
      { url: 'https://localhost:9443/validate-schedules', caBundle },
    ]);
    const service = { namespace: 'checkpoint-warden', name: 'webhook', port: 443 };
    assert.deepEqual(endpoints({ service }), [
      { service: { ...service, path: '/mutate' } },
      { service: { ...service, path: '/mutate-schedules' } },
      { service: { ...service, path: '/mutate-pods' } },
      { service: { ...service, path: '/validate' } },
      { service: { ...service, path: '/validate-schedules' } },
    ]);
  });

  test('annotations for an injector', () => {
    const annotations = { 'cert-manager.io/inject-ca-from': 'a/b' };
    const service = { namespace: 'a', name: 'b' };
    for (const { metadata } of webhookConfigurations({
      clientConfig: { service },
      annotations,
      name: 'other',
    })) {
      assert.deepEqual(metadata, { name: 'other', annotations });
    }
  });
});
