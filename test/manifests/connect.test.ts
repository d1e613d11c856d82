import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { suite, test } from 'node:test';
import { parse } from 'yaml';
import { connectPolicy, connectWebhookConfiguration, MAY_REACH_CHECKPOINT } from '../../manifests/connect.ts';
import {
  CONNECT_POLICY_FILE,
  CONNECT_WEBHOOK_FILE,
  connectPolicyText,
  connectWebhookText,
} from '../../manifests/generate.ts';

const clientConfig = { service: { namespace: 'checkpoint-warden', name: 'webhook' } };
const rule = {
  apiGroups: [''],
  apiVersions: ['v1'],
  operations: ['CONNECT'],
  resources: ['nodes/proxy'],
  scope: 'Cluster',
};
const reach = { name: 'may-reach-checkpoint', expression: MAY_REACH_CHECKPOINT };

suite('the guard of nodes/proxy', () => {
  test('the committed files are what `npm run manifests` writes', async () => {
    assert.equal(await readFile(CONNECT_POLICY_FILE, 'utf8'), connectPolicyText(), 'run npm run manifests');
    assert.equal(await readFile(CONNECT_WEBHOOK_FILE, 'utf8'), connectWebhookText(), 'run npm run manifests');
  });

  test('the webhook is asked of nothing but what may be a checkpoint request, and fails closed', () => {
    const { webhooks } = connectWebhookConfiguration({ clientConfig });
    const [hook] = webhooks;
    assert.deepEqual(hook.clientConfig, { service: { ...clientConfig.service, path: '/connect' } });
    assert.deepEqual([hook.rules, hook.failurePolicy, hook.timeoutSeconds], [[rule], 'Fail', 3]);
    assert.deepEqual(hook.matchConditions, [reach]);
  });

  test('mode Enforce: time for a verdict, and a component that leaves the policy out', async () => {
    const [hook] = connectWebhookConfiguration({ clientConfig, mode: 'Enforce' }).webhooks;
    assert.equal(hook.timeoutSeconds, 5);
    const component = new URL(
      '../../manifests/components/connect-enforce/kustomization.yaml',
      import.meta.url,
    );
    const { patches } = parse(await readFile(component, 'utf8'));
    const [policy, binding, webhook, deployment] = patches.map(({ patch }: { patch: string }) =>
      parse(patch),
    );
    const names = connectPolicy().map(({ kind, metadata: { name } }) => [kind, name]);
    assert.deepEqual(
      [policy, binding].map((each) => [each.kind, each.metadata.name]),
      names,
    );
    assert.deepEqual([policy.$patch, binding.$patch], ['delete', 'delete']);
    assert.deepEqual(webhook, [
      { op: 'replace', path: '/webhooks/0/timeoutSeconds', value: hook.timeoutSeconds },
    ]);
    assert.equal(deployment[0].value, '--connect-mode=Enforce');
  });

  test('the policy asks the same, and needs nobody', () => {
    const [policy, binding] = connectPolicy();
    assert.deepEqual(policy.spec.matchConstraints.resourceRules, [rule]);
    assert.deepEqual(policy.spec.matchConditions, [reach]);
    assert.deepEqual([policy.spec.failurePolicy, policy.spec.validations[0].expression], ['Fail', 'false']);
    assert.deepEqual(binding.spec, {
      policyName: policy.metadata.name,
      validationActions: ['Deny', 'Audit'],
    });
  });

  test('exempt users stand in both, quoted', () => {
    const exemptUsers = ['system:serviceaccount:ops:migrator', "o'neil", 'a\\b'];
    const expression =
      "!(request.userInfo.username in ['system:serviceaccount:ops:migrator', 'o\\'neil', 'a\\\\b'])";
    const expected = [reach, { name: 'not-exempt', expression }];
    assert.deepEqual(connectPolicy({ exemptUsers })[0].spec.matchConditions, expected);
    const [hook] = connectWebhookConfiguration({ clientConfig, exemptUsers }).webhooks;
    assert.deepEqual(hook.matchConditions, expected);
  });

  test('the gateway is named where there is one', () => {
    const [{ message, messageExpression }] = connectPolicy({ gateway: 'https://gateway:8443/' })[0].spec
      .validations;
    assert.match(message, /; ask the gateway instead$/);
    assert.match(messageExpression, /ask the gateway instead: POST https:\/\/gateway:8443\/checkpoint\/'/);
  });
});
