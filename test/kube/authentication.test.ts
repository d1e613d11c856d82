import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { tokenReviewer } from '../../kube/authentication.ts';
import type { KubeRequest } from '../../kube/client.ts';
import { clientOf } from './scripted-client.ts';

const ADA = { username: 'ada', uid: '7', groups: ['a'], extra: { 'x/y': ['z'] } };

function setUp(status: unknown, audiences: readonly string[] = []) {
  const asked: KubeRequest[] = [];
  const clock = { now: 0 };
  const client = clientOf(async (request) => {
    asked.push(request);
    return { status };
  });
  return { asked, clock, reviewer: tokenReviewer(client, { audiences, now: () => clock.now }) };
}

suite('a token review', () => {
  test('asks for the audiences that are given, and for none where none is', async () => {
    for (const [audiences, spec] of [
      [[], { token: 't' }],
      [['door'], { token: 't', audiences: ['door'] }],
    ] as const) {
      const { asked, reviewer } = setUp({ authenticated: false }, audiences);
      await reviewer.whose('t');
      assert.deepEqual(asked[0]?.body, {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec,
      });
    }
  });

  const own = ['https://kubernetes.default.svc'];
  const rows: readonly (readonly [name: string, status: unknown, audiences: string[], known: boolean])[] = [
    ['good', { authenticated: true, user: ADA, audiences: own }, [], true],
    ['good, of an authenticator without audiences', { authenticated: true, user: ADA }, [], true],
    ['for this audience', { authenticated: true, user: ADA, audiences: ['door'] }, ['door', 'x'], true],
    ['for another audience', { authenticated: true, user: ADA, audiences: ['other'] }, ['door'], false],
    ['for no audience that one can tell', { authenticated: true, user: ADA }, ['door'], false],
    ['not good', { authenticated: false, user: ADA, audiences: own }, [], false],
    ['not good, with an error', { error: 'expired' }, [], false],
    ['good in another spelling', { authenticated: 'true', user: ADA }, [], false],
    ['of nobody', { authenticated: true, user: { username: '' } }, [], false],
  ];
  for (const [name, status, audiences, known] of rows) {
    test(`a token that is ${name}`, async () => {
      const { reviewer } = setUp(status, audiences);
      assert.deepEqual(await reviewer.whose('t'), known ? ADA : null);
    });
  }

  test('an answer without a status is none', async () => {
    await assert.rejects(setUp(undefined).reviewer.whose('t'), /without a status/);
  });

  test('is made once in ten seconds, or in one for a token that is nobody’s', async () => {
    for (const [status, ms] of [
      [{ authenticated: true, user: ADA }, 10_000],
      [{ authenticated: false }, 1_000],
    ] as const) {
      const { asked, clock, reviewer } = setUp(status);
      await Promise.all([reviewer.whose('t'), reviewer.whose('t')]);
      clock.now += ms - 1;
      await reviewer.whose('t');
      assert.equal(asked.length, 1);
      await reviewer.whose('u');
      assert.equal(asked.length, 2);
      clock.now += 1;
      await reviewer.whose('t');
      assert.equal(asked.length, 3);
    }
  });
});
