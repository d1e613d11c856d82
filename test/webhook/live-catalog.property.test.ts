import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fieldsOf, type JsonObject } from '../../policy/json.ts';
import { readResource } from '../../policy/read.ts';
import { AUTHORITY_ANNOTATION } from '../../policy/schema.ts';
import type { Finding } from '../../policy/types.ts';
import { judgeBeside } from '../../policy/validate.ts';
import { LiveCatalog } from '../../webhook/live-catalog.ts';
import { holds } from '../policy/cases.ts';
import { admissionReview, FakeSource, policy } from './kit.ts';

const namespace = fc.constantFrom('team-a', 'team-b', 'team-c');
const limits = fc.record(
  { maxCheckpoints: fc.integer({ min: 1, max: 3 }), timeThreshold: fc.constantFrom('1d', '2d') },
  { requiredKeys: [] },
);
const entry = (more: Record<string, fc.Arbitrary<string>>) =>
  fc.tuple(fc.record({ namespace, ...more }), limits).map(([target, what]) => ({ ...target, ...what }));
const spec = fc.record(
  {
    namespacePolicies: fc.array(entry({}), { maxLength: 2 }),
    podPolicies: fc.array(entry({ pod: fc.constantFrom('p', 'q') }), { maxLength: 2 }),
    globalPolicy: fc.constant({ timeThreshold: '3d' }),
    unidentified: fc.constant({ timeThreshold: '3d' }),
    checkpointDirectory: fc.constantFrom(
      '/var/lib/kubelet/checkpoints',
      '/var/lib/kubelet/checkpoints/x',
      '/x',
    ),
  },
  { requiredKeys: ['namespacePolicies'] },
);
const document: fc.Arbitrary<JsonObject> = fc
  .tuple(spec, namespace, fc.constantFrom('one', 'two'), fc.boolean())
  .map(([what, where, name, isAdministrators]) =>
    policy(what, {
      namespace: where,
      name,
      ...(isAdministrators && { annotations: { [AUTHORITY_ANNOTATION]: 'administrator' } }),
    }),
  );
const own = fc
  .tuple(namespace, fc.constantFrom('one', 'two'), limits, fc.boolean())
  .map(([where, name, what, isAdministrators]) =>
    policy(
      { namespacePolicies: [{ namespace: where, ...what }] },
      {
        namespace: where,
        name,
        ...(isAdministrators && { annotations: { [AUTHORITY_ANNOTATION]: 'administrator' } }),
      },
    ),
  );
const step = fc.oneof(
  fc.record({ kind: fc.constant('apply' as const), document: fc.oneof(own, document) }),
  fc.record({ kind: fc.constant('show' as const), document: fc.oneof(own, document) }),
  fc.record({ kind: fc.constant('remove' as const), document: own }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1_000, 6_000) }),
);

/** Which of several overlapping resources is named goes by who came first into the catalog. */
const gist = ({ code, field, message }: Finding) =>
  code === 'overlappingDirectories' ? { code, field } : { code, field, message };

const said = (catalog: LiveCatalog) =>
  [...catalog.policies().resources()]
    .map(({ reference, canonicalSpec }) => `${reference.namespace}/${reference.name} ${canonicalSpec}`)
    .sort();

holds(
  'what is laid aside is found whenever it matters',
  fc.array(step, { minLength: 2, maxLength: 12 }),
  (steps) => {
    const source = new FakeSource();
    let now = 0;
    const [lazy, eager] = [new LiveCatalog(source, () => now), new LiveCatalog(source, () => now)];
    for (const each of steps) {
      if (each.kind === 'wait') now += each.ms;
      else if (each.kind === 'show') source.put(each.document);
      else if (each.kind === 'remove') {
        const metadata = fieldsOf(each.document.metadata);
        source.remove(`${metadata.namespace}/${metadata.name}`);
      } else {
        const reading = readResource(each.document);
        assert.ok(reading.resource);
        const { resource } = reading;
        const found = judgeBeside(reading, resource, lazy.beside(resource)).findings;
        assert.deepEqual(
          found.map(gist),
          judgeBeside(reading, resource, eager.policies()).findings.map(gist),
        );
        if (found.some(({ severity }) => severity === 'error')) continue;
        lazy.hold(
          reading.resource,
          JSON.stringify(admissionReview(each.document, { namespace: resource.reference.namespace })),
        );
        eager.hold(reading.resource);
      }
    }
    assert.deepEqual(said(lazy), said(eager));
    lazy.stop();
    eager.stop();
  },
);
