import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { describedMetrics } from '../../docs/metrics.ts';
import { dashboardQueries } from '../../manifests/dashboard.ts';
import { DASHBOARD_FILE, dashboardText } from '../../manifests/generate.ts';

test('the committed dashboard is what `npm run manifests` writes', async () => {
  assert.equal(await readFile(DASHBOARD_FILE, 'utf8'), dashboardText(), 'run npm run manifests');
});

test('the dashboard asks for metrics that there are', () => {
  const known = new Set([...describedMetrics().values()].flat().map(({ name }) => name));
  for (const [panel, query] of dashboardQueries()) {
    for (const [name] of query.matchAll(/\bcheckpoint_warden_\w+/g)) {
      assert.ok(known.has(name.replace(/_bucket$/, '')), `${panel}: ${name}`);
    }
  }
});
