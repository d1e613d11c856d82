import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { REFUSALS, Refusal, refused } from '../../../webhook/gateway/refusal.ts';

test('the guide has each refusal with its status, and no other', async () => {
  const guide = await readFile(new URL('../../../docs/guide/gateway.md', import.meta.url), 'utf8');
  const rows = [...guide.matchAll(/^\| (\d{3}) +\| ([^|]+)\|/gm)];
  const documented = rows.flatMap(([, status, codes = '']) =>
    [...codes.matchAll(/`(\w+)`/g)].map(([, code]) => `${code} ${status}`),
  );
  const known = Object.entries(REFUSALS).map(([code, { status }]) => `${code} ${status}`);
  // Nobody gets that answer.
  assert.deepEqual(documented.sort(), known.filter((each) => each !== 'callerLeft 499').sort());
});

test('a refusal is a sentence with its remedy, and headers for programs', () => {
  const cause = new Error('connect ECONNREFUSED 10.0.0.1:10350');
  const refusal = new Refusal('doorAway', 'the door of node n does not answer', {
    retryAfterSeconds: 5,
    cause,
  });
  assert.deepEqual(refused(refusal), {
    status: 503,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'checkpoint-warden-refusal': 'doorAway',
      'retry-after': '5',
    },
    body: 'the door of node n does not answer; try again in a moment; if it stays so, the collector does not run on that node\n',
  });
});
