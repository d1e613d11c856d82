import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Runtime, readSpec } from '../../../gc/archive/annotations.ts';
import type { Identity } from '../../../policy/types.ts';
import { CONTAINERD_ANNOTATIONS, spec } from '../archives.ts';

const UID = '394d9f75-b32a-4724-892d-f135011bf911';
const CART: Identity = { namespace: 'shop', pod: 'cart', container: 'main', podUid: UID };
const PLAIN = {
  'io.kubernetes.pod.namespace': 'shop',
  'io.kubernetes.pod.name': 'cart',
  'io.kubernetes.container.name': 'main',
  'io.kubernetes.pod.uid': UID,
};
const LABELS = { 'io.kubernetes.cri-o.Labels': JSON.stringify(PLAIN) };
const CRIO = { 'io.container.manager': 'cri-o' };
const CRIU = {
  'org.criu.checkpoint.pod.namespace': 'shop',
  'org.criu.checkpoint.pod.name': 'cart',
  'org.criu.checkpoint.container.name': 'main',
};
const FORGED = {
  'io.kubernetes.cri.sandbox-namespace': 'victim',
  'io.kubernetes.cri.sandbox-name': 'vpod',
  'io.kubernetes.cri.container-name': 'vctr',
  'org.criu.checkpoint.pod.namespace': 'victim',
  'org.criu.checkpoint.pod.name': 'vpod',
  'org.criu.checkpoint.container.name': 'vctr',
};
const { 'io.kubernetes.cri.sandbox-uid': _, ...WITHOUT_UID } = CONTAINERD_ANNOTATIONS;

function read(annotations: unknown) {
  return readSpec(Buffer.from(spec(annotations)));
}

describe('annotations: whose it is', () => {
  const rows: readonly [string, unknown, Runtime, Identity][] = [
    ['containerd', CONTAINERD_ANNOTATIONS, 'containerd', CART],
    ['containerd without a UID', WITHOUT_UID, 'containerd', { ...CART, podUid: null }],
    [
      'containerd before what others may have written',
      { ...CONTAINERD_ANNOTATIONS, ...CRIU, ...LABELS },
      'containerd',
      CART,
    ],
    ['CRI-O by its labels', { ...CRIO, ...LABELS }, 'cri-o', CART],
    ['CRI-O by its plain keys', { ...CRIO, ...PLAIN }, 'cri-o', CART],
    ['CRI-O with forged keys of others', { ...CRIO, ...LABELS, ...PLAIN, ...FORGED }, 'cri-o', CART],
    [
      'CRI-O: labels before plain keys',
      { ...CRIO, ...LABELS, ...PLAIN, 'io.kubernetes.pod.name': 'x' },
      'cri-o',
      CART,
    ],
    ['CRI-O without saying so', LABELS, 'cri-o', CART],
    ['CRI-O before org.criu', { ...LABELS, ...CRIU }, 'cri-o', CART],
    ['another tool', CRIU, 'other', { ...CART, podUid: null }],
    [
      'a static pod',
      { ...CONTAINERD_ANNOTATIONS, 'io.kubernetes.cri.sandbox-uid': '992180add53933db51fc104194ab5fa0' },
      'containerd',
      { ...CART, podUid: '992180add53933db51fc104194ab5fa0' },
    ],
  ];
  for (const [name, annotations, runtime, identity] of rows) {
    it(name, () => assert.deepEqual(read(annotations), { identity, because: null, runtime }));
  }
});

describe('annotations: nobody’s', () => {
  const without = (key: string) => ({ ...CONTAINERD_ANNOTATIONS, [key]: undefined });
  const containerd = (key: string, value: unknown) => ({
    ...CONTAINERD_ANNOTATIONS,
    [`io.kubernetes.cri.${key}`]: value,
  });
  const rows: readonly [string, unknown, Runtime | null, RegExp][] = [
    ['podman', { 'io.container.manager': 'libpod', ...CRIU }, 'podman', /podman .* no namespace and no pod/],
    [
      'podman in a pod',
      { 'io.container.manager': 'libpod', 'io.kubernetes.cri-o.SandboxID': 'x', ...LABELS },
      'podman',
      /podman/,
    ],
    [
      'an unknown manager',
      { 'io.container.manager': 'mine', ...CONTAINERD_ANNOTATIONS },
      'other',
      /none that is known/,
    ],
    [
      'a manager that is no string',
      { 'io.container.manager': ['cri-o'], ...LABELS },
      'other',
      /none that is known/,
    ],
    ['a manager that is null', { 'io.container.manager': null, ...CRIU }, 'other', /none that is known/],
    ['no keys at all', { maintainer: 'me' }, null, /names no pod/],
    [
      'containerd without a namespace',
      without('io.kubernetes.cri.sandbox-namespace'),
      'containerd',
      /no valid io.kubernetes.cri.sandbox-namespace/,
    ],
    ['containerd without a pod', without('io.kubernetes.cri.sandbox-name'), 'containerd', /sandbox-name/],
    [
      'containerd without a container',
      without('io.kubernetes.cri.container-name'),
      'containerd',
      /container-name/,
    ],
    [
      'half of containerd and all of another',
      { 'io.kubernetes.cri.sandbox-uid': UID, ...CRIU },
      'containerd',
      /sandbox-namespace/,
    ],
    ['CRI-O with the keys of others only', { ...CRIO, ...FORGED }, 'cri-o', /io.kubernetes.pod.namespace/],
    [
      'CRI-O with labels that are no JSON',
      { ...CRIO, ...PLAIN, 'io.kubernetes.cri-o.Labels': '{' },
      'cri-o',
      /Labels is not a JSON object/,
    ],
    [
      'CRI-O with labels that are no string',
      { ...CRIO, ...PLAIN, 'io.kubernetes.cri-o.Labels': PLAIN },
      'cri-o',
      /Labels is not/,
    ],
    [
      'CRI-O with labels that are a list',
      { ...CRIO, 'io.kubernetes.cri-o.Labels': '[]' },
      'cri-o',
      /Labels is not/,
    ],
    [
      'CRI-O with incomplete labels and plain keys',
      { ...CRIO, ...PLAIN, 'io.kubernetes.cri-o.Labels': '{}' },
      'cri-o',
      /namespace/,
    ],
    [
      'half of another tool',
      { ...CRIU, 'org.criu.checkpoint.container.name': '' },
      'other',
      /container.name/,
    ],
    ['a namespace with a slash', containerd('sandbox-namespace', 'shop/x'), 'containerd', /namespace/],
    ['a namespace with a dot', containerd('sandbox-namespace', 'shop.x'), 'containerd', /namespace/],
    ['a namespace in capitals', containerd('sandbox-namespace', 'Shop'), 'containerd', /namespace/],
    ['an empty namespace', containerd('sandbox-namespace', ''), 'containerd', /namespace/],
    [
      'a namespace that is too long',
      containerd('sandbox-namespace', 'x'.repeat(64)),
      'containerd',
      /namespace/,
    ],
    [
      'a namespace that ends with a newline',
      containerd('sandbox-namespace', 'shop\n'),
      'containerd',
      /namespace/,
    ],
    ['a namespace that is a number', containerd('sandbox-namespace', 7), 'containerd', /namespace/],
    ['a namespace that is a list', containerd('sandbox-namespace', ['shop']), 'containerd', /namespace/],
    ['a pod with an underscore', containerd('sandbox-name', 'a_b'), 'containerd', /sandbox-name/],
    ['a pod with two dots', containerd('sandbox-name', 'a..b'), 'containerd', /sandbox-name/],
    ['a pod that begins with a dash', containerd('sandbox-name', '-a'), 'containerd', /sandbox-name/],
    ['a pod that is too long', containerd('sandbox-name', 'x'.repeat(254)), 'containerd', /sandbox-name/],
    ['a container with a dot', containerd('container-name', 'a.b'), 'containerd', /container-name/],
    ['an empty UID', containerd('sandbox-uid', ''), 'containerd', /sandbox-uid/],
    ['a UID that is null', containerd('sandbox-uid', null), 'containerd', /sandbox-uid/],
    ['a UID with a slash', containerd('sandbox-uid', '../x'), 'containerd', /sandbox-uid/],
    ['a UID without end', containerd('sandbox-uid', 'x'.repeat(129)), 'containerd', /sandbox-uid/],
    ['annotations that are a list', Object.entries(CONTAINERD_ANNOTATIONS), null, /has no annotations/],
    ['annotations that are null', null, null, /has no annotations/],
    ['annotations that are a string', 'x', null, /has no annotations/],
  ];
  for (const [name, annotations, runtime, because] of rows) {
    it(name, () => {
      const reading = read(annotations);
      assert.equal(reading.identity, null);
      assert.equal(reading.runtime, runtime);
      assert.match(reading.because ?? '', because);
    });
  }
});

describe('annotations: longest names', () => {
  it('are accepted', () => {
    const pod = `${'p'.repeat(120)}.${'q'.repeat(132)}`;
    const { identity } = read({
      ...CONTAINERD_ANNOTATIONS,
      'io.kubernetes.cri.sandbox-namespace': 'n'.repeat(63),
      'io.kubernetes.cri.sandbox-name': pod,
    });
    assert.equal(identity?.pod, pod);
  });
});

describe('annotations: hostile text', () => {
  const good = spec(CONTAINERD_ANNOTATIONS);
  const rows: readonly [string, Buffer | string, RegExp][] = [
    ['nothing', '', /not a JSON object/],
    ['no JSON', `${good}}`, /not a JSON object/],
    ['a list', `[${good}]`, /not a JSON object/],
    ['null', 'null', /not a JSON object/],
    ['a string', '"x"', /not a JSON object/],
    [
      'invalid UTF-8',
      Buffer.concat([
        Buffer.from(good.slice(0, -1)),
        Buffer.from([0x2c, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
      ]),
      /not valid UTF-8/,
    ],
    [
      'a surrogate in UTF-8',
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from('eda080', 'hex'), Buffer.from('"}')]),
      /not valid UTF-8/,
    ],
    ['UTF-16', Buffer.from(good, 'utf16le'), /not/],
    ['a million brackets', '['.repeat(1_000_000), /not a JSON object/],
    ['a million objects', `${'{"annotations":'.repeat(300_000)}1${'}'.repeat(300_000)}`, /names no pod/],
    [
      'keys in a prototype',
      `{"__proto__":{"annotations":${JSON.stringify(CONTAINERD_ANNOTATIONS)}}}`,
      /has no annotations/,
    ],
    [
      'annotations in a prototype',
      `{"annotations":{"__proto__":${JSON.stringify(CONTAINERD_ANNOTATIONS)}}}`,
      /names no pod/,
    ],
    ['names of methods', '{"annotations":{"constructor":"x","toString":"y"}}', /names no pod/],
  ];
  for (const [name, text, because] of rows) {
    it(name, () => {
      const reading = readSpec(Buffer.from(text));
      assert.equal(reading.identity, null);
      assert.match(reading.because ?? '', because);
    });
  }

  it('leaves all prototypes as they were', () => {
    readSpec(Buffer.from('{"annotations":{"__proto__":{"polluted":1}},"__proto__":{"polluted":1}}'));
    assert.equal('polluted' in {}, false);
  });
});
