import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fieldsOf } from '../../../../policy/json.ts';
import { archivePageIn, byPosition, type ListedArchive } from '../../../../policy/listed-archive.ts';
import { type Found, Listing } from '../../../../webhook/gateway/api/listing.ts';
import { listed } from './checkpoints.ts';
import { BASE, type FakeNode, startApiKit } from './kit.ts';

const EACH = 5_000;
let kit: Awaited<ReturnType<typeof startApiKit>>;

/** Names that both nodes have, and names that one has. */
function archivesOf(node: string, length = EACH): ListedArchive[] {
  return Array.from({ length }, (_, at) => {
    const number = String(at).padStart(5, '0');
    const pod = at % 3 === 0 ? `both-${number}` : `${node}-${number}`;
    const namespace = at % 2 === 0 ? 'farm' : 'shop';
    const file = `checkpoint-${pod}_${namespace}-main-2026-11-21T00:00:01Z.tar`;
    return listed({ namespace, pod, file, name: `${pod}-${node}`, version: 1_000_000 + at });
  }).sort(byPosition);
}

function nodeOf(name: string): FakeNode {
  return { name, archives: archivesOf(name), silent: false, pages: 0 };
}

before(async () => {
  kit = await startApiKit();
  kit.nodes.push(nodeOf('node1'), nodeOf('node2'));
});
after(() => kit.api.stop(100));

interface Page {
  readonly names: readonly string[];
  readonly next: string;
  readonly version: unknown;
}

async function page(query: string): Promise<Page> {
  const { status, body } = await kit.ask(`${BASE}/checkpoints?${query}`);
  assert.equal(status, 200, body.slice(0, 300));
  const { items, metadata } = fieldsOf(JSON.parse(body));
  const all = Array.isArray(items) ? items.map(fieldsOf) : [];
  return {
    names: all.map(({ metadata: each }) => String(fieldsOf(each).name)),
    next: String(fieldsOf(metadata).continue ?? ''),
    version: fieldsOf(metadata).resourceVersion,
  };
}

describe('10,000 archives on two nodes', () => {
  it('are listed in pages, each once, in one order, as of one version', async () => {
    const seen: string[] = [];
    let next = '';
    let pages = 0;
    const versions = new Set<unknown>();
    do {
      const found = await page(`limit=500${next && `&continue=${next}`}`);
      seen.push(...found.names);
      versions.add(found.version);
      next = found.next;
      pages += 1;
      assert.ok(pages <= 20 + 1);
    } while (next !== '');
    assert.equal(seen.length, 2 * EACH);
    assert.equal(new Set(seen).size, 2 * EACH);
    assert.equal(pages, 20);
    assert.equal(versions.size, 1);
    const whole = await page('');
    assert.deepEqual(whole.names, seen);
  });

  it('of one name on both nodes are both there, also where a page ends between them', async () => {
    const seen: string[] = [];
    let next = '';
    for (let pages = 0; pages < 6; pages += 1) {
      const found = await page(`limit=1${next && `&continue=${next}`}`);
      seen.push(...found.names);
      next = found.next;
    }
    const whole = (await page('limit=6')).names;
    assert.deepEqual(seen, whole);
    assert.ok(whole.includes('both-00000-node1') && whole.includes('both-00000-node2'));
  });

  it('are listed whole, while two pages of a node are held at most', async () => {
    let [peak, peakBytes, seen] = [0, 0, 0];
    const nodes = fakeNodes(kit.nodes);
    const listing = new Listing({
      ...{ nodes, after: null, limit: null, deadlineMs: 1_000, signal: AbortSignal.timeout(20_000) },
      onSilent: () => assert.fail(),
    });
    await listing.open();
    let last: Found | null = null;
    for await (const found of listing.found()) {
      seen += 1;
      peak = Math.max(peak, listing.held);
      peakBytes = Math.max(peakBytes, listing.held * JSON.stringify(found).length);
      if (last) assert.ok(byPosition(last.archive, found.archive) <= 0);
      last = found;
    }
    assert.equal(seen, 2 * EACH);
    assert.ok(peak <= 1_000, `${peak} archives were held`);
    assert.ok(peakBytes < 1024 * 1024, `${peakBytes} bytes were held`);
  });

  it('of a thousand nodes are held in no greater number', async () => {
    const many = Array.from({ length: 1_000 }, (_, at) => {
      const node = `node${String(at).padStart(4, '0')}`;
      return { name: node, archives: archivesOf(node, 40), silent: false, pages: 0 };
    });
    const listing = new Listing({
      ...{ nodes: fakeNodes(many), after: null, limit: 500, deadlineMs: 5_000 },
      signal: AbortSignal.timeout(60_000),
      onSilent: () => assert.fail(),
    });
    await listing.open();
    assert.ok(listing.held <= 16_000, `${listing.held} archives are held`);
    assert.ok(many.every(({ pages }) => pages === 1));
  });
});

it('a node that was silent a moment ago has a part of the time', async () => {
  const asked = new Map<string, number>();
  const listing = new Listing({
    nodes: {
      nodes: () => ['node1', 'node2'].map((node) => ({ node, address: node })),
      async ask({ node }, _route, _actor, waitMs) {
        asked.set(node, waitMs);
        return { value: { version: 1, items: [], more: false }, headers: {} };
      },
    },
    ...{ after: null, limit: 1, deadlineMs: 3_000, signal: AbortSignal.timeout(5_000) },
    wereSilent: new Set(['node2']),
    onSilent: () => assert.fail(),
  });
  await listing.open();
  assert.deepEqual(Object.fromEntries(asked), { node1: 3_000, node2: 500 });
});

describe('nodes that do not answer', () => {
  it('are named, and the others are shown; when none is left, that is an error', async () => {
    const [one, two] = kit.nodes;
    assert.ok(one && two);
    two.silent = true;
    const { names } = await page('limit=10&fieldSelector=metadata.namespace%3Dfarm');
    assert.equal(names.length, 10);
    assert.ok(names.every((each) => each.endsWith('-node1')));
    // It is told of once.
    await page('limit=1');
    assert.equal(kit.errors.filter((each) => each.startsWith('a node does not tell')).length, 1);
    one.silent = true;
    const { status, body } = await kit.ask(`${BASE}/checkpoints?limit=1`);
    assert.deepEqual([status, /nodes node1, node2 do not answer/.test(body)], [503, true], body);
    one.silent = false;
    two.silent = false;
  });

  it('in the midst end a page early, and a list without pages breaks off rather than look whole', async () => {
    const [, two] = kit.nodes;
    assert.ok(two);
    const { pages } = two;
    const silence = setInterval(() => {
      if (two.pages > pages) two.silent = true;
    }, 0);
    await assert.rejects(kit.ask(`${BASE}/checkpoints`), /aborted|socket hang up|ECONNRESET|terminated/);
    clearInterval(silence);
    two.silent = false;
  });
});

describe('what is asked in vain', () => {
  for (const [query, status] of [
    ['continue=x', 400],
    ['limit=-1', 400],
    ['labelSelector=%28', 400],
    ['resourceVersion=abc', 400],
    ['resourceVersion=1&resourceVersionMatch=Exact', 410],
    ['resourceVersion=9999999999999999', 504],
  ] as const) {
    it(`${query} is answered ${status}`, async () => {
      const { status: answered, body } = await kit.ask(`${BASE}/checkpoints?${query}`);
      assert.equal(answered, status, body);
      assert.equal(fieldsOf(JSON.parse(body)).kind, 'Status');
    });
  }
  it('other methods and paths are told so', async () => {
    for (const [method, path, status] of [
      ['DELETE', `${BASE}/namespaces/shop/checkpoints`, 405],
      ['PUT', `${BASE}/namespaces/shop/checkpoints/x`, 405],
      ['POST', `${BASE}/checkpoints`, 405],
      ['GET', `${BASE}/nodes`, 404],
      ['GET', `${BASE}/namespaces/shop/checkpoints/nobody`, 404],
    ] as const) {
      assert.equal((await kit.ask(path, { method })).status, status, `${method} ${path}`);
    }
  });
  it('and no more lists than are bounded run at once', async () => {
    const bounded = await startApiKit({ apiBounds: { lists: 1 } });
    bounded.nodes.push({ name: 'node1', archives: [], silent: true, pages: 0 });
    const answers = await Promise.all([1, 2, 3].map(() => bounded.ask(`${BASE}/checkpoints`)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [429, 429, 503]);
    await bounded.api.stop(100);
  });
});

/** The same nodes without a server between. */
function fakeNodes(nodes: readonly FakeNode[]): ConstructorParameters<typeof Listing>[0]['nodes'] {
  return {
    nodes: () => nodes.map(({ name }) => ({ node: name, address: name })),
    async ask({ node: name }, route) {
      const node = nodes.find((each) => each.name === name);
      assert.ok(node && route.kind === 'list');
      node.pages += 1;
      const { after, limit } = route;
      const behind = after === null ? 0 : node.archives.findIndex((each) => byPosition(each, after) > 0);
      const items = behind < 0 ? [] : node.archives.slice(behind, behind + limit);
      const value = { version: 1, items, more: behind >= 0 && behind + limit < node.archives.length };
      assert.ok(archivePageIn(value));
      return { value, headers: {} };
    },
  };
}
