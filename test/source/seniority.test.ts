import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { formatFinding } from '../../policy/findings.ts';
import { PolicySet } from '../../policy/govern.ts';
import type { PolicyFiles } from '../../source/file-policies.ts';
import { both, type Files, general, look, summary } from './looks.ts';
import { policy } from './scratch.ts';

interface Row {
  readonly name: string;
  /** One look after the other, and what is in force after each. */
  readonly looks: readonly (readonly [files: Files, inForce: string])[];
  /** What is told after the last, as `file: words`. */
  readonly told?: readonly RegExp[];
}

function errorsOf({ problems }: PolicyFiles): string[] {
  return problems
    .filter(({ finding }) => finding.severity === 'error')
    .map(({ file, finding, fate }) => `${file}: ${formatFinding(finding)}; ${fate}`);
}

function check({ looks, told = [] }: Row): void {
  let before: PolicyFiles | undefined;
  for (const [files, expected] of looks) {
    before = look(files, before);
    assert.equal(summary(before), expected);
    const again = look(files, before);
    assert.equal(summary(again), expected, 'a second look at the same files');
    assert.deepEqual(errorsOf(again), errorsOf(before), 'a second look tells the same');
  }
  const errors = before === undefined ? [] : errorsOf(before);
  assert.equal(errors.length, told.length, errors.join('\n'));
  for (const [index, each] of told.entries()) assert.match(errors[index] ?? '', each);
}

const z = policy('zz', 'shop', 100);

const NEWCOMERS: readonly Row[] = [
  {
    name: 'with the same target is refused, though its name comes first, and taken once the other is gone',
    looks: [
      [{ 'z.yaml': z }, 'zz=100@z.yaml'],
      [{ 'a.yaml': policy('aa', 'shop', 1), 'z.yaml': z }, 'zz=100@z.yaml'],
      [{ 'a.yaml': policy('aa', 'shop', 1) }, 'aa=1@a.yaml'],
    ],
  },
  {
    name: 'is told with both files, and what is in force',
    looks: [
      [{ 'z.yaml': z }, 'zz=100@z.yaml'],
      [{ 'a.yaml': policy('aa', 'shop', 1), 'z.yaml': z }, 'zz=100@z.yaml'],
    ],
    told: [
      /^a.yaml: spec.namespacePolicies\[0\]: is for namespace shop, .* quotas\/zz \(z.yaml\) is already; .*; until then nothing of this file is in force$/,
    ],
  },
  {
    name: 'with the same name is refused, and told once',
    looks: [
      [{ 'n.yaml': policy('narrow', 'shop', 100) }, 'narrow=100@n.yaml'],
      [
        { 'copy.yaml': policy('narrow', 'shop', 1), 'n.yaml': policy('narrow', 'shop', 100) },
        'narrow=100@n.yaml',
      ],
    ],
    told: [/^copy.yaml: metadata.name = "narrow": names a resource that n.yaml has already/],
  },
  {
    name: 'a backup does not rule when its original is edited',
    looks: [
      [{ 'quotas.yaml': policy('quotas', 'shop', 8) }, 'quotas=8@quotas.yaml'],
      [
        { 'quotas-before.yaml': policy('quotas', 'shop', 8), 'quotas.yaml': policy('quotas', 'shop', 8) },
        'quotas=8@quotas.yaml',
      ],
      [
        { 'quotas-before.yaml': policy('quotas', 'shop', 8), 'quotas.yaml': policy('quotas', 'shop', 100) },
        'quotas=100@quotas.yaml',
      ],
    ],
    told: [/^quotas-before.yaml: metadata.name/],
  },
  {
    name: 'with a second global policy for the directory is refused',
    looks: [
      [{ 'z.yaml': general('zz', 100) }, 'zz=100@z.yaml'],
      [{ 'a.yaml': general('aa', 1), 'z.yaml': general('zz', 100) }, 'zz=100@z.yaml'],
    ],
    told: [/^a.yaml: spec.globalPolicy: is for everything in .* quotas\/zz \(z.yaml\)/],
  },
  {
    name: 'for a directory that lies in one that is in force is refused',
    looks: [
      [{ 'z.yaml': general('zz', 100, '/srv/a') }, 'zz=100@z.yaml'],
      [{ 'a.yaml': general('aa', 1, '/srv/a/b'), 'z.yaml': general('zz', 100, '/srv/a') }, 'zz=100@z.yaml'],
    ],
    told: [/^a.yaml: spec.checkpointDirectory = "\/srv\/a\/b": overlaps with \/srv\/a of quotas\/zz/],
  },
  {
    name: 'is refused as a whole',
    looks: [
      [{ 'z.yaml': z }, 'zz=100@z.yaml'],
      [
        { 'a.yaml': `${policy('bb', 'other', 1)}---\n${policy('aa', 'shop', 1)}`, 'z.yaml': z },
        'zz=100@z.yaml',
      ],
    ],
    told: [/^a.yaml: /],
  },
  {
    name: 'is refused beside a file that cannot be read now',
    looks: [
      [{ 'z.yaml': z }, 'zz=100@z.yaml'],
      [{ 'a.yaml': policy('aa', 'shop', 1), 'z.yaml': null }, 'zz=100@z.yaml'],
    ],
    told: [/^a.yaml: .*quotas\/zz/, /^z.yaml: is gone; bring it back; the last good version stays in force$/],
  },
  {
    name: 'two that contradict one another are held, and each is taken once the other is gone',
    looks: [
      [{ 'm.yaml': policy('mm', 'other', 5) }, 'mm=5@m.yaml'],
      [
        { 'a.yaml': policy('aa', 'shop', 1), 'm.yaml': policy('mm', 'other', 5), 'z.yaml': z },
        'aa=held@a.yaml mm=5@m.yaml zz=held@z.yaml',
      ],
      [{ 'm.yaml': policy('mm', 'other', 5), 'z.yaml': z }, 'mm=5@m.yaml zz=100@z.yaml'],
    ],
  },
];

const EDITS: readonly Row[] = [
  {
    name: 'that takes what another file has is refused: the last good version stays',
    looks: [
      [{ 'a.yaml': policy('aa', 'other', 1), 'z.yaml': z }, 'aa=1@a.yaml zz=100@z.yaml'],
      [{ 'a.yaml': both('aa', 'other', 'shop', 2), 'z.yaml': z }, 'aa=1@a.yaml zz=100@z.yaml'],
    ],
    told: [
      /^a.yaml: spec.namespacePolicies\[1\]: is for namespace shop, .*; the last good version stays in force$/,
    ],
  },
  {
    name: 'of what is in force is taken beside a refused newcomer',
    looks: [
      [{ 'z.yaml': z }, 'zz=100@z.yaml'],
      [{ 'a.yaml': policy('aa', 'shop', 1), 'z.yaml': z }, 'zz=100@z.yaml'],
      [{ 'a.yaml': policy('aa', 'shop', 1), 'z.yaml': policy('zz', 'shop', 50) }, 'zz=50@z.yaml'],
    ],
    told: [/^a.yaml: /],
  },
  {
    name: 'that gives a target up gives it to whoever asks for it in the same look',
    looks: [
      [{ 'z.yaml': both('zz', 'shop', 'other', 9) }, 'zz=9+9@z.yaml'],
      [{ 'a.yaml': policy('aa', 'shop', 1), 'z.yaml': policy('zz', 'other', 9) }, 'aa=1@a.yaml zz=9@z.yaml'],
    ],
  },
  {
    name: 'two that exchange their targets are taken',
    looks: [
      [{ 'a.yaml': policy('aa', 'one', 1), 'b.yaml': policy('bb', 'two', 2) }, 'aa=1@a.yaml bb=2@b.yaml'],
      [{ 'a.yaml': policy('aa', 'two', 1), 'b.yaml': policy('bb', 'one', 2) }, 'aa=1@a.yaml bb=2@b.yaml'],
    ],
  },
  {
    name: 'two that both come to want a third target are refused',
    looks: [
      [{ 'a.yaml': policy('aa', 'one', 1), 'b.yaml': policy('bb', 'two', 2) }, 'aa=1@a.yaml bb=2@b.yaml'],
      [
        { 'a.yaml': both('aa', 'one', 'three', 3), 'b.yaml': both('bb', 'two', 'three', 4) },
        'aa=1@a.yaml bb=2@b.yaml',
      ],
    ],
    told: [/^a.yaml: .*\(b.yaml\)/, /^b.yaml: .*\(a.yaml\)/],
  },
  {
    name: 'that contradicts itself is refused',
    looks: [
      [{ 'z.yaml': z }, 'zz=100@z.yaml'],
      [{ 'z.yaml': both('zz', 'shop', 'shop', 1) }, 'zz=100@z.yaml'],
    ],
    told: [/^z.yaml: .* as spec.namespacePolicies\[0\] is already.*the last good version stays in force$/],
  },
  {
    name: 'that leaves a name twice, both with errors, is refused',
    looks: [
      [{ 'z.yaml': z }, 'zz=100@z.yaml'],
      [{ 'z.yaml': `${policy('zz', 'shop', -1)}---\n${policy('zz', 'shop', -1)}` }, 'zz=100@z.yaml'],
    ],
    told: [/at least 0/, /at least 0/, /z.yaml has already/],
  },
  {
    name: 'a refused file brings back what it gave up, and nobody else gets it',
    looks: [
      [{ 'a.yaml': policy('aa', 'one', 1), 'z.yaml': z }, 'aa=1@a.yaml zz=100@z.yaml'],
      [
        { 'a.yaml': policy('aa', 'shop', 1), 'b.yaml': policy('bb', 'one', 7), 'z.yaml': z },
        'aa=1@a.yaml zz=100@z.yaml',
      ],
    ],
    told: [/^a.yaml: .*\(z.yaml\)/, /^b.yaml: .*\(a.yaml\)/],
  },
];

const MOVES: readonly Row[] = [
  {
    name: 'a file that is renamed',
    looks: [
      [{ 'n.yaml': z }, 'zz=100@n.yaml'],
      [{ 'a.yaml': z }, 'zz=100@a.yaml'],
    ],
  },
  {
    name: 'a file that is copied, and the original removed later',
    looks: [
      [{ 'n.yaml': z }, 'zz=100@n.yaml'],
      [{ 'a.yaml': z, 'n.yaml': z }, 'zz=100@n.yaml'],
      [{ 'a.yaml': z }, 'zz=100@a.yaml'],
    ],
  },
  {
    name: 'one document that moves into another file',
    looks: [
      [{ 'a.yaml': `${policy('aa', 'one', 1)}---\n${z}` }, 'aa=1@a.yaml zz=100@a.yaml'],
      [{ 'a.yaml': policy('aa', 'one', 1), 'b.yaml': z }, 'aa=1@a.yaml zz=100@b.yaml'],
    ],
  },
  {
    name: 'a resource that is renamed in its file',
    looks: [
      [{ 'a.yaml': z }, 'zz=100@a.yaml'],
      [{ 'a.yaml': policy('other', 'shop', 50) }, 'other=50@a.yaml'],
    ],
  },
  {
    name: 'a file that is renamed and edited badly: the last good version goes with it',
    looks: [
      [{ 'n.yaml': z }, 'zz=100@n.yaml'],
      [{ 'a.yaml': policy('zz', 'shop', -1) }, 'zz=100@a.yaml'],
      [{ 'a.yaml': 'x: [' }, 'zz=100@a.yaml'],
    ],
    told: [/^a.yaml: .*the last good version stays in force$/],
  },
];

const STARTS: readonly Row[] = [
  {
    name: 'the same target in two files',
    looks: [[{ 'a.yaml': policy('aa', 'shop', 1), 'z.yaml': z }, 'aa=held@a.yaml zz=held@z.yaml']],
    told: [/^z.yaml: .*quotas\/aa \(a.yaml\) is already.*; until then both hold their targets/],
  },
  {
    name: 'the same name in two files, for different targets: both are there to hold theirs',
    looks: [
      [{ 'copy.yaml': policy('zz', 'other', 1), 'z.yaml': z }, 'zz=held@copy.yaml zz#2=held@z.yaml'],
      [{ 'z.yaml': z }, 'zz=100@z.yaml'],
    ],
  },
  {
    name: 'the same name twice in one file',
    looks: [[{ 'a.yaml': `${z}---\n${z}` }, 'zz=held@a.yaml zz#2=held@a.yaml']],
    told: [/names a resource that a.yaml has already/],
  },
  {
    name: 'a resource that contradicts itself',
    looks: [[{ 'a.yaml': both('aa', 'shop', 'shop', 1) }, 'aa=held@a.yaml']],
    told: [/^a.yaml: spec.namespacePolicies\[1\]: is for namespace shop/],
  },
  {
    name: 'what was held is nobody’s: an edit ends it',
    looks: [
      [{ 'a.yaml': policy('aa', 'shop', 1), 'z.yaml': z }, 'aa=held@a.yaml zz=held@z.yaml'],
      [{ 'a.yaml': policy('aa', 'one', 1), 'z.yaml': z }, 'aa=1@a.yaml zz=100@z.yaml'],
    ],
  },
  {
    name: 'others go on beside it',
    looks: [
      [
        { 'a.yaml': policy('aa', 'shop', 1), 'b.yaml': policy('bb', 'one', 3), 'z.yaml': z },
        'aa=held@a.yaml bb=3@b.yaml zz=held@z.yaml',
      ],
    ],
    told: [/^z.yaml: /],
  },
];

const TABLES = { 'a newcomer': NEWCOMERS, 'an edit': EDITS, 'a move': MOVES, 'at a start': STARTS };
for (const [about, rows] of Object.entries(TABLES)) {
  suite(about, () => {
    for (const row of rows) test(row.name, () => check(row));
  });
}

suite('what is held', () => {
  test('keeps a global policy away from its targets', () => {
    const { resources } = look({
      'a.yaml': policy('aa', 'shop', 1),
      'g.yaml': general('gg', 2),
      'z.yaml': policy('zz', 'shop', 100),
    });
    const set = new PolicySet(resources);
    const governing = set.governing({ namespace: 'shop', pod: 'p', container: 'c' }).administrator;
    assert.deepEqual([governing?.scope.kind, governing?.resource.sound], ['namespace', false]);
    assert.equal(governing?.buckets.length, 0);
    assert.equal(set.global?.resource.reference.name, 'gg');
  });
});

suite('paths that lead to one directory', () => {
  const directoryOf = (path: string) => (path === '/link' ? '/real' : path);
  const files = { 'a.yaml': general('aa', 1, '/link'), 'z.yaml': general('zz', 100, '/real') };

  test('are one at a start', () => {
    assert.equal(summary(look(files, undefined, { directoryOf })), 'aa=held@a.yaml zz=held@z.yaml');
  });

  test('are one for a newcomer, and resources keep their own spelling', () => {
    const before = look({ 'z.yaml': files['z.yaml'] }, undefined, { directoryOf });
    const { resources } = look({ 'a.yaml': files['a.yaml'] }, undefined, { directoryOf });
    assert.equal(summary(look(files, before, { directoryOf })), 'zz=100@z.yaml');
    assert.deepEqual(
      resources.map(({ directory }) => directory),
      ['/link'],
    );
  });
});
