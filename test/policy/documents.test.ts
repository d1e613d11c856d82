import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type DocumentsOptions, MOST_BYTES, readDocuments } from '../../policy/documents.ts';
import { formatFinding } from '../../policy/findings.ts';
import { readResource } from '../../policy/read.ts';

const head = 'apiVersion: criu.org/v1\nkind: CheckpointRestoreOperator\n';
const other = 'apiVersion: v1\nkind: ConfigMap\n';

function read(text: string | Uint8Array, options?: DocumentsOptions, file = 'quotas.yaml') {
  const { documents, findings } = readDocuments(text, file, options);
  return {
    values: documents.map((each) => each.value),
    lines: documents.map((each) => each.line),
    findings: findings.map(
      (each) => `${each.line ?? '-'} ${each.finding.code} ${formatFinding(each.finding)}`,
    ),
  };
}

/** The value of `spec:` followed by this text. */
function spec(yaml: string): unknown {
  const { values, findings } = read(`${head}spec:\n${yaml}`);
  assert.deepEqual(findings, []);
  const [value] = values;
  return typeof value === 'object' && value !== null && 'spec' in value ? value.spec : undefined;
}

suite('what is read', () => {
  test('several documents, with the lines where they begin; empty ones are passed over', () => {
    const { lines, findings } = read(`# quotas\n${head}---\n---\n# nothing\n---\n${head}...\n${head}`);
    assert.deepEqual(lines, [2, 8, 11]);
    assert.deepEqual(findings, []);
  });

  test('a List is taken apart, as kubectl and the API server write it', () => {
    const item = `- apiVersion: criu.org/v1\n  kind: CheckpointRestoreOperator\n`;
    assert.equal(read(`apiVersion: v1\nkind: List\nitems:\n${item}${item}`).values.length, 2);
    const own = `apiVersion: criu.org/v1\nkind: CheckpointRestoreOperatorList\nitems:\n${item}`;
    assert.equal(read(own).values.length, 1);
    assert.deepEqual(read('apiVersion: v1\nkind: List\nitems: []\n').findings, []);
  });

  test('JSON, indented with tabs too, and with a byte order mark', () => {
    const json = JSON.stringify({ apiVersion: 'criu.org/v1', kind: 'CheckpointRestoreOperator' }, null, '\t');
    assert.deepEqual(read(json, {}, 'a.json').values, [JSON.parse(json)]);
    assert.equal(read(`\ufeff${json}`).values.length, 1);
    assert.equal(read(Buffer.from(`\ufeff${head}`)).values.length, 1);
    assert.equal(read(head.replaceAll('\n', '\r\n')).values.length, 1);
  });

  test('anchors, aliases and merge keys', () => {
    const yaml =
      '  defaults: &base {maxCheckpoints: 3, keepLast: 1}\n  a: *base\n  b:\n    keepLast: 2\n    <<: *base\n';
    assert.deepEqual(spec(yaml), {
      defaults: { maxCheckpoints: 3, keepLast: 1 },
      a: { maxCheckpoints: 3, keepLast: 1 },
      b: { keepLast: 2, maxCheckpoints: 3 },
    });
    assert.deepEqual(spec('  x: [&a {p: 1}, &b {p: 2, q: 3}]\n  y:\n    <<: [*a, *b]\n'), {
      x: [{ p: 1 }, { p: 2, q: 3 }],
      y: { p: 1, q: 3 },
    });
  });

  test('ten thousand entries that each merge an anchor', () => {
    const entries = Array.from({ length: 10_000 }, (_, i) => `    - {<<: *d, namespace: n${i}}\n`).join('');
    const { values } = read(`${head}spec:\n  x: &d {maxCheckpoints: 3}\n  namespacePolicies:\n${entries}`);
    assert.match(JSON.stringify(values), /\{"namespace":"n9999","maxCheckpoints":3\}/);
  });

  test('__proto__ and constructor are keys like any other', () => {
    const { values } = read(`${head}spec: {__proto__: {a: 1}, constructor: 2}`);
    assert.equal(JSON.stringify(values[0]).includes('"__proto__":{"a":1}'), true);
    assert.equal(Object.getPrototypeOf((values[0] as { spec: object }).spec), Object.prototype);
    const codes = readResource(values[0]).findings.map((each) => each.field);
    assert.ok(codes.includes('spec.__proto__'), codes.join());
  });
});

suite('scalars are what kubectl takes them for', () => {
  const rows: readonly (readonly [yaml: string, value: unknown])[] = [
    ['yes', true],
    ['Off', false],
    ['n', false],
    ['nope', 'nope'],
    ['"yes"', 'yes'],
    ["'12'", '12'],
    ['!!str 12', '12'],
    ['', null],
    ['~', null],
    ['12', 12],
    ['-12', -12],
    ['+12', 12],
    ['1_000', 1000],
    ['0755', 493],
    ['0o17', 15],
    ['0x1F', 31],
    ['0b101', 5],
    ['08', 8],
    ['1e3', 1000],
    ['1.5', 1.5],
    ['.5', 0.5],
    ['10Mi', '10Mi'],
    ['1:30', '1:30'],
    ['2026-11-21', '2026-11-21'],
    ['.inf', '.inf'],
    ['-', null],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740993', 2 ** 53],
    ['"9007199254740993"', '9007199254740993'],
    ['-9223372036854775808', -(2 ** 63)],
    ['0x7fffffffffffffff', 2 ** 63],
    ['0x10000000000000000', '0x10000000000000000'],
    ['123456789012345678901234567890', 123456789012345680000000000000],
    ['1e30', 1e30],
    ['1e400', '1e400'],
  ];
  for (const [yaml, value] of rows) {
    test(`${JSON.stringify(yaml)} is ${JSON.stringify(value)}`, () => {
      const expected = yaml === '-' ? { x: [null] } : { x: value };
      assert.deepEqual(spec(`  x: ${yaml === '-' ? '\n  -' : yaml}\n`), expected);
    });
  }

  const sized = (size: string) => {
    const named = `${head}metadata: {name: quotas}\n`;
    const { values } = read(`${named}spec: {globalPolicy: {maxCheckpointSize: ${size}}}`);
    return readResource(values[0]);
  };

  test('a size beyond 2^53 in quotes stays exact', () => {
    assert.equal(sized('"9007199254740993"').resource?.rules[0]?.maxArchiveBytes, 9_007_199_254_740_993n);
  });

  test('a size beyond 2^53 without quotes is refused, as from JSON', () => {
    const { findings } = sized('9007199254740993');
    const document = JSON.parse(
      '{"apiVersion":"criu.org/v1","kind":"CheckpointRestoreOperator","metadata":{"name":"quotas"},"spec":{"globalPolicy":{"maxCheckpointSize":9007199254740993}}}',
    );
    assert.deepEqual(findings, readResource(document).findings);
    assert.deepEqual(findings.filter(({ severity }) => severity === 'error').map(formatFinding), [
      'spec.globalPolicy.maxCheckpointSize = 9007199254740992: is too large to be read exactly; write it in quotes, or with a suffix: 500Mi',
    ]);
  });
});

suite('what is refused', () => {
  const deep = `${'['.repeat(2_000)}${']'.repeat(2_000)}`;
  const laughs = Array.from({ length: 12 }, (_, i) =>
    i === 0
      ? 'l0: &l0 ha\n'
      : `l${i}: &l${i} [${Array(10)
          .fill(`*l${i - 1}`)
          .join(', ')}]\n`,
  ).join('');
  const rows: readonly (readonly [name: string, text: string | Uint8Array, ...findings: RegExp[]])[] = [
    ['a tab', `${head}spec:\n\tx: 1\n`, /^4 badYaml .*line 4, column 1: tabs.*indent with spaces/],
    ['a bad indent', `${head}spec:\n  a:\n    - b\n   c: 1\n`, /^6 badYaml .*line 6.*indentation/],
    ['an open quote', `${head}spec: "x\n`, /^\d badYaml .*missing closing.*close it/],
    ['a nested mapping', `${head}spec: a: b\n`, /^3 badYaml .*line 3, column 7: nested mappings/],
    [
      'a duplicate key',
      `${head}spec:\n  podPolicies:\n  - {namespace: a, pod: b}\n  - {pod: c, pod: d}\n`,
      /^6 duplicateKey spec.podPolicies\[1\].pod: stands twice in one mapping, on lines 6 and 6.*keep one/,
    ],
    ['a duplicate key in JSON', '{"kind": 1,\n"kind": 2}', /^2 duplicateKey kind: .* on lines 1 and 2/],
    ['an unknown alias', `${head}spec: *x\n`, /^3 badYaml .*alias \*x names no anchor/],
    ['an alias within its anchor', `${head}spec: &x [*x]\n`, /^3 badYaml .*stands inside what it names/],
    ['a merge of text', `${head}spec: {<<: x}\n`, /^3 badYaml .*needs a mapping/],
    ['a billion laughs', laughs, /badYaml .*more than 1,000,000 values/],
    ['deep nesting', `spec: ${'[['.repeat(60)}${']]'.repeat(60)}`, /badYaml .*nested deeper than 100/],
    ['nesting beyond the stack', deep, /badYaml .*nested/],
    ['a tag', `${head}spec: !!binary aGk=\n`, /^3 badYaml .*tag tag:yaml.org,2002:binary is not known/],
    ['a tag of its own', `${head}spec: !secret x\n`, /^3 badYaml .*tag !secret is not known/],
    ['a key that is a list', `${head}? [a]\n: 1\n`, /^3 badYaml .*key must be text/],
    ['NUL', `${head}spec: "\0"`, /badYaml .*line 3: holds a NUL/],
    ['Latin-1', Buffer.from(`${head}# \xe4\n`, 'latin1'), /badYaml .*not UTF-8 text.*save it as UTF-8/],
    ['UTF-16', Buffer.from(`\ufeff${head}`, 'utf16le'), /badYaml .*not UTF-8 text/],
    ['a lone surrogate', `${head}# \ud800`, /badYaml .*not UTF-8 text/],
    ['a huge file', '#'.repeat(MOST_BYTES + 1), /badYaml .*more than 4 MiB.*split/],
    ['text', 'hello', /^1 wrongKind .*is not a resource/],
    ['a list', '- 1', /^1 wrongKind .*is not a resource/],
    ['another kind', other, /^1 wrongKind kind = "ConfigMap": must be CheckpointRestoreOperator/],
    ['no kind', 'a: 1', /^1 wrongKind kind: must be CheckpointRestoreOperator/],
    ['a misspelt kind', head.replace('Restore', 'Restor'), /^1 wrongKind .*did you mean/],
    ['another version', head.replace('/v1', '/v2'), /^1 wrongKind apiVersion = "criu.org\/v2".*only version/],
    ['JSON cut short', '{"a": {', /badYaml .*line 1/],
    ['two JSON documents without a line between', '{"a": 1}\n{"a": 2}', /^2 badYaml .*separate documents/],
  ];
  for (const [name, text, ...expected] of rows) {
    test(name, () => {
      const { values, findings } = read(text);
      assert.deepEqual(values, []);
      assert.equal(findings.length, expected.length, findings.join('\n'));
      expected.forEach((pattern, index) => {
        assert.match(findings[index] ?? '', pattern);
      });
    });
  }

  test('one bad document does not take the others with it', () => {
    const { lines, findings } = read(`${head}---\na: [\n---\n${head}`);
    assert.deepEqual(lines, [1, 6]);
    assert.equal(findings.length, 1);
  });

  test('of a folder other kinds are skipped, but not this one misspelt, nor what has no kind', () => {
    const skip = { skipOtherKinds: true };
    assert.deepEqual(read(`${other}---\n${head}`, skip), {
      values: read(head).values,
      lines: [4],
      findings: [],
    });
    assert.equal(read(`apiVersion: criu.org/v1\nkind: CheckpointSchedule\n`, skip).findings.length, 0);
    assert.equal(read(head.replace('/v1', '/v2'), skip).findings.length, 1);
    assert.equal(read(head.replace('Operator', 'Operater'), skip).findings.length, 1);
    assert.equal(read('spec: {}', skip).findings.length, 1);
  });
});

test('10,000 entries are read in well under a second', (t) => {
  const entries = Array.from({ length: 10_000 }, (_, i) => `  - {namespace: n${i}, maxCheckpoints: ${i}}\n`);
  const text = `${head}spec:\n  namespacePolicies:\n${entries.join('')}`;
  const before = process.cpuUsage();
  assert.deepEqual(read(text).findings, []);
  const { user, system } = process.cpuUsage(before);
  t.diagnostic(`${(user + system) / 1000} ms of CPU`);
  assert.ok(user + system < 3_000_000, `${(user + system) / 1000} ms of CPU`);
});
