import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { archivePath, readArchiveRoute } from '../../../../policy/archive-routes.ts';
import { PINNED_LABEL } from '../../../../policy/checkpoint-object.ts';
import { fieldsOf } from '../../../../policy/json.ts';
import { archivePageIn, checkpointOf, listedArchiveIn } from '../../../../policy/listed-archive.ts';
import { ApiError, statusObject } from '../../../../webhook/gateway/api/api-error.ts';
import { silentNodes, warnings } from '../../../../webhook/gateway/api/call.ts';
import { formOf } from '../../../../webhook/gateway/api/form.ts';
import { OPENAPI, openApiV2, openApiV3 } from '../../../../webhook/gateway/api/openapi.ts';
import { pinIn } from '../../../../webhook/gateway/api/patch.ts';
import { readApiPath } from '../../../../webhook/gateway/api/route.ts';
import { fieldSelector, labelSelector } from '../../../../webhook/gateway/api/selectors.ts';
import { ageText, COLUMNS, rowOf, sizeText } from '../../../../webhook/gateway/api/table.ts';
import { wantedIn } from '../../../../webhook/gateway/api/wanted.ts';
import { listed } from './checkpoints.ts';

const CART = checkpointOf(listed(), 'node1');

describe('label selectors', () => {
  for (const [selector, none, pinned] of [
    ['', true, true],
    ['a=b', false, false],
    ['pin=true', false, true],
    ['pin==true', false, true],
    ['pin!=true', true, false],
    ['pin in (true, yes)', false, true],
    ['pin notin (true)', true, false],
    ['pin', false, true],
    ['!pin', true, false],
    ['pin,pin!=false', false, true],
    ['pin in (a,b),other', false, false],
    ['constructor', false, false],
  ] as const) {
    it(`${selector || 'empty'}: without labels ${none}, with pin=true ${pinned}`, () => {
      const matches = labelSelector(selector);
      assert.deepEqual([matches({}), matches({ pin: 'true' })], [none, pinned]);
    });
  }
  for (const bad of ['a=b=c', 'a in b', '(', 'a,,b', '-a', 'a in (b', `a=${'x'.repeat(64)}`, 'ä=b', '!a=b']) {
    it(`${bad} cannot be read`, () => {
      assert.throws(() => labelSelector(bad), { status: 400 });
    });
  }
});

describe('field selectors', () => {
  for (const [selector, matches] of [
    ['', true],
    ['spec.podName=cart', true],
    ['spec.podName==cart,spec.nodeName=node1', true],
    ['spec.podName!=cart', false],
    ['spec.containerName=other', false],
    ['metadata.name=cart-main-ca12000000000001', true],
    ['metadata.namespace!=farm', true],
  ] as const) {
    it(`${selector || 'empty'}: ${matches}`, () => {
      assert.equal(fieldSelector(selector).matches(CART), matches);
    });
  }
  for (const bad of ['status.archive=x', 'spec.podName', 'spec.podName>1', '__proto__=x']) {
    it(`${bad} is refused`, () => assert.throws(() => fieldSelector(bad), { status: 400 }));
  }
  it('says what can be asked of the nodes at once', () => {
    const selector = fieldSelector('spec.nodeName=node1,spec.podName!=x');
    assert.deepEqual([selector.only('spec.nodeName'), selector.only('spec.podName')], ['node1', undefined]);
  });
});

describe('the table', () => {
  it('has a cell for each column', () => {
    const now = Date.UTC(2026, 10, 21, 1, 30);
    const { cells, object } = rowOf(CART, now, 'Metadata');
    assert.equal(cells.length, COLUMNS.length);
    assert.deepEqual(cells.slice(1, 8), ['cart', 'main', 'node1', '293Ki', '90m', 'namespace/shop', 'keep']);
    assert.deepEqual(object, {
      kind: 'PartialObjectMetadata',
      apiVersion: 'meta.k8s.io/v1',
      metadata: CART.metadata,
    });
    assert.equal(rowOf(CART, now, 'None').object, undefined);
    assert.equal(rowOf(CART, now, 'Object').object, CART);
  });
  for (const [bytes, text] of [
    [0, '0'],
    [1_023, '1023'],
    [1_536, '1.5Ki'],
    [10 * 1024 ** 2, '10Mi'],
    [3 * 1024 ** 3, '3Gi'],
  ] as const) {
    it(`${bytes} bytes are ${text}`, () => assert.equal(sizeText(bytes), text));
  }
  for (const [seconds, text] of [
    [-5, '0s'],
    [119, '119s'],
    [330, '5m30s'],
    [3_600, '60m'],
    [4 * 3_600 + 60, '4h1m'],
    [47 * 3_600, '47h'],
    [3 * 86_400, '3d'],
    [40 * 86_400, '40d'],
    [800 * 86_400, '2y'],
  ] as const) {
    it(`an age of ${seconds} s is ${text}`, () => assert.equal(ageText(seconds * 1_000), text));
  }
});

describe('forms', () => {
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  for (const [accept, kind] of [
    [undefined, 'Object'],
    ['application/json', 'Object'],
    ['*/*', 'Object'],
    [`${table},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json`, 'Table'],
    [
      'application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
      'Metadata',
    ],
    ['application/vnd.kubernetes.protobuf, application/json', 'Object'],
  ] as const) {
    it(`${accept} asks for ${kind}`, () => assert.equal(formOf(accept, null).kind, kind));
  }
  it('what is not served is told', () => {
    assert.throws(() => formOf('application/yaml', null), { status: 406 });
    assert.throws(() => formOf(table, 'Everything'), { status: 400 });
  });
});

describe('patches', () => {
  const merge = 'application/merge-patch+json';
  const pinned = checkpointOf(listed({ pinned: true }), 'node1');
  for (const [name, object, type, patch, pin] of [
    ['sets', CART, merge, { metadata: { labels: { [PINNED_LABEL]: 'true' } } }, true],
    ['takes away', pinned, merge, { metadata: { labels: { [PINNED_LABEL]: null } } }, false],
    ['takes all away', pinned, merge, { metadata: { labels: null } }, false],
    ['leaves', pinned, merge, { metadata: { labels: { [PINNED_LABEL]: 'true' } } }, null],
    ['nothing', CART, merge, {}, null],
    [
      'by JSON patch',
      CART,
      'application/json-patch+json',
      [{ op: 'add', path: '/metadata/labels', value: { [PINNED_LABEL]: 'true' } }],
      true,
    ],
    [
      'tested and removed',
      pinned,
      'application/json-patch+json',
      [
        { op: 'test', path: '/spec/podName', value: 'cart' },
        { op: 'remove', path: '/metadata/labels/checkpoint.criu.org~1pinned' },
      ],
      false,
    ],
  ] as const) {
    it(name, () => assert.equal(pinIn(object, type, patch), pin));
  }
  for (const [name, type, patch, status] of [
    ['another label', merge, { metadata: { labels: { a: 'b' } } }, 422],
    ['another value', merge, { metadata: { labels: { [PINNED_LABEL]: 'yes' } } }, 422],
    ['an annotation', merge, { metadata: { annotations: { a: 'b' } } }, 422],
    ['the spec', merge, { spec: { podName: 'x' } }, 422],
    ['the status', merge, { status: { pinned: true } }, 422],
    ['another version', merge, { metadata: { resourceVersion: '7' } }, 409],
    ['no object', merge, 'x', 422],
    ['a wrong test', 'application/json-patch+json', [{ op: 'test', path: '/kind', value: 'Pod' }], 422],
    ['an unknown operation', 'application/json-patch+json', [{ op: 'eat', path: '/kind' }], 400],
    ['apply', 'application/apply-patch+yaml', {}, 415],
    ['the prototype', merge, JSON.parse('{"metadata":{"labels":{"__proto__":"true"}}}'), 422],
  ] as const) {
    it(`${name} is refused`, () => assert.throws(() => pinIn(CART, type, patch), { status }));
  }
});

describe('what is asked for', () => {
  const body = {
    apiVersion: 'checkpoint.criu.org/v1alpha1',
    kind: 'Checkpoint',
    spec: { podName: 'cart', containerName: 'main' },
  };
  it('is read from an object, or for a pod from its container alone', () => {
    assert.deepEqual(wantedIn(body, 'shop', null), { namespace: 'shop', pod: 'cart', container: 'main' });
    const spec = { containerName: 'main', timeoutSeconds: 5 };
    assert.deepEqual(wantedIn({ spec }, 'shop', 'cart').timeoutSeconds, 5);
  });
  for (const [name, wrong, pod, status] of [
    ['no object', [], null, 400],
    ['another kind', { ...body, kind: 'Pod' }, null, 400],
    ['no kind', { spec: body.spec }, null, 400],
    ['another namespace', { ...body, metadata: { namespace: 'farm' } }, null, 400],
    ['no container', { ...body, spec: { podName: 'cart' } }, null, 422],
    ['a pod with a path', { ...body, spec: { podName: 'a/b', containerName: 'main' } }, null, 422],
    ['another pod', body, 'till', 422],
    ['a half second', { ...body, spec: { ...body.spec, timeoutSeconds: 0.5 } }, null, 422],
    ['a label', { ...body, metadata: { labels: { a: 'b' } } }, null, 422],
    ['a name', { ...body, metadata: { name: 'mine' } }, null, 422],
  ] as const) {
    it(`${name} is refused`, () => assert.throws(() => wantedIn(wrong, 'shop', pod), { status }));
  }
});

describe('paths', () => {
  const base = '/apis/checkpoint.criu.org/v1alpha1';
  for (const [path, kind] of [
    ['/apis', 'groups'],
    ['/apis/checkpoint.criu.org', 'group'],
    [base, 'resources'],
    [`${base}/checkpoints`, 'collection'],
    [`${base}/namespaces/shop/checkpoints/`, 'collection'],
    [`${base}/namespaces/shop/checkpoints/x`, 'object'],
    [`${base}/namespaces/shop/pods/cart.a/checkpoint`, 'podCheckpoint'],
    [`${base}/namespaces/shop/pods/cart`, undefined],
    [`${base}/namespaces/sh%6fp/checkpoints`, undefined],
    [`${base}/namespaces/../checkpoints`, undefined],
    ['/apis/checkpoint.criu.org/v1', undefined],
    ['/', undefined],
  ] as const) {
    it(`${path} is ${kind ?? 'nothing'}`, () => assert.equal(readApiPath(path)?.kind, kind));
  }
});

describe('the paths between gateway and door', () => {
  const after = { namespace: 'shop', pod: 'cart.a', file: 'checkpoint-ä &?=%+\n.tar' };
  for (const route of [
    { kind: 'list', limit: 500, after: null },
    { kind: 'list', limit: 1, after, namespace: 'shop', pod: 'cart.a' },
    { kind: 'changes', since: 12, wait: 30_000, namespace: 'shop' },
    { kind: 'get', namespace: 'shop', name: 'x' },
    { kind: 'delete', namespace: 'shop', name: 'x' },
    { kind: 'pin', namespace: 'shop', name: 'x' },
    { kind: 'unpin', namespace: 'shop', name: 'x' },
    { kind: 'create', namespace: 'shop', pod: 'cart.a', container: 'main', timeoutSeconds: 9 },
    { kind: 'verdict', namespace: 'shop', pod: 'cart', container: 'main' },
  ] as const) {
    it(`${route.kind} is read as it was written`, () => {
      const { method, path } = archivePath(route);
      assert.deepEqual(readArchiveRoute(method, path), route);
      assert.equal(readArchiveRoute(method === 'GET' ? 'POST' : 'GET', path)?.kind === route.kind, false);
    });
  }
});

describe('what comes from a door', () => {
  it('is taken, or is none', () => {
    assert.deepEqual(listedArchiveIn(JSON.parse(JSON.stringify(listed()))), listed());
    for (const wrong of [
      null,
      {},
      { ...listed(), bytes: '1' },
      { ...listed(), version: -1 },
      { ...listed(), name: '' },
    ]) {
      assert.equal(listedArchiveIn(wrong), null);
      assert.equal(archivePageIn({ version: 1, items: [wrong], more: false }), null);
    }
  });
});

describe('OpenAPI', () => {
  for (const [name, document, key] of [
    ['3', openApiV3(), 'components'],
    ['2', openApiV2(), 'definitions'],
  ] as const) {
    it(`${name} refers to nothing that is not there, and names the kind where kubectl looks for it`, () => {
      const text = JSON.stringify(document);
      const fields = fieldsOf(document);
      const all =
        key === 'components' ? fieldsOf(fieldsOf(fields.components).schemas) : fieldsOf(fields.definitions);
      for (const [, reference = ''] of text.matchAll(
        /"\$ref":"#\/(?:components\/schemas|definitions)\/([^"]+)"/g,
      )) {
        assert.ok(Object.hasOwn(all, reference), reference);
      }
      const checkpoint = fieldsOf(all['org.criu.checkpoint.v1alpha1.Checkpoint']);
      assert.deepEqual(checkpoint['x-kubernetes-group-version-kind'], [
        { group: 'checkpoint.criu.org', version: 'v1alpha1', kind: 'Checkpoint' },
      ]);
      const paths = fieldsOf(fields.paths);
      const patch = fieldsOf(
        fieldsOf(paths['/apis/checkpoint.criu.org/v1alpha1/namespaces/{namespace}/checkpoints/{name}']).patch,
      );
      assert.match(JSON.stringify(patch.parameters), /"dryRun"/);
    });
  }
  it('describes every field that is served', () => {
    for (const key of [
      ...Object.keys(CART.status),
      ...Object.keys(CART.spec),
      ...Object.keys(CART.metadata),
    ]) {
      assert.match(OPENAPI.v3, new RegExp(`"${key}":\\{`), key);
    }
  });
});

describe('errors and warnings', () => {
  it('are a Status as clients read it', () => {
    const status = fieldsOf(statusObject(new ApiError(507, 'full', { retryAfterSeconds: 3 })));
    assert.deepEqual([status.kind, status.reason, status.code], ['Status', 'InsufficientStorage', 507]);
    assert.deepEqual(fieldsOf(status.details).retryAfterSeconds, 3);
  });
  it('name some of the nodes that do not answer, and break no header', () => {
    assert.deepEqual(silentNodes([]), []);
    const [many = ''] = silentNodes(Array.from({ length: 30 }, (_, at) => `node${at}`));
    assert.match(many, /node9 and 20 more do not answer/);
    assert.deepEqual(warnings(['a "b"\r\nc']), { warning: ['299 - "a \\"b\\"??c"'] });
  });
});
