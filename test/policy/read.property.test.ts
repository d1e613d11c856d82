import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { PolicyCatalog } from '../../policy/catalog.ts';
import { defaultsPatch, withDefaults } from '../../policy/defaults.ts';
import { CATALOGUE, formatFinding, hasErrors } from '../../policy/findings.ts';
import { canonicalJson, isObject, type JsonObject } from '../../policy/json.ts';
import { readResource } from '../../policy/read.ts';
import type { Finding } from '../../policy/types.ts';
import { judge, needsGovern, trespassFindings } from '../../policy/validate.ts';
import { holds } from './cases.ts';
import { documents, specs } from './specs.ts';
import { Tally } from './tally.ts';

/** The findings are ours in every word; `undefined`, `NaN` and `[object` are only said where the author did. */
function assertSound(findings: readonly Finding[], authored: unknown): void {
  for (const finding of findings) {
    assert.ok(Object.hasOwn(CATALOGUE, finding.code), finding.code);
    const line = formatFinding(finding);
    assert.doesNotMatch(line, /\p{Cc}/u, line);
    const [slip] = /undefined|NaN|\[object/u.exec(line) ?? [];
    if (slip !== undefined) assert.ok(inspect(authored, { depth: null }).includes(slip), line);
    assert.ok(finding.message && finding.remedy, line);
  }
}

holds(
  'whatever it is given, readResource answers',
  fc.oneof(
    fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true }),
    fc.jsonValue(),
  ),
  (value) => {
    const { resource, findings } = readResource(value);
    assertSound(findings, value);
    assert.equal(resource, null);
    assert.ok(hasErrors(findings));
    needsGovern(value);
  },
);

const read = new Tally();
holds(
  'whatever an author writes, judge answers, and a resource with errors deletes nothing',
  documents,
  (document) => {
    const { resource, findings } = judge(document, new PolicyCatalog());
    assertSound(findings, document);
    assertSound(trespassFindings(document, 'somebody'), document);
    assert.ok(resource);
    const errors = hasErrors(
      findings.filter((each) => !['duplicateTarget', 'duplicateGlobal'].includes(each.code)),
    );
    assert.equal(resource.sound, !errors);
    read.add(errors ? 'with errors' : 'sound');
    for (const each of new Set(findings.map((each) => each.code))) read.add(each);
    if (resource.sound) return;
    assert.deepEqual(
      [resource.tainted, resource.pressure, resource.unidentified ?? {}],
      ['Keep', undefined, {}],
    );
    for (const { retainOrphan, maxAgeMs, maxArchiveBytes, buckets, keepLast } of resource.rules) {
      assert.deepEqual(
        [retainOrphan, maxAgeMs, maxArchiveBytes, buckets, keepLast],
        [true, undefined, undefined, [], 0],
      );
    }
  },
  {
    share: 0.3,
    afterwards: (cases) => {
      read.expect(cases, {
        'with errors': 0.2,
        wrongType: 0.1,
        unknownField: 0.08,
        notAllowed: 0.004,
        badQuantity: 0.004,
        badDuration: 0.003,
        sound: 0.2,
        limitsContradict: 0.05,
        neverBinds: 0.03,
        broaderLimitDropped: 0.02,
        duplicateTarget: 0.01,
      });
    },
  },
);

/** Of a document nothing stands in two places, as it does in what is generated. */
function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copyOf(each)]));
}

/** RFC 6902, as far as additions go. */
function patched(document: JsonObject): JsonObject {
  const copy = copyOf(document);
  assert.ok(isObject(copy));
  for (const { op, path, value } of defaultsPatch(document)) {
    assert.equal(op, 'add');
    const keys = path.split('/').slice(1);
    const last = keys.pop() ?? '';
    const parent = keys.reduce<unknown>((at, key) => {
      assert.ok(typeof at === 'object' && at !== null);
      return Object.entries(at).find(([each]) => each === key)?.[1];
    }, copy);
    assert.ok(isObject(parent) && !Object.hasOwn(parent, last), `${path} replaces`);
    Object.assign(parent, { [last]: value });
  }
  return copy;
}

holds(
  'defaults only add, and added twice they add nothing',
  specs,
  (spec) => {
    const document = { metadata: { name: 'quotas' }, spec };
    const before = canonicalJson(document);
    const once = patched(document);
    assert.equal(canonicalJson(document), before);
    assert.deepEqual(defaultsPatch(once), []);
    if (isObject(spec)) assert.equal(canonicalJson(withDefaults(spec)), canonicalJson(once.spec));
  },
  { share: 0.3 },
);

holds(
  'defaults made explicit change neither findings nor meaning',
  documents,
  (document) => {
    const plain = readResource(document);
    const explicit = readResource(patched(document));
    assert.equal(explicit.resource?.canonicalSpec, plain.resource?.canonicalSpec);
    assert.deepEqual(
      explicit.findings.map((each) => each.code),
      plain.findings.map((each) => each.code),
    );
  },
  { share: 0.3 },
);
