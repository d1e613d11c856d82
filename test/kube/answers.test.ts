import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Answers, TooManyQuestions } from '../../kube/answers.ts';

test('more questions at once than may be asked are turned away, and none that is known or under way', async () => {
  const answers = new Answers<number>(
    { now: () => 0, allowedMs: 10, deniedMs: 1, mostAsking: 2 },
    (value) => value > 0,
  );
  assert.equal(await answers.get('known', async () => 7), 7);
  const gates = [Promise.withResolvers<number>(), Promise.withResolvers<number>()];
  const [one, two] = gates.map(({ promise }, index) => answers.get(`q${index}`, () => promise));
  await assert.rejects(
    answers.get('q2', () => assert.fail('asked')),
    TooManyQuestions,
  );
  const again = answers.get('q0', () => assert.fail('asked'));
  assert.equal(await answers.get('known', () => assert.fail('asked')), 7);
  gates[0]?.resolve(1);
  gates[1]?.reject(new Error('away'));
  assert.deepEqual([await one, await again], [1, 1]);
  await assert.rejects(two ?? assert.fail(), /away/);
  assert.equal(await answers.get('q2', async () => 3), 3);
});
