import fc from 'fast-check';

/** A spelling of one request: what stands behind `/api/v1/nodes/`, as it is sent. */
export interface Spelling {
  readonly name: string;
  readonly path: string;
}

/** All of these reach the checkpoint API of node1's kubelet, for the container `main` of default/counter. */
export const SPELLINGS: readonly Spelling[] = [
  ['plain', 'node1/proxy/checkpoint/default/counter/main'],
  ['with a query', 'node1/proxy/checkpoint/default/counter/main?timeout=300'],
  ['scheme, name and port', 'https:node1:10250/proxy/checkpoint/default/counter/main'],
  ['name and port', 'node1:10250/proxy/checkpoint/default/counter/main'],
  ['two slashes in front', 'node1/proxy//checkpoint/default/counter/main'],
  ['a step in and back', 'node1/proxy/x/../checkpoint/default/counter/main'],
  ['a step beyond the root, encoded', 'node1/proxy/%2e%2e/checkpoint/default/counter/main'],
  ['a step in and back, encoded', 'node1/proxy/x/%2e%2e/checkpoint/default/counter/main'],
  ['encoded slashes', 'node1/proxy/checkpoint%2fdefault%2fcounter%2fmain'],
  ['an encoded letter', 'node1/proxy/%63heckpoint/default/counter/main'],
  ['a slash at the end', 'node1/proxy/checkpoint/default/counter/main/'],
  ['a dot segment', 'node1/proxy/./checkpoint/default/counter/main'],
  ['an encoded dot segment', 'node1/proxy/%2e/checkpoint/default/counter/main'],
  ['two slashes inside', 'node1/proxy/checkpoint//default/counter/main'],
  ['a step back with an encoded slash', 'node1/proxy/checkpoint/default/x/..%2fcounter/main'],
  ['every letter encoded', 'node1/proxy/%63%68%65%63%6b%70%6f%69%6e%74/default/counter/main'],
  ['another checkpoint in front', 'node1/proxy/checkpoint/a/b/c/../../../../checkpoint/default/counter/main'],
  ['the path as a query, too', 'node1/proxy/checkpoint/default/counter/main?path=/metrics'],
  ['20,000 dot segments', `node1/proxy/${'./'.repeat(20_000)}checkpoint/default/counter/main`],
  ['20,000 steps in and back', `node1/proxy/${'x/../'.repeat(20_000)}checkpoint/default/counter/main`],
].map(([name = '', path = '']) => ({ name, path }));

/** These do not: case counts, and nothing is decoded twice. */
export const HARMLESS: readonly Spelling[] = [
  ['another letter case', 'node1/proxy/Checkpoint/default/counter/main'],
  ['encoded twice', 'node1/proxy/%2563heckpoint/default/counter/main'],
  ['slashes encoded twice', 'node1/proxy/checkpoint%252fdefault%252fcounter%252fmain'],
  ['only as a query', 'node1/proxy/metrics?path=/checkpoint/default/counter/main'],
  ['as a query without a path', 'node1/proxy?path=/checkpoint/default/counter/main'],
].map(([name = '', path = '']) => ({ name, path }));

const NODES = ['node1', 'node1:10250', 'https:node1:10250', 'http:node1:10250', 'node1:', ':node1:'];
/** A pod that is there with a container that is not, so that nothing is written. */
const TARGETS = [
  ['checkpoint', 'default', 'counter', 'missing'],
  ['checkpoint', 'nowhere', 'nobody', 'nothing'],
  ['checkpoint', 'checkpoint', 'checkpoint', 'checkpoint'],
  ['checkpoint', 'default', 'counter'],
  ['checkpoint', 'default', 'counter', 'missing', 'more'],
  ['containerLogs', 'default', 'checkpoint-x', 'missing'],
  ['containerLogs', 'default', 'checkpoint', 'missing'],
  ['x', 'checkpoint', 'default', 'counter', 'missing'],
] as const;

const often = <T>(usual: T, ...others: T[]) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(usual) },
    { weight: 2, arbitrary: fc.constantFrom(...others) },
  );

const separators = often(
  '/',
  '//',
  '%2f',
  '%2F',
  '/./',
  '/%2e/',
  '/x/../',
  '/x%2f..%2f',
  '/checkpoint/../',
  '/../',
);
const fronts = often(
  '/',
  '//',
  '/./',
  '/../',
  '/%2e%2e/',
  '/%2f',
  '/x/../',
  '/x/y/../../',
  '/checkpoint/..//',
  '/checkpoint/a/b/c/',
  '/a%20b/%2e./',
  '/..;/',
  '/.../',
  '/%5c../',
  '/%00/../',
  '/%ff/..%2f',
  '/%c3%a4/../',
);
const ends = often(
  '',
  '/',
  '//',
  '/.',
  '/%2e',
  '/x/..',
  '/..',
  '%2f',
  '%20',
  '%00',
  '%0a',
  '%3f',
  '%23',
  ';v=1',
  '+',
  '?timeout=1',
  '/?x=/..',
  '%ff',
);

/** Each character of a name as it is, encoded, encoded twice or in capitals. */
const letters = fc.record({
  at: fc.nat(20),
  how: often<'plain' | 'encoded' | 'twice' | 'capital'>('plain', 'encoded', 'encoded', 'twice', 'capital'),
});

function written(name: string, { at, how }: { readonly at: number; readonly how: string }): string {
  const index = at % name.length;
  const char = name.charAt(index);
  const hex = char.charCodeAt(0).toString(16);
  const spelt = new Map([
    ['encoded', `%${hex}`],
    ['twice', `%25${hex}`],
    ['capital', char.toUpperCase()],
  ]).get(how);
  return name.slice(0, index) + (spelt ?? char) + name.slice(index + 1);
}

/** Random decorations of requests that reach the checkpoint API, and of some that only look so. */
export const decorated: fc.Arbitrary<string> = fc
  .record({
    node: often('node1', ...NODES),
    target: fc.oneof({ weight: 3, arbitrary: fc.constant(TARGETS[0]) }, fc.constantFrom(...TARGETS)),
    front: fronts,
    inner: fc.array(separators, { minLength: 4, maxLength: 4 }),
    spelt: fc.array(letters, { minLength: 5, maxLength: 5 }),
    end: ends,
  })
  .map(({ node, target, front, inner, spelt, end }) => {
    const names = target.map((name, index) => written(name, spelt[index] ?? { at: 0, how: 'plain' }));
    const path = names.reduce((all, name, index) => `${all}${inner[index - 1] ?? '/'}${name}`);
    return `${node}/proxy${front}${path}${end}`;
  });

/** The path of such a request as admission sees it: without query, decoded once. */
export function decodedPath(request: string): string {
  const sent = request.replace(/\?.*$/s, '').replace(/^[^/]*\/proxy/, '');
  const bytes = sent.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
