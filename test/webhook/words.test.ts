import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finding } from '../../policy/findings.ts';
import type { Finding } from '../../policy/types.ts';
import { denial, findingLine, warningParts, warningsOf } from '../../webhook/words.ts';

const characters = (text: string) => Array.from(text).length;
const warning = (field: string, message: string): Finding =>
  finding('neverBinds', field, undefined, message, 'lower it');
const words = (count: number) => Array.from({ length: count }, (_, index) => `word${index}`).join(' ');

test('a finding is one line: field, value, what is wrong, how to mend it', () => {
  const line = findingLine(finding('sizeTooSmall', 'spec.a', 10, 'is 10 bytes', 'did you mean 10Mi?'));
  assert.equal(line, 'spec.a = 10: is 10 bytes; did you mean 10Mi?');
});

const FIELDS: readonly [name: string, field: string, line: RegExp][] = [
  ['line breaks', 'spec.a\nb\r\nc', /^spec\.a\\u000ab\\u000d\\u000ac: /],
  ['escape sequences', 'spec.\u001b[31mred', /^spec\.\\u001b\[31mred: /],
  ['C1 controls', 'spec.\u0085', /^spec\.\\u0085: /],
  ['half a surrogate pair', 'spec.\ud800x', /^spec\.\ufffdx: /],
  ['many letters', `spec.${'x'.repeat(5_000)}`, /^spec\.x{994}…$/],
  ['many emoji', `spec.${'😀'.repeat(5_000)}`, /^spec\.😀+…$/u],
];
for (const [name, field, expected] of FIELDS) {
  test(`a field with ${name} stays one printable line`, () => {
    const line = findingLine(warning(field, 'never acts'));
    assert.match(line, expected);
    assert.ok(line.length <= 1_000 && line.isWellFormed());
  });
}

test('a denial counts, and lists at most fifty', () => {
  const errors = Array.from({ length: 53 }, (_, index) => warning(`spec.f${index}`, 'is wrong'));
  const lines = denial('team-a/quotas', errors).split('\n');
  assert.equal(lines[0], '53 errors in checkpointrestoreoperator team-a/quotas:');
  assert.equal(lines[50], 'spec.f49: is wrong; lower it');
  assert.equal(lines[51], '… and 3 more errors; checkpoint-warden validate -o json FILE shows all');
  assert.equal(lines.length, 52);
  const many = denial(
    'team-a/quotas',
    Array.from({ length: 10_030 }, () => warning('spec.f', 'is wrong')),
  ).split('\n');
  assert.equal(many[0], '10,030 errors in checkpointrestoreoperator team-a/quotas:');
  assert.match(many.at(-1) ?? '', /^… and 9,980 more errors; /);
  assert.equal(many.length, 52);
  assert.match(denial('team-a/quotas', errors.slice(0, 1)), /^1 error in .*\n[^\n]*$/);
});

const LONG: readonly [name: string, message: string][] = [
  ['of words', words(200)],
  ['without a space', 'x'.repeat(900)],
  ['of emoji', '😀 '.repeat(300)],
  ['of emoji without a space', '😀'.repeat(400)],
];
for (const [name, message] of LONG) {
  test(`a long warning ${name} goes on in the next, and nothing is lost`, () => {
    const whole = findingLine(warning('spec.a', message));
    const parts = warningParts(whole, 'spec.a');
    assert.ok(parts.length > 1);
    for (const part of parts) {
      assert.ok(characters(part) <= 256, `${characters(part)} characters`);
      assert.ok(part.isWellFormed());
    }
    assert.ok(parts.slice(1).every((part) => part.startsWith('spec.a …: ')));
    const joined = parts.map((part) => part.replace(/^spec\.a …: /, '').replace(/ …$/, '')).join('');
    assert.equal(joined.replaceAll(' ', ''), whole.replaceAll(' ', ''));
  });
}

test('a short warning is left as it is', () => {
  assert.deepEqual(warningsOf([warning('spec.a', 'never acts')]), ['spec.a: never acts; lower it']);
});

test('warnings stay within 4096 characters, and say how many were left out', () => {
  const many = Array.from({ length: 100 }, (_, index) => warning(`spec.f${index}`, words(60)));
  const warnings = warningsOf(many);
  const total = warnings.reduce((sum, each) => sum + characters(each), 0);
  assert.ok(total <= 4_096, `${total}`);
  assert.match(
    warnings.at(-1) ?? '',
    /^… and \d+ more warnings; checkpoint-warden validate -o json FILE shows all$/,
  );
  assert.equal(new Set(warnings).size, warnings.length);
});

test('two warnings that end alike are not taken for one', () => {
  const warnings = warningsOf([warning('spec.a', words(60)), warning('spec.b', words(60))]);
  assert.equal(new Set(warnings).size, warnings.length);
});
