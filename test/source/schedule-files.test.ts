import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatFinding } from '../../policy/findings.ts';
import { readPolicyAndScheduleFiles, readPolicyFiles } from '../../source/files.ts';
import { scratch } from './scratch.ts';

const schedule = (name: string, spec: string) =>
  `apiVersion: criu.org/v1\nkind: CheckpointSchedule\nmetadata: {name: ${name}, namespace: shop}\nspec: {${spec}}\n`;
const SOUND = 'selector: {}, triggers: {interval: 1h}';

test('schedules are judged beside the policies of all files, and beside each other', async (t) => {
  const policy =
    'apiVersion: criu.org/v1\nkind: CheckpointRestoreOperator\nmetadata: {name: q, namespace: shop}\nspec: {namespacePolicies: [{namespace: shop, checkpointing: Deny}]}\n';
  const bad = schedule('bad', 'selector: {}, triggers: {cron: x}');
  const text = [schedule('first', SOUND), schedule('second', SOUND), bad].join('---\n');
  const folder = await scratch(t, { 'a.yaml': text, 'b.yaml': policy });
  const [one, two] = [join(folder, 'a.yaml'), join(folder, 'b.yaml')];
  const { schedules, resources, problems } = await readPolicyAndScheduleFiles([one, two]);
  assert.deepEqual(
    schedules.map(({ reference }) => reference.name),
    ['first', 'second', 'bad'],
  );
  assert.equal(resources.length, 1);
  const lines = problems.map(({ resource, finding }) => `${resource} ${finding.code}`);
  assert.deepEqual(lines, [
    'shop/first refusedByPolicy',
    'shop/second refusedByPolicy',
    'shop/second overlappingSchedules',
    'shop/bad badCron',
    'shop/bad refusedByPolicy',
  ]);
  assert(problems.every((each) => each.file === one));
});

test('for policies a schedule is neither one nor an error', async (t) => {
  const { resources, problems } = await readPolicyFiles([
    join(await scratch(t, { 'c.yaml': schedule('only', SOUND) }), 'c.yaml'),
  ]);
  assert.deepEqual([resources, problems], [[], []]);
});

test('a misspelt kind is told, in a folder too', async (t) => {
  const text = schedule('x', SOUND).replace('CheckpointSchedule', 'CheckpointShedule');
  const path = await scratch(t, { 'd.yaml': text });
  const { problems } = await readPolicyAndScheduleFiles([path]);
  assert.deepEqual(
    problems.map(({ finding }) => formatFinding(finding)),
    ['kind = "CheckpointShedule": must be CheckpointSchedule; did you mean CheckpointSchedule?'],
  );
});
