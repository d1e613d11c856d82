import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { resourceKey, scopeLabel } from '../../policy/govern.ts';
import type { PolicyFiles } from '../../source/file-policies.ts';
import { SEED } from '../policy/cases.ts';
import { type Files, look, summary } from './looks.ts';
import { policy } from './scratch.ts';

const TARGETS = ['one', 'two', 'three'];

/** A policy document, rarely one with an error. */
const document = fc
  .tuple(
    fc.constantFrom('p', 'q', 'r'),
    fc.uniqueArray(fc.constantFrom(...TARGETS), { minLength: 1, maxLength: 2 }),
    fc.constantFrom(1, 2, 3, 4, -1),
  )
  .map(([name, [first = 'one', ...others], count]) =>
    others.reduce(
      (text, target) => `${text}    - {namespace: ${target}, maxCheckpoints: ${count}}\n`,
      policy(name, first, count),
    ),
  );

const content = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.array(document, { minLength: 1, maxLength: 2 }).map((each) => each.join('---\n')),
  },
  { weight: 1, arbitrary: fc.constant('x: [') },
  { weight: 1, arbitrary: fc.constant(null) },
);

const change = fc.tuple(
  fc.constantFrom('a.yaml', 'b.yaml', 'c.yaml', 'd.yaml'),
  fc.option(content, { freq: 4, nil: undefined }),
);
const history = fc.array(fc.array(change, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 });

/** Who acts on what: the file by the target, of resources without errors. */
function rulers({ resources }: PolicyFiles): Map<string, string[]> {
  const byTarget = new Map<string, string[]>();
  for (const { sound, rules, reference } of resources) {
    if (!sound) continue;
    for (const { scope } of rules) {
      const target = scopeLabel(scope);
      byTarget.set(target, [...(byTarget.get(target) ?? []), reference.file ?? '']);
    }
  }
  return byTarget;
}

function targets({ resources }: PolicyFiles): Set<string> {
  return new Set(resources.flatMap(({ rules }) => rules.map(({ scope }) => scopeLabel(scope))));
}

test('whatever happens to the files, what is in force is senior', () => {
  fc.assert(
    fc.property(history, (changes) => {
      let files: Files = {};
      let before = look({});
      for (const step of changes) {
        const next: Record<string, string | null> = { ...files };
        for (const [file, text] of step) {
          if (text === undefined) delete next[file];
          else next[file] = text;
        }
        const after = look(next, before);
        const keys = after.resources.map(({ reference }) => resourceKey(reference));
        assert.equal(new Set(keys).size, keys.length, 'a name stands for one resource');
        for (const [target, by] of rulers(after)) assert.equal(by.length, 1, `${target} has one ruler`);
        for (const [target, [file = '']] of rulers(before)) {
          const alone = next[file] == null ? null : look({ [file]: next[file] });
          const stays = next[file] === null || (alone !== null && rulers(alone).has(target));
          if (stays) assert.deepEqual(rulers(after).get(target), [file], `${target} stays with ${file}`);
        }
        assert.equal(summary(look(next, after)), summary(after), 'a second look changes nothing');
        files = next;
        before = after;
      }
    }),
    { numRuns: 50, seed: SEED },
  );
});

test('at a start no order of the files gives anybody more than another', () => {
  fc.assert(
    fc.property(
      fc.array(
        content.filter((each) => each !== null),
        { minLength: 2, maxLength: 4 },
      ),
      (texts) => {
        const named = (order: readonly string[]) =>
          look(Object.fromEntries(order.map((text, index) => [`${index}.yaml`, text])));
        const [forth, back] = [named(texts), named(texts.toReversed())];
        assert.deepEqual([...targets(forth)].sort(), [...targets(back)].sort());
        assert.deepEqual([...rulers(forth).keys()].sort(), [...rulers(back).keys()].sort());
      },
    ),
    { numRuns: 40, seed: SEED },
  );
});
