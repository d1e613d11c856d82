import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { REFUSALS } from '../../gc/door/refusal.ts';
import type { RefusalReason, Verdict } from '../../policy/types.ts';

const GUIDE = readFileSync(new URL('../../docs/guide/door.md', import.meta.url), 'utf8');

/** Statuses of the refusals that `admit` makes. */
const REASONS: Readonly<Record<RefusalReason, Extract<Verdict, { admitted: false }>['status']>> = {
  denied: 403,
  interval: 429,
  concurrency: 429,
  count: 507,
  total: 507,
  size: 507,
  disk: 507,
};

test('the guide has every refusal of the door, with its status, and no other', () => {
  const rows = [...GUIDE.matchAll(/^\| (\d{3}) +\| `(\w+)` +\|/gm)].map(
    ([, status, code]) => `${code} ${status}`,
  );
  const known = [
    ...Object.entries(REFUSALS).map(([code, { status }]) => `${code} ${status}`),
    ...Object.entries(REASONS).map(([code, status]) => `${code} ${status}`),
  ];
  assert.deepEqual(rows.sort(), known.sort());
});

test('the guide links to pages that are there', () => {
  for (const [, target = ''] of GUIDE.matchAll(/\]\(([^)#]+)\)/g)) {
    assert.ok(readFileSync(new URL(`../../docs/guide/${target}`, import.meta.url)).length > 0, target);
  }
});
