import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { suite, test } from 'node:test';
import { Registry } from 'prom-client';
import { parse } from 'yaml';
import { serveMetrics } from '../../observe/listener.ts';
import { formatBytes, parseQuantity } from '../../policy/quantity.ts';

function read(file: string): Promise<string> {
  return readFile(new URL(`../../${file}`, import.meta.url), 'utf8');
}

async function manifest(file: string) {
  return parse(await read(`manifests/${file}`));
}

async function workloads() {
  const files = { webhook: 'webhook/deployment.yaml', collector: 'collector/daemonset.yaml' };
  return Promise.all(
    Object.entries(files).map(async ([name, file]) => ({ name, pod: (await manifest(file)).spec.template })),
  );
}

suite('what the manifests ask of a cluster', () => {
  test('the priority classes are the system’s, and a quota lets them into the namespace', async () => {
    const classes = (await workloads()).map(({ pod }) => pod.spec.priorityClassName);
    assert.deepEqual(classes, ['system-cluster-critical', 'system-node-critical']);
    const { spec } = await manifest('base/critical-pods.yaml');
    const [{ scopeName, operator, values }] = spec.scopeSelector.matchExpressions;
    assert.deepEqual([scopeName, operator], ['PriorityClass', 'In']);
    for (const each of classes) assert.ok(values.includes(each), each);
  });

  test('network policies select the pods, and let callers in at every port but the one for metrics', async () => {
    for (const { name, pod } of await workloads()) {
      const { spec } = await manifest(`${name}/network-policy.yaml`);
      assert.deepEqual(spec.podSelector.matchLabels, pod.metadata.labels);
      const open = spec.ingress.flatMap((rule: { ports: { port: string }[]; from?: unknown }) =>
        rule.ports.map(({ port }) => `${port}${rule.from === undefined ? '' : ' from monitoring'}`),
      );
      const ports: { name: string }[] = pod.spec.containers[0].ports;
      const named = ports.map((each) => (each.name === 'metrics' ? 'metrics from monitoring' : each.name));
      // An overlay adds the gateway.
      const gateway = name === 'webhook' ? ['gateway'] : [];
      assert.deepEqual(open.sort(), [...named, ...gateway].sort());
    }
  });

  test('what may be called is names, the API server, kubelets and doors', async () => {
    const { spec } = await manifest('components/restrict-egress/egress.yaml');
    const ports = spec.egress.flatMap((rule: { ports: { port: number }[] }) =>
      rule.ports.map(({ port }) => port),
    );
    const { ports: served } = (await workloads())[1]?.pod.spec.containers[0] ?? {};
    const door = served.find((each: { name: string }) => each.name === 'door').hostPort;
    assert.deepEqual([...new Set(ports)], [53, 5353, 443, 6443, 10_250, door]);
  });

  test('memory: the heap fits into the limit, and the limit leaves room beside it', async () => {
    for (const { name, pod } of await workloads()) {
      const [{ env, resources }] = pod.spec.containers;
      const options: string = env.find((each: { name: string }) => each.name === 'NODE_OPTIONS').value;
      const heap = Number(/--max-old-space-size=(\d+)/.exec(options)?.[1]) * 2 ** 20;
      const limit = Number(parseQuantity(resources.limits.memory)?.value);
      assert.ok(limit >= 2 * heap, `${name}: ${formatBytes(heap)} of ${formatBytes(limit)}`);
      assert.ok(Number(parseQuantity(resources.requests.memory)?.value) <= limit);
      assert.equal(resources.limits.cpu, undefined);
    }
  });
});

suite('the image', () => {
  test('bases are arguments, production alone is in it, no user is root, and it can be asked how it is', async () => {
    const [build = '', runtime = ''] = (await read('Dockerfile')).split(/^FROM /m).slice(1);
    assert.match(build, /^\$\{BUILD_IMAGE\} AS build/);
    assert.match(build, /npm prune --omit=dev/);
    assert.match(runtime, /^\$\{RUNTIME_IMAGE\}\n/);
    assert.match(runtime, /^USER 65532:65532$/m);
    // It may have no shell.
    assert.doesNotMatch(runtime, /^RUN /m);
    for (const instruction of ['ENTRYPOINT', 'CMD', 'HEALTHCHECK']) {
      assert.match(runtime, new RegExp(`^${instruction} [^[]*(\\\\\\n +CMD )?\\[`, 'm'), instruction);
    }
    for (const label of ['title', 'description', 'licenses', 'version', 'revision', 'base.name']) {
      assert.ok(runtime.includes(`org.opencontainers.image.${label}=`), label);
    }
    const { version } = JSON.parse(await read('package.json'));
    assert.ok(runtime.includes(`ARG VERSION=${version}`), 'the version of package.json');
  });

  test('the health check ends with 0 where it is answered, and else with 1', async () => {
    const [, script = ''] = /"node", "-e", "(.+)"\]/.exec(await read('Dockerfile')) ?? [];
    const listener = await serveMetrics(new Registry(), { host: '127.0.0.1', port: 0 });
    const check = async () => {
      const url = `http://127.0.0.1:${listener.port}/healthz`;
      const child = spawn(process.execPath, ['-e', script], { env: { HEALTH_URL: url }, stdio: 'ignore' });
      return (await once(child, 'exit'))[0];
    };
    assert.equal(await check(), 0);
    await listener.close();
    assert.equal(await check(), 1);
  });

  test('the health check asks where the collector serves its metrics', async () => {
    const port = /HEALTH_URL=http:\/\/127\.0\.0\.1:(\d+)\/healthz/.exec(await read('Dockerfile'))?.[1];
    assert.ok((await workloads())[1]?.pod.spec.containers[0].args.includes(`--metrics=:${port}`));
  });
});
