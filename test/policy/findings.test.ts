import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PolicyCatalog } from '../../policy/catalog.ts';
import { CATALOGUE, finding, formatFinding } from '../../policy/findings.ts';
import type { Finding } from '../../policy/types.ts';
import { judge } from '../../policy/validate.ts';
import { document } from './build.ts';
import { CONFLICTS } from './conflicts-table.ts';
import { ROWS } from './findings-table.ts';
import { assertGolden } from './golden.ts';
import { scheduleFindings } from './schedule/findings-table.ts';

const REFERENCE = readFileSync(join(import.meta.dirname, '../../docs/reference/findings.md'), 'utf8');
/** Of files, before there is a resource: readers of files find these. */
const OF_FILES = ['unreadableFile', 'badYaml', 'duplicateKey'];

function told(findings: readonly Finding[]): string {
  return findings.map((each) => `  ${each.severity} ${each.code}\n    ${formatFinding(each)}\n`).join('');
}

/** All findings of both tables. */
const ALONE = ROWS.map((row) => ({
  name: row.name,
  findings: judge(row.document ?? document(row.spec), new PolicyCatalog()).findings,
}));
const BESIDE = CONFLICTS.map((row) => ({ name: row.name, findings: row.findings() }));
const ALL = [...[...ALONE, ...BESIDE].flatMap((each) => each.findings), ...scheduleFindings()];

test('what an author is told of one resource', () => {
  const text = ALONE.map(({ name, findings }) => `# ${name}\n${told(findings)}`);
  assertGolden('findings.txt', text.join('\n'));
});

test('what an author is told of a resource beside others', () => {
  const text = BESIDE.map(({ name, findings }) => `# ${name}\n${told(findings)}`);
  assertGolden('conflicts.txt', text.join('\n'));
});

test('every code comes up, in these tables or where files are read', () => {
  const seen = new Set([...ALL.map((each) => each.code), ...OF_FILES]);
  assert.deepEqual(
    Object.keys(CATALOGUE).filter((code) => !seen.has(code)),
    [],
  );
});

test('a finding is one line: field, value, what is wrong, how to mend it', () => {
  for (const each of ALL) {
    const line = formatFinding(each);
    assert.match(line, /^[ -~…]+$/, 'printable, on one line');
    assert.ok(line.length < 600, line);
    assert.match(each.message, /^[a-z].*[^.]$/, 'a clause, not a sentence of its own');
    assert.match(each.remedy, /^[a-z].*[^.]$/);
  }
});

test('values from outside are shortened and cannot garble a terminal', () => {
  const cases: readonly (readonly [unknown, string])[] = [
    ['x'.repeat(200), `"${'x'.repeat(79)}…`],
    ['\u001b[2J\u009b\u202e\u2028', '"\\u001b[2J\\u009b\\u202e\\u2028"'],
    [10n ** 20n, '"100000000000000000000"'],
    [{ a: [1n] }, '{"a":["1"]}'],
    [Symbol('x'), 'Symbol(x)'],
    [Number.NaN, 'null'],
  ];
  for (const [value, shown] of cases)
    assert.equal(finding('wrongType', 'spec', value, 'm', 'r').value, shown);
  const pair = finding('wrongType', 'spec', `${'x'.repeat(78)}😀`, 'm', 'r').value ?? '';
  assert.ok(pair.isWellFormed());
});

test('catalogue and reference name the same codes, with the same severities and meanings', () => {
  const sections = REFERENCE.split(/^### /m).slice(1);
  const documented = sections.map((section) => {
    const [heading = ''] = section.split('\n');
    const [code = '', severity = ''] = heading.replaceAll('`', '').split(' · ');
    return { code, severity, section };
  });
  assert.deepEqual(documented.map((each) => each.code).sort(), Object.keys(CATALOGUE).sort());
  for (const [code, { severity, title }] of Object.entries(CATALOGUE)) {
    const of = documented.find((each) => each.code === code);
    assert.equal(of?.severity, severity, code);
    assert.ok(of?.section.includes(title), `${code}: the reference does not say "${title}"`);
    assert.match(of?.section ?? '', /```/, `${code} has no example`);
    assert.match(of?.section ?? '', /^To mend: /m, `${code} has no remedy`);
  }
});

test('the examples of the reference are what is told', () => {
  const lines = new Set(ALL.map((each) => `${each.code} ${formatFinding(each)}`));
  for (const section of REFERENCE.split(/^### /m).slice(1)) {
    const code = section.match(/^`(\w+)`/)?.[1] ?? '';
    if (OF_FILES.includes(code)) continue;
    const example = section.match(/^```\n([\s\S]*?)\n```/m)?.[1] ?? '';
    assert.ok(lines.has(`${code} ${example}`), `${code}: nothing says "${example}"`);
  }
});
