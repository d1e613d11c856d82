import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { describedMetrics } from '../../docs/metrics.ts';
import { mustRun, runCommand } from '../cluster/nodes/command.ts';
import { requireForNodes } from '../cluster/nodes/requirements.ts';
import { ALERT_ROWS } from './alert-table.ts';

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

const project = fileURLToPath(new URL('../..', import.meta.url));
let scratch: string;
let alerts: readonly Alert[];

before(async () => {
  await requireForNodes(['promtool']);
  scratch = await mkdtemp(join(tmpdir(), 'checkpoint-warden-alerts-'));
  const { spec } = parse(await readFile(join(project, 'manifests/monitoring/alerts.yaml'), 'utf8'));
  await writeFile(join(scratch, 'rules.yaml'), stringify(spec));
  alerts = spec.groups.flatMap(({ rules }: { rules: Alert[] }) => rules);
});
after(() => rm(scratch, { recursive: true, force: true }));

test('promtool finds nothing wrong with the rules', async () => {
  const said = await mustRun('promtool', ['check', 'rules', '--lint-fatal', join(scratch, 'rules.yaml')]);
  assert.match(said, new RegExp(`SUCCESS: ${alerts.length} rules found`));
});

test('each alert fires when it should, says what it should, and is silent otherwise', async () => {
  const cases = ALERT_ROWS.map(({ alert, name, series, at, says }) => ({
    name: `${alert}: ${name}`,
    interval: '1m',
    input_series: Object.entries(series).map(([metric, values]) => ({ series: metric, values })),
    alert_rule_test: [
      {
        alertname: alert,
        eval_time: `${at}m`,
        exp_alerts: says === null ? [] : [expected(alert, says, series)],
      },
    ],
  }));
  const file = join(scratch, 'tests.yaml');
  await writeFile(file, stringify({ rule_files: ['rules.yaml'], evaluation_interval: '1m', tests: cases }));
  const { status, stdout, stderr } = await runCommand('promtool', ['test', 'rules', file]);
  assert.equal(status, 0, stdout + stderr);
});

/** The labels that are left are those of the first series that the rule groups or keeps. */
function expected(name: string, summary: string, series: Readonly<Record<string, string>>): object {
  const rule = alerts.find((each) => each.alert === name);
  assert.ok(rule, name);
  const kept = /\b(?:sum) by \(([^)]+)\)/.exec(rule.expr)?.[1]?.split(', ');
  const [first = ''] = Object.keys(series);
  const labels = [...first.matchAll(/(\w+)="([^"]*)"/g)].map(
    ([, label = '', value = '']) => [label, value] as const,
  );
  return {
    exp_labels: {
      ...Object.fromEntries(labels.filter(([label]) => kept?.includes(label) ?? true)),
      ...rule.labels,
    },
    exp_annotations: { ...rule.annotations, summary },
  };
}

test('each alert is tried both ways and has its section; each section has its alert', async () => {
  const page = await readFile(join(project, 'docs/operations/alerts.md'), 'utf8');
  const sections = [...page.matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
  assert.deepEqual(
    sections,
    alerts.map(({ alert }) => alert),
  );
  for (const { alert, annotations } of alerts) {
    assert.equal(annotations.runbook, `docs/operations/alerts.md#${alert.toLowerCase()}`);
    const rows = ALERT_ROWS.filter((each) => each.alert === alert);
    assert.ok(rows.some(({ says }) => says === null) && rows.some(({ says }) => says !== null), alert);
  }
});

test('the rules name metrics that there are', async () => {
  const known = new Set([...describedMetrics().values()].flat().map(({ name }) => name));
  for (const { alert, expr } of alerts) {
    for (const [name] of expr.matchAll(/\bcheckpoint_warden_\w+/g))
      assert.ok(known.has(name), `${alert}: ${name}`);
  }
});
