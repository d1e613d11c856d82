import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseTarget, shown } from '../../../gc/door/path.ts';
import { Refusal } from '../../../gc/door/refusal.ts';
import { SEED } from '../../policy/cases.ts';

const long = (length: number) => 'a'.repeat(length);

const GOOD: readonly (readonly [url: string, target: object])[] = [
  ['/checkpoint/default/counter/main', { namespace: 'default', pod: 'counter', container: 'main' }],
  ['/checkpoint/n/p.with.dots/c-1', { namespace: 'n', pod: 'p.with.dots', container: 'c-1' }],
  [
    `/checkpoint/${long(63)}/${long(253)}/${long(63)}`,
    { namespace: long(63), pod: long(253), container: long(63) },
  ],
  ['/checkpoint/a/b/c?timeout=0', { namespace: 'a', pod: 'b', container: 'c', timeoutSeconds: 0 }],
  ['/checkpoint/a/b/c?timeout=300', { namespace: 'a', pod: 'b', container: 'c', timeoutSeconds: 300 }],
  ['/checkpoint/a/b/c?timeout=+5', { namespace: 'a', pod: 'b', container: 'c', timeoutSeconds: 5 }],
  ['/checkpoint/a/b/c?timeout=007', { namespace: 'a', pod: 'b', container: 'c', timeoutSeconds: 7 }],
  [
    '/checkpoint/a/b/c?timeout=9223372036',
    { namespace: 'a', pod: 'b', container: 'c', timeoutSeconds: 9_223_372_036 },
  ],
];

for (const [url, target] of GOOD) {
  test(`takes ${url.slice(0, 60)}`, () => {
    assert.deepEqual(parseTarget('POST', url), { kind: 'checkpoint', ...target });
    const verdict = parseTarget('GET', url.replace('/checkpoint', '/verdict'));
    assert.deepEqual(verdict, { kind: 'verdict', ...target });
  });
}

const BAD: readonly (readonly [url: string, status: number, what: RegExp])[] = [
  ['', 400, /does not begin with a slash/],
  ['*', 400, /does not begin with a slash/],
  ['checkpoint/a/b/c', 400, /does not begin with a slash/],
  ['https://node1:10350/checkpoint/a/b/c', 400, /does not begin with a slash/],
  ['//node1/checkpoint/a/b/c', 400, /two slashes/],
  ['//checkpoint/a/b/c', 400, /two slashes/],
  ['/checkpoint//a/b/c', 400, /two slashes/],
  ['/checkpoint/a//c', 400, /two slashes/],
  ['/checkpoint/a/b/c/', 400, /has 4 segments/],
  ['/checkpoint/a/b', 400, /has 2 segments/],
  ['/checkpoint/a/b/c/d', 400, /has 4 segments/],
  ['/checkpoint', 400, /has 0 segments/],
  ['/checkpoint/', 400, /has 1 segments/],
  ['/x/../checkpoint/a/b/c', 400, /dot segment/],
  ['/./checkpoint/a/b/c', 400, /dot segment/],
  ['/checkpoint/a/../c', 400, /dot segment/],
  ['/checkpoint/a/b/..', 400, /dot segment/],
  ['/checkpoint/a/./c', 400, /dot segment/],
  ['/checkpoint/a/b/%6dain', 400, /encoded/],
  ['/checkpoint/a%2fb/c', 400, /encoded/],
  ['/%63heckpoint/a/b/c', 400, /encoded/],
  ['/checkpoint/a/b/c%00', 400, /encoded/],
  ['/checkpoint/a/b/..%2f..%2fexec', 400, /encoded/],
  ['/checkpoint/a/b/c\\..\\exec', 400, /a character that no name has/],
  ['/checkpoint/a/b/c#x', 400, /a character that no name has/],
  ['/checkpoint/a/b/ä', 400, /a character that no name has/],
  ['/checkpoint/a/b/c d', 400, /a character that no name has/],
  ['/Checkpoint/a/b/c', 400, /another letter case/],
  ['/CHECKPOINT/a/b/c', 400, /another letter case/],
  ['/checkpoint/a/b/C', 400, /what is no name/],
  ['/checkpoint/A/b/c', 400, /what is no name/],
  ['/checkpoint/a/b_d/c', 400, /what is no name/],
  ['/checkpoint/-a/b/c', 400, /what is no name/],
  ['/checkpoint/a/b./c', 400, /what is no name/],
  ['/checkpoint/a/.b/c', 400, /what is no name/],
  ['/checkpoint/a.b/c/d', 400, /what is no name/],
  ['/checkpoint/a/b/c.d', 400, /what is no name/],
  ['/checkpoint/a/b/c;x', 400, /what is no name/],
  ['/checkpoint/a/b/c:80', 400, /what is no name/],
  [`/checkpoint/${long(64)}/b/c`, 400, /what is no name/],
  [`/checkpoint/a/${long(254)}/c`, 400, /what is no name/],
  [`/checkpoint/a/b/${long(64)}`, 400, /what is no name/],
  [`/checkpoint/a/b/${long(600)}`, 400, /longer than 512/],
  ['/', 404, /nothing at "\/"/],
  ['/exec/a/b/c', 404, /nothing at/],
  ['/run/a/b/c', 404, /nothing at/],
  ['/checkpoints/a/b/c', 404, /nothing at/],
  ['/metrics', 404, /nothing at/],
  ['/checkpoint/a/b/c?', 400, /not one timeout/],
  ['/checkpoint/a/b/c?timeout', 400, /not one timeout/],
  ['/checkpoint/a/b/c?timeout=', 400, /"\?timeout=" is not one timeout/],
  ['/checkpoint/a/b/c?timeout=abc', 400, /"\?timeout=abc" is not one timeout/],
  ['/checkpoint/a/b/c?timeout=1.5', 400, /not one timeout/],
  ['/checkpoint/a/b/c?timeout=10s', 400, /not one timeout/],
  ['/checkpoint/a/b/c?timeout=-1', 400, /"\?timeout=-1" is not one timeout/],
  ['/checkpoint/a/b/c?timeout=9223372037', 400, /more than the kubelet can count/],
  ['/checkpoint/a/b/c?timeout=99999999999999999999', 400, /not one timeout/],
  ['/checkpoint/a/b/c?timeout=1&timeout=2', 400, /the query is not one timeout/],
  ['/checkpoint/a/b/c?timeout=1;x', 400, /not one timeout/],
  ['/checkpoint/a/b/c?timeout=%31', 400, /not one timeout/],
  ['/checkpoint/a/b/c?x=1', 400, /the query is not one timeout/],
  ['/checkpoint/a/b/c?Timeout=1', 400, /not one timeout/],
];

for (const [url, status, what] of BAD) {
  test(`refuses ${JSON.stringify(url).slice(0, 60)}`, () => {
    const refusal = refusalOf('POST', url);
    assert.equal(refusal.status, status);
    assert.match(refusal.message, what);
    assert.match(refusal.message, /; (ask as POST|give at most one timeout)/);
    const verdict = refusalOf('GET', url.replace(/checkpoint/g, 'verdict').replace(/Checkpoint/g, 'Verdict'));
    assert.equal(verdict.status, status);
  });
}

for (const method of ['GET', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'post', undefined]) {
  test(`refuses ${method}`, () => {
    const { status, fields } = refusalOf(method, '/checkpoint/a/b/c');
    assert.deepEqual([status, fields.allow], [405, 'POST']);
  });
}

for (const method of ['POST', 'HEAD', 'get', undefined]) {
  test(`refuses ${method} of a verdict`, () => {
    const { status, fields } = refusalOf(method, '/verdict/a/b/c');
    assert.deepEqual([status, fields.allow], [405, 'GET']);
  });
}

test('a query that may hold something secret is not repeated', () => {
  assert.doesNotMatch(refusalOf('POST', '/checkpoint/a/b/c?access_token=s3cret').message, /s3cret/);
});

test('whatever it takes is spelt as it is rebuilt, and it answers in no time', () => {
  const parts = fc.constantFrom(
    '/',
    'checkpoint',
    'a',
    'b-c',
    '.',
    '..',
    '%2f',
    '//',
    '?timeout=',
    '5',
    'A',
    '-',
    '\\',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(parts, fc.string({ maxLength: 4 })), { maxLength: 12 }), (pieces) => {
      const url = `/checkpoint/${pieces.join('')}`;
      let target: ReturnType<typeof parseTarget>;
      try {
        target = parseTarget('POST', url);
      } catch (error) {
        assert.ok(error instanceof Refusal);
        return;
      }
      const { namespace, pod, container } = target;
      assert.equal(url.split('?')[0], `/checkpoint/${namespace}/${pod}/${container}`);
    }),
    { numRuns: 2_000, seed: SEED },
  );
  const began = performance.now();
  for (const character of ['a', '-', 'a-', 'a.', '.'])
    refusalOf('POST', `/checkpoint/a/${character.repeat(240)}!/c`);
  assert.ok(performance.now() - began < 100);
});

test('what is shown holds nothing that a terminal or a log would obey', () => {
  assert.equal(shown('a\n\u001b[31mb\u202e"'), '"a\\n\\u001b[31mb\\u202e\\""');
  assert.ok(shown(long(10_000)).length < 110);
});

function refusalOf(method: string | undefined, url: string): Refusal {
  try {
    parseTarget(method, url);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error(`${url} was taken`);
}
