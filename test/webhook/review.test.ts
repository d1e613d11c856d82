import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  admissionRequest,
  admissionReview,
  policy,
  recordedLog,
  startTestWebhook,
  type TestWebhook,
} from './kit.ts';

const good = policy({ namespacePolicies: [{ namespace: 'team-a', maxCheckpoints: 3 }] });
const { log, lines } = recordedLog();
let hook: TestWebhook;

before(async () => {
  hook = await startTestWebhook({ log });
});
after(() => hook[Symbol.asyncDispose]());

const body = (request: unknown, more: object = {}) =>
  JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request, ...more });
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const withSpec = (spec: string) =>
  JSON.stringify(admissionReview(policy('SPEC'))).replaceAll('"SPEC"', () => spec);

/** Bodies that cannot be answered by an AdmissionReview. */
const GARBAGE: readonly [name: string, body: string | Buffer, sentence: RegExp][] = [
  ['nothing', '', /body is empty/],
  ['not JSON', '{"apiVersion":', /not JSON/],
  ['a form', 'a=b&c=d', /not JSON/],
  ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), /not UTF-8/],
  ['UTF-16', Buffer.from('{"kind":"AdmissionReview"}', 'utf16le'), /not JSON/],
  ['a NUL byte', '\0', /not JSON/],
  ['null', 'null', /not an object/],
  ['a number', '1e999', /not an object/],
  ['a list of reviews', `[${body(admissionRequest(good))}]`, /not an object/],
  ['a list as deep as the body', nested(1_000_000), /not an object/],
  ['the policy itself', JSON.stringify(good), /"CheckpointRestoreOperator" of "criu.org\/v1"/],
  ['another kind', body(admissionRequest(good), { kind: 'ConversionReview' }), /"ConversionReview"/],
  ['another group', body(admissionRequest(good), { apiVersion: 'v1' }), /of "v1"/],
  ['a kind that is a mapping', body(admissionRequest(good), { kind: { toString: 1 } }), /no text of/],
  ['no request', body(undefined), /has no request/],
  ['a request that is a list', body([]), /has no request/],
  ['no uid', body({ ...admissionRequest(good), uid: undefined }), /no request.uid/],
  ['a uid that is a number', body({ ...admissionRequest(good), uid: 7 }), /no request.uid/],
  ['a review that breaks off', JSON.stringify(admissionReview(good)).slice(0, -40), /not JSON/],
  [
    'half of a character',
    Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc3]), Buffer.from('"}')]),
    /not UTF-8/,
  ],
  ['more values than memory is for', `{"a":[${'[],'.repeat(1_100_000)}1]}`, /more than 1,000,000 values/],
  ['a uid of a megabyte', body({ ...admissionRequest(good), uid: 'x'.repeat(1e6) }), /no request.uid/],
];

for (const [name, sent, sentence] of GARBAGE) {
  for (const path of ['/mutate', '/validate']) {
    test(`${path}: ${name} gets 400 and a sentence`, async () => {
      const answer = await hook.send(path, sent);
      assert.equal(answer.status, 400);
      assert.match(answer.body, sentence);
      assert.match(answer.body, /; send [^\n]*\n$/);
    });
  }
}

const elsewhere = { resource: { group: '', version: 'v1', resource: 'pods' } };
/** Reviews that are answered, but not judged. */
const REFUSED: readonly [name: string, review: unknown, message: RegExp][] = [
  [
    'v1beta1',
    { ...admissionReview(good), apiVersion: 'admission.k8s.io/v1beta1' },
    /set admissionReviewVersions: \[v1\]/,
  ],
  ['another resource', admissionReview(good, elsewhere), /not pods\.v1\. /],
  ['another kind', admissionReview(good, { kind: { kind: 'Pod' } }), /\("Pod"\); correct the rules/],
  ['no resource', admissionReview(good, { resource: undefined }), /correct the rules/],
  ['another subresource', admissionReview(good, { subResource: 'scale' }), /subresource "scale"/],
  ['a CONNECT', admissionReview(good, { operation: 'CONNECT' }), /operation "CONNECT"/],
  ['no operation', admissionReview(good, { operation: undefined }), /operation nothing/],
  ['no namespace', admissionReview(good, { namespace: undefined }), /request.namespace is missing/],
  ['no object', admissionReview(undefined), /request.object is missing/],
  ['a null object', admissionReview(null), /request.object is missing/],
  ['an object that is a list', admissionReview([good]), /request.object is missing/],
  ['no metadata', admissionReview({ ...good, metadata: null }), /request.object.metadata is missing/],
  [
    'annotations as a list',
    admissionReview(policy({}, { annotations: ['a'] })),
    /annotations is not a mapping/,
  ],
  [
    'another namespace than the request',
    admissionReview(policy({}, { namespace: 'team-b' })),
    /is "team-b", request.namespace "team-a"/,
  ],
  [
    'an update without its former version',
    admissionReview(good, { operation: 'UPDATE' }),
    /oldObject is missing/,
  ],
  ['no user', admissionReview(good, { userInfo: undefined }), /userInfo is missing or malformed/],
  ['a user without a name', admissionReview(good, { userInfo: { username: '' } }), /userInfo/],
  [
    'groups that are numbers',
    admissionReview(good, { userInfo: { username: 'ada', groups: [1] } }),
    /userInfo is missing or malformed/,
  ],
  [
    'extra values that are no lists',
    admissionReview(good, { userInfo: { username: 'ada', extra: { scope: 'all' } } }),
    /userInfo is missing or malformed/,
  ],
];

for (const [name, review, message] of REFUSED) {
  for (const path of ['/mutate', '/validate']) {
    test(`${path}: ${name} gets an AdmissionReview that says so`, async () => {
      const response = await hook.ask(path, review);
      assert.equal(response.uid, 'f0b7');
      assert.equal(response.allowed, false);
      assert.equal(response.status?.code, 400);
      assert.equal(response.status?.reason, 'BadRequest');
      assert.match(response.status?.message ?? '', message);
    });
  }
}

test('v1beta1 is answered in v1beta1, so that the asker can read it', async () => {
  const { body } = await hook.send('/validate', {
    ...admissionReview(good),
    apiVersion: 'admission.k8s.io/v1beta1',
  });
  assert.equal(JSON.parse(body).apiVersion, 'admission.k8s.io/v1beta1');
});

/** Resources that are judged, whatever they hold. */
const HOSTILE: readonly [name: string, review: string, message: RegExp][] = [
  ['a spec that is a list', withSpec('[]'), /\nspec = \[\]: /],
  ['a spec that is a text', withSpec('"all"'), /\nspec = "all": /],
  [
    '__proto__ as a field',
    withSpec('{"__proto__":{"globalPolicy":{}}}'),
    /\nspec.*__proto__.*: is not a field/,
  ],
  [
    'constructor as a field',
    withSpec('{"constructor":{"prototype":1}}'),
    /\nspec.*constructor.*: is not a field/,
  ],
  [
    '__proto__ inside a policy',
    withSpec('{"namespacePolicies":[{"namespace":"team-a","__proto__":{"maxCheckpoints":1}}]}'),
    /\nspec\.namespacePolicies\[0\].*__proto__.*: is not a field/,
  ],
  ['half a surrogate pair as a field', withSpec('{"\\ud800":1}'), /\nspec.*: is not a field/],
  [
    'half a surrogate pair as a name',
    withSpec('{"namespacePolicies":[{"namespace":"\\udfff"}]}'),
    /"\\udfff"/,
  ],
  [
    'a line break and an escape in a field',
    withSpec('{"a\\nb\\u001b[31m":1}'),
    /^1 error in .*\nspec[^\p{Cc}]*: is not a field[^\p{Cc}]*$/u,
  ],
  [
    'a field of 100,000 characters',
    withSpec(`{"${'x'.repeat(100_000)}":1}`),
    /^1 error in .*\nspec[^\n]*x{50}[^\n]{1,1000}$/,
  ],
  ['a spec as deep as the body', withSpec(`{"a":${nested(500_000)}}`), /nested too deeply/],
  ['a policy as deep as the body', withSpec(`{"namespacePolicies":${nested(500_000)}}`), /nested too deeply/],
  [
    'a policy 10,000 deep',
    withSpec(`{"namespacePolicies":[{"namespace":"team-a","pod":${nested(10_000)}}]}`),
    /nested too deeply/,
  ],
  [
    'a count beyond 2^53',
    withSpec('{"namespacePolicies":[{"namespace":"team-a","maxCheckpoints":9007199254740993}]}'),
    /maxCheckpoints = 9007199254740992: must be at most 2147483647/,
  ],
  [
    'a size beyond 2^53',
    withSpec('{"namespacePolicies":[{"namespace":"team-a","maxTotalSize":9007199254740993}]}'),
    /maxTotalSize = 9007199254740992: is too large to be read exactly/,
  ],
  [
    'a resource of another version',
    JSON.stringify(admissionReview({ ...policy({ namespacePolicies: [] }), apiVersion: 'criu.org/v2' })),
    /apiVersion = "criu.org\/v2": must be criu.org\/v1/,
  ],
  [
    'a number beyond all',
    withSpec('{"namespacePolicies":[{"namespace":"team-a","maxCheckpoints":1e400}]}'),
    /maxCheckpoints/,
  ],
];

for (const [name, review, message] of HOSTILE) {
  for (const path of ['/mutate', '/validate']) {
    test(`${path}: ${name} is refused`, async () => {
      const response = await hook.ask(path, review);
      assert.equal(response.allowed, false);
      assert.match(response.status?.message ?? '', message);
      assert.ok((response.status?.message ?? '').length < 5_000);
    });
  }
}

test('a uid comes back as it came, whatever it is', async () => {
  for (const uid of ['\ud800', '__proto__', 'a"b\n', '漢字']) {
    const response = await hook.ask('/validate', admissionReview(good, { uid }));
    assert.equal(response.uid, uid);
    assert.equal(response.allowed, true);
  }
});

test('prototypes are as they were', () => {
  assert.deepEqual(Object.keys(Object.prototype), []);
  assert.equal(Reflect.get({}, 'globalPolicy'), undefined);
  assert.equal(Reflect.get({}, 'maxCheckpoints'), undefined);
});

test('a list of 100,000 entries is refused in time', async () => {
  const entries = Array.from({ length: 100_000 }, () => '{}').join(',');
  const startedAt = performance.now();
  const response = await hook.ask('/validate', withSpec(`{"namespacePolicies":[${entries}]}`));
  assert.equal(response.allowed, false);
  assert.ok(performance.now() - startedAt < 5_000);
});

test('a status, a deletion and a request without a namespace in the object are known', async () => {
  assert.equal((await hook.ask('/validate', admissionReview(good, { subResource: 'status' }))).allowed, true);
  const deletion = admissionReview(null, { operation: 'DELETE', oldObject: good });
  assert.equal((await hook.ask('/validate', deletion)).allowed, true);
  const { namespace: _, ...metadata } = Object(good.metadata);
  const bare = admissionReview({ ...good, metadata });
  const response = await hook.ask('/validate', bare);
  assert.equal(response.allowed, true, response.status?.message);
});

test('afterwards the server lives, and nothing was logged as an error', async () => {
  assert.equal((await hook.ask('/validate', admissionReview(good))).allowed, true);
  assert.deepEqual(
    lines.filter((line) => Number(line.level) >= 50),
    [],
  );
});

test('the log has one line for each review, without the object', async () => {
  lines.length = 0;
  await hook.ask('/validate', admissionReview(good));
  assert.equal(lines.length, 1);
  const { path, operation, name, user, verdict, ms } = lines[0] ?? {};
  assert.deepEqual(
    [path, operation, name, user, verdict],
    ['/validate', 'CREATE', 'team-a/quotas', 'ada', 'allowed'],
  );
  assert.equal(typeof ms, 'number');
  assert.doesNotMatch(JSON.stringify(lines), /maxCheckpoints/);
});
