import assert from 'node:assert/strict';
import { posix } from 'node:path';
import fc from 'fast-check';
import { checkpointOf } from '../../policy/proxy-path.ts';
import { mayReachCheckpoint } from '../manifests/backstop.ts';
import { holds } from './cases.ts';

const pieces = fc.constantFrom(
  ...['/', '/', '/', '//', '.', '..', '...', 'checkpoint', 'checkpoint', '/checkpoint/', 'check', 'point'],
  ...[
    'shop',
    'cart',
    'main',
    'x/..',
    '/../',
    '/./',
    '%2f',
    '%2e',
    '..;',
    '\\',
    ' ',
    '\0',
    '\n',
    'ä',
    '?',
    '#',
  ],
);
/** Whole segments, so that many get to the checkpoint API. */
const segments = fc.constantFrom('checkpoint', 'shop', 'cart', 'main', '..', '..', '.', '', '...', '%2e%2e');
const paths = fc.oneof(
  fc.array(segments, { maxLength: 8 }).map((each) => `/checkpoint/${each.join('/')}`),
  fc.array(segments, { maxLength: 12 }).map((each) => each.join('/')),
  fc.array(pieces, { maxLength: 24 }).map((each) => each.join('')),
  fc.string(),
);

/** By another hand: node:path joins and cleans as Go's path package does, but for a slash at the end. */
function cleaned(path: string): string {
  return posix.join('/', path).replace(/(?<=.)\/$/s, '');
}

holds('the path is read as path.Join cleans it', paths, (path) => {
  const [, first, ...names] = cleaned(path).split('/');
  const [namespace = '', pod = '', container = ''] = names;
  const expected =
    first !== 'checkpoint'
      ? { kind: 'elsewhere' }
      : names.length === 3
        ? { kind: 'container', namespace, pod, container }
        : { kind: 'unclear' };
  assert.deepEqual(checkpointOf(path), expected);
});

holds('cleaning once or twice is the same', paths, (path) => {
  assert.deepEqual(checkpointOf(cleaned(path)), checkpointOf(path));
});

holds('the backstop stops whatever gets there, and without a step back nothing else', paths, (path) => {
  const isElsewhere = checkpointOf(path).kind === 'elsewhere';
  if (!isElsewhere) assert.equal(mayReachCheckpoint(path), true);
  if (!path.split('/').includes('..')) assert.equal(mayReachCheckpoint(path), !isElsewhere);
  if (!path.includes('checkpoint')) assert.equal(mayReachCheckpoint(path), false);
});

const names = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?$/);
const idle = fc.array(fc.constantFrom('/', '/.', '/x/..', '/checkpoint/..', '/a/b/../..', '//./'), {
  maxLength: 4,
});

holds(
  'decorations that change nothing change nothing',
  fc.tuple(fc.tuple(names, names, names), fc.array(idle, { minLength: 5, maxLength: 5 })),
  ([[namespace, pod, container], between]) => {
    const path = ['checkpoint', namespace, pod, container]
      .map((name, index) => `${between[index]?.join('')}/${name}`)
      .join('')
      .concat(between[4]?.join('') ?? '');
    assert.deepEqual(checkpointOf(path), { kind: 'container', namespace, pod, container });
    assert.equal(mayReachCheckpoint(path), true);
  },
);
