import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { KubeRequest } from '../../kube/client.ts';
import { checkpointReviewer, governReviewer } from '../../kube/reviews.ts';
import { clientOf } from './scripted-client.ts';

function setUp(answer: (request: KubeRequest) => unknown = () => ({ status: { allowed: true } })) {
  const asked: KubeRequest[] = [];
  let now = 0;
  const client = clientOf(async (request) => {
    asked.push(request);
    return answer(request);
  });
  const reviewer = governReviewer(client, { now: () => now });
  return {
    asked,
    reviewer,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

const jane = { username: 'jane', uid: '7', groups: ['a', 'b'], extra: { 'x/y': ['z'] } };

suite('a review', () => {
  test('asks for the verb cluster-wide, with all that is known of the user', async () => {
    const { asked, reviewer } = setUp();
    await reviewer.mayGovern(jane);
    await reviewer.mayGovern({ username: 'joe' });
    const resourceAttributes = { verb: 'govern', group: 'criu.org', resource: 'checkpointrestoreoperators' };
    const [spec, bare] = asked.map(({ body }) => body);
    const envelope = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview' };
    const { username: user, ...rest } = jane;
    assert.deepEqual(spec, { ...envelope, spec: { user, ...rest, resourceAttributes } });
    assert.deepEqual(bare, { ...envelope, spec: { user: 'joe', resourceAttributes } });
  });

  const answers: readonly (readonly [
    name: string,
    status: object | undefined,
    expected: boolean | RegExp,
  ])[] = [
    ['allowed', { allowed: true }, true],
    ['not allowed', { allowed: false }, false],
    ['allowed and denied', { allowed: true, denied: true }, false],
    ['not allowed, with an error on the way', { allowed: false, evaluationError: 'x' }, false],
    ['nothing', undefined, /without a status/],
    ['something else', { allowed: 'true' }, /without a status/],
  ];
  for (const [name, status, expected] of answers) {
    test(`that is answered: ${name}`, async () => {
      const { reviewer } = setUp(() => ({ status }));
      if (typeof expected === 'boolean') assert.equal(await reviewer.mayGovern(jane), expected);
      else await assert.rejects(reviewer.mayGovern(jane), { message: expected });
    });
  }
});

suite('the cache', () => {
  test('a yes for ten seconds, a no for one', async () => {
    for (const [allowed, ms] of [
      [true, 10_000],
      [false, 1_000],
    ] as const) {
      const { asked, reviewer, pass } = setUp(() => ({ status: { allowed } }));
      await reviewer.mayGovern(jane);
      pass(ms - 1);
      assert.equal(await reviewer.mayGovern(jane), allowed);
      assert.equal(asked.length, 1);
      pass(1);
      await reviewer.mayGovern(jane);
      assert.equal(asked.length, 2);
    }
  });

  test('of several at once one is asked; another user is another question', async () => {
    const { asked, reviewer } = setUp();
    const same = [jane, { ...jane }, { extra: jane.extra, groups: jane.groups, username: 'jane', uid: '7' }];
    assert.deepEqual(await Promise.all(same.map((each) => reviewer.mayGovern(each))), [true, true, true]);
    assert.equal(asked.length, 1);
    await reviewer.mayGovern({ ...jane, groups: ['a'] });
    await reviewer.mayGovern({ ...jane, uid: '8' });
    assert.equal(asked.length, 3);
  });

  test('an error is not kept', async () => {
    let broken = true;
    const { asked, reviewer } = setUp(() => {
      if (broken) throw new Error('away');
      return { status: { allowed: true } };
    });
    const both = await Promise.allSettled([reviewer.mayGovern(jane), reviewer.mayGovern(jane)]);
    assert.deepEqual(
      both.map((each) => each.status),
      ['rejected', 'rejected'],
    );
    assert.equal(asked.length, 1);
    broken = false;
    assert.equal(await reviewer.mayGovern(jane), true);
  });

  test('is at hand for as long as it is kept', async () => {
    const { asked, reviewer, pass } = setUp();
    assert.equal(reviewer.known?.(jane), undefined);
    await reviewer.mayGovern(jane);
    assert.equal(reviewer.known?.({ ...jane }), true);
    assert.equal(reviewer.known?.({ ...jane, uid: '8' }), undefined);
    pass(10_000);
    assert.equal(reviewer.known?.(jane), undefined);
    assert.equal(asked.length, 1);
  });

  test('is bounded', async () => {
    const { asked, reviewer } = setUp();
    for (let i = 0; i < 4_097; i += 1) await reviewer.mayGovern({ username: `u${i}` });
    await reviewer.mayGovern({ username: 'u4096' });
    assert.equal(asked.length, 4_097);
    await reviewer.mayGovern({ username: 'u0' });
    assert.equal(asked.length, 4_098);
  });
});

suite('the right to checkpoint', () => {
  test('is asked for the pod by name in its namespace, by verb, each a question of its own', async () => {
    const asked: KubeRequest[] = [];
    const client = clientOf(async (request) => {
      asked.push(request);
      return { status: { allowed: true } };
    });
    const reviewer = checkpointReviewer(client, { now: () => 0 });
    const user = { username: 'joe' };
    for (let round = 0; round < 2; round += 1) {
      assert.equal(await reviewer.mayCheckpoint(user, 'shop', 'cart'), true);
      assert.equal(await reviewer.mayCheckpoint(user, 'shop', 'cart', 'get'), true);
      assert.equal(await reviewer.mayCheckpoint(user, 'shop', 'till'), true);
      assert.equal(await reviewer.mayCheckpoint(user, 'other', 'cart'), true);
    }
    const attributes = (namespace: string, name: string, verb: string) => {
      const what = { group: 'checkpoint.criu.org', resource: 'pods', subresource: 'checkpoint' };
      return { namespace, verb, ...what, name };
    };
    assert.deepEqual(
      asked.map(({ body }) => body),
      [
        attributes('shop', 'cart', 'create'),
        attributes('shop', 'cart', 'get'),
        attributes('shop', 'till', 'create'),
        attributes('other', 'cart', 'create'),
      ].map((resourceAttributes) => ({
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: { user: 'joe', resourceAttributes },
      })),
    );
  });
});
