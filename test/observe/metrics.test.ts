import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serveMetrics } from '../../observe/listener.ts';
import { createMetrics } from '../../observe/metrics.ts';

describe('the metrics', () => {
  it('follow the conventions of Prometheus in name and help', async () => {
    const { registry } = createMetrics({ ofProcess: false });
    for (const { name, help, type } of await registry.getMetricsAsJSON()) {
      assert.match(name, /^checkpoint_warden_[a-z_]+$/);
      assert.match(help, /\.$/);
      // promtool: counters end in _total, and nothing else does.
      assert.equal(name.endsWith('_total'), String(type) === 'counter', name);
      assert.doesNotMatch(name, /_(milliseconds|kilobytes|megabytes|count|sum|bucket)$/);
    }
  });

  it('have few labels, of fixed sets', async () => {
    const { registry } = createMetrics({ ofProcess: false });
    const labels = registry
      .getMetricsAsArray()
      .flatMap((metric) => ('labelNames' in metric ? metric.labelNames : []));
    assert.deepEqual([...new Set(labels as string[])].sort(), [
      'kind',
      'operation',
      'outcome',
      'reason',
      'result',
      'rule',
      'state',
    ]);
  });

  it('are served with those of the process', async () => {
    const metrics = createMetrics();
    metrics.deletions.inc({ rule: 'age' }, 3);
    let ready = true;
    const listener = await serveMetrics(metrics.registry, { host: '127.0.0.1', port: 0 }, () => ready);
    const at = (path: string, method = 'GET') =>
      fetch(`http://127.0.0.1:${listener.port}${path}`, { method });
    const answer = await at('/metrics?x=1');
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    const text = await answer.text();
    assert.match(text, /checkpoint_warden_deletions_total\{rule="age"\} 3/);
    assert.match(text, /process_cpu_user_seconds_total/);
    assert.equal((await at('/readyz')).status, 200);
    ready = false;
    assert.equal((await at('/readyz')).status, 503);
    assert.equal((await at('/healthz')).status, 200);
    assert.equal((await at('/other')).status, 404);
    assert.equal((await at('/metrics', 'POST')).status, 405);
    assert.equal((await at('/metrics', 'HEAD')).status, 200);
    await listener.close();
    await assert.rejects(at('/metrics'));
  });

  it('say what to do when the address is taken', async () => {
    const { registry } = createMetrics({ ofProcess: false });
    const first = await serveMetrics(registry, { host: '127.0.0.1', port: 0 });
    await assert.rejects(serveMetrics(registry, { host: '127.0.0.1', port: first.port }), {
      message: new RegExp(
        `^--metrics 127.0.0.1:${first.port} cannot be listened on .*EADDRINUSE.*choose another`,
      ),
    });
    await first.close();
  });
});
