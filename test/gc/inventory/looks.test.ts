import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Bench } from '../inventory-bench.ts';

const COUNT = 300;

it('looks that overlap read each archive once', async () => {
  const bench = new Bench();
  await bench.scan();
  const names = Array.from({ length: COUNT }, (_, index) => `checkpoint-${index}.tar`);
  for (const name of names) bench.put(name, { ageMs: 0 });
  await bench.inventory.look(names);
  assert.equal(bench.files.calls.open, 0);
  bench.now += 1_000;
  await Promise.all(Array.from({ length: 8 }, () => bench.inventory.look(names)));
  assert.equal(bench.inventory.totals().growing, 0);
  assert.equal(bench.files.calls.open, COUNT);
});
