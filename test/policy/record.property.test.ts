import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { isObject } from '../../policy/json.ts';
import { readResource } from '../../policy/read.ts';
import { recordOf, resourceOf } from '../../policy/record.ts';
import { holds } from './cases.ts';
import { documents } from './specs.ts';
import { Tally } from './tally.ts';

const AUTHORITIES = ['administrator', 'tenant'] as const;

const read = new Tally();
holds(
  'a resource that was written down reads as it did, and one with errors deletes nothing still',
  fc.tuple(documents, fc.constantFrom(...AUTHORITIES), fc.option(fc.constant('quotas.yaml'))),
  ([document, authority, file]) => {
    const { resource } = readResource(document, { authority, ...(file !== null && { file }) });
    assert.ok(resource);
    const again = resourceOf(JSON.parse(JSON.stringify(recordOf(resource))));
    read.add(resource.sound ? 'sound' : 'with errors');
    assert.ok(again !== null || !resource.sound);
    if (again === null) return;
    read.add('again');
    assert.equal(again.canonicalSpec, resource.canonicalSpec);
    assert.ok(isDeepStrictEqual({ ...again }, { ...resource }));
  },
  { share: 0.1, afterwards: (cases) => read.expect(cases, { sound: 0.2, 'with errors': 0.2, again: 0.5 }) },
);

holds('whatever is taken for a record, it is none or a resource', fc.anything(), (value) => {
  assert.equal(resourceOf(value), null);
});

holds(
  'a record that was spoilt is none, or a resource all the same',
  fc.tuple(documents, fc.constantFrom('metadata', 'authority', 'sound', 'spec', 'file'), fc.jsonValue()),
  ([document, key, value]) => {
    const { resource } = readResource(document, { authority: 'administrator' });
    assert.ok(resource);
    const spoilt = resourceOf({ ...recordOf(resource), [key]: value });
    assert.ok(spoilt === null || isObject(spoilt));
  },
  { share: 0.1 },
);
