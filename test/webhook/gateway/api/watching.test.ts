import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ArchiveRoute } from '../../../../policy/archive-routes.ts';
import type { ArchiveChange } from '../../../../policy/listed-archive.ts';
import { ApiError } from '../../../../webhook/gateway/api/api-error.ts';
import type { NodePlace } from '../../../../webhook/gateway/api/node-archives.ts';
import { Watching } from '../../../../webhook/gateway/api/watching.ts';
import { listed } from './checkpoints.ts';

type Poll = Extract<ArchiveRoute, { kind: 'changes' }>;

/** Nodes whose answers are a test's own; time passes when somebody waits for it. */
function world(answer: (node: string, poll: Poll) => unknown) {
  const names = ['node1', 'node2'];
  const polls: string[] = [];
  const told: string[] = [];
  const paused: number[] = [];
  const ending = new AbortController();
  const watching = new Watching({
    nodes: {
      nodes: () => names.map((node) => ({ node, address: node })),
      async ask({ node }: NodePlace, route: ArchiveRoute, _actor, _waitMs, signal) {
        await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        assert.ok(route.kind === 'changes');
        polls.push(`${node} ${route.since} ${route.wait}`);
        return { value: await answer(node, route), headers: {} };
      },
    },
    since: 100,
    signal: ending.signal,
    pause: async (ms) => {
      paused.push(ms);
      await new Promise((resolve) => setImmediate(resolve));
    },
    log: { info() {}, warn() {}, error() {} },
    onChange: async (node, { type, version }: ArchiveChange) => void told.push(`${node} ${type} ${version}`),
  });
  return { names, polls, told, paused, watching, end: () => ending.abort() };
}

const added = (version: number) => ({ type: 'ADDED', version, archive: listed({ version }) });
const never = () => new Promise(() => {});

describe('a watch of the nodes', () => {
  it('asks at once, then waits, and goes on behind what it was told', async () => {
    const all = world((node, { since }) => {
      if (node === 'node2') return never();
      if (since === 100) return { version: 120, changes: [added(110), added(120)] };
      if (since === 120) return { version: 130, changes: [added(130)] };
      all.end();
      return never();
    });
    await all.watching.run();
    assert.deepEqual(all.told, ['node1 ADDED 110', 'node1 ADDED 120', 'node1 ADDED 130']);
    assert.deepEqual(
      all.polls.filter((each) => each.startsWith('node1')),
      ['node1 100 0', 'node1 120 25000', 'node1 130 25000'],
    );
    // Up to there all have been heard: the other has said nothing yet.
    assert.equal(all.watching.version, 100);
  });

  it('tries a node on that does not answer, ever more slowly, from where it was', async () => {
    let tries = 0;
    const all = world((node) => {
      if (node === 'node2') return never();
      tries += 1;
      if (tries < 4) throw new ApiError(503, 'the door of node node1 does not answer');
      all.end();
      return never();
    });
    await all.watching.run();
    assert.deepEqual(
      all.polls.filter((each) => each.startsWith('node1')),
      Array.from({ length: 4 }, () => 'node1 100 0'),
    );
    for (const ms of [1_000, 2_000, 4_000]) assert.ok(all.paused.includes(ms), String(ms));
  });

  it('ends as expired when a node does not know any more what was', async () => {
    const all = world((node) => {
      if (node === 'node1') throw new ApiError(410, 'what changed since then is not known any more');
      return never();
    });
    await assert.rejects(all.watching.run(), { status: 410 });
  });

  it('follows a node that comes, and one that comes back', async () => {
    const seen = { back: 0 };
    const all = world((node, { since }) => {
      if (node !== 'node3') return never();
      seen.back += 1;
      if (seen.back === 1) {
        all.names.splice(all.names.indexOf('node3'), 1);
        setImmediate(() => setImmediate(() => all.names.push('node3')));
        return { version: since + 1, changes: [] };
      }
      all.end();
      return never();
    });
    setImmediate(() => all.names.push('node3'));
    await all.watching.run();
    assert.equal(seen.back, 2);
  });

  it('takes what is no answer for none', async () => {
    let tries = 0;
    const all = world((node) => {
      if (node === 'node2') return never();
      tries += 1;
      if (tries === 1) return { version: 'x', changes: [] };
      all.end();
      return never();
    });
    await all.watching.run();
    assert.equal(tries, 2);
  });
});
