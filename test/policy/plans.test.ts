import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { exactDuration } from '../../policy/duration.ts';
import { PolicySet, scopeLabel } from '../../policy/govern.ts';
import { plan } from '../../policy/plan.ts';
import type { Decision } from '../../policy/types.ts';
import { NOW } from './build.ts';
import { assertGolden, columns } from './golden.ts';
import { ROWS, type Row } from './plans-table.ts';

function rendered({ resources, archives, disk }: Row): string {
  const { decisions, unmet, nextDue } = plan(
    { archives, ...(disk && { disk }) },
    new PolicySet(resources),
    NOW,
  );
  const rows = decisions.map((each) => [
    each.action,
    each.rule,
    labelOf(each),
    each.archive.file,
    each.reason,
  ]);
  const told = unmet.map(({ message, heldBy }) => `! ${message} [${heldBy.length}]\n`);
  const due = nextDue === null ? 'nothing falls due' : `next due in ${exactDuration(nextDue - NOW)}`;
  return `${columns(rows)}\n${told.join('')}${due}\n`;
}

function labelOf({ policy, resource }: Decision): string {
  const by = resource === null ? '-' : resource.reference.name;
  return policy === null ? by : `${by} ${scopeLabel(policy.scope)}`;
}

for (const row of ROWS) {
  test(`plan: ${row.name}`, () => assertGolden(`plan-${row.name}.txt`, rendered(row)));
}

test('no golden plan without a row', () => {
  const files = readdirSync(join(import.meta.dirname, 'golden')).filter((file) => file.startsWith('plan-'));
  assert.deepEqual(files.sort(), ROWS.map((row) => `plan-${row.name}.txt`).sort());
});
