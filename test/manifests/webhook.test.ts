import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { suite, test } from 'node:test';
import { parse } from 'yaml';
import { POLICY_WEBHOOKS_FILE, policyWebhooksText } from '../../manifests/generate.ts';
import { TIMINGS } from '../../webhook/timings.ts';

async function manifest(file: string) {
  return parse(await readFile(new URL(`../../manifests/${file}`, import.meta.url), 'utf8'));
}

suite('the webhook in the cluster', () => {
  test('the committed registrations are what `npm run manifests` writes', async () => {
    assert.equal(await readFile(POLICY_WEBHOOKS_FILE, 'utf8'), policyWebhooksText(), 'run npm run manifests');
  });

  test('the registrations dial the Service, and the Service finds the pods', async () => {
    const service = await manifest('webhook/service.yaml');
    const { template, selector } = (await manifest('webhook/deployment.yaml')).spec;
    assert.match(policyWebhooksText(), /namespace: checkpoint-warden\n +name: webhook\n +port: 443\n/);
    assert.equal(service.metadata.name, 'webhook');
    assert.deepEqual(
      service.spec.ports.map(({ port, targetPort }: { port: number; targetPort: string }) => [
        port,
        targetPort,
      ]),
      [
        [443, 'https'],
        [8443, 'gateway'],
      ],
    );
    const budget = await manifest('webhook/disruption-budget.yaml');
    for (const labels of [service.spec.selector, selector.matchLabels, budget.spec.selector.matchLabels]) {
      assert.deepEqual(labels, template.metadata.labels);
    }
    const [{ ports, args }] = template.spec.containers;
    for (const { containerPort } of ports) {
      assert.ok(
        args.some((each: string) => each.endsWith(`=:${containerPort}`)),
        String(containerPort),
      );
    }
  });

  test('it has the time to drain, and is asked often enough that the drain covers the delay', async () => {
    const { spec } = (await manifest('webhook/deployment.yaml')).spec.template;
    const [{ readinessProbe }] = spec.containers;
    assert.ok(spec.terminationGracePeriodSeconds * 1_000 >= TIMINGS.drain + TIMINGS.finish + 2_000);
    assert.ok(readinessProbe.periodSeconds * readinessProbe.failureThreshold * 1_000 < TIMINGS.drain);
  });

  test('the pod is what the restricted standard asks for', async () => {
    const { spec } = (await manifest('webhook/deployment.yaml')).spec.template;
    const [container] = spec.containers;
    assert.equal(spec.securityContext.runAsNonRoot, true);
    assert.deepEqual(spec.securityContext.seccompProfile, { type: 'RuntimeDefault' });
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  });
});
