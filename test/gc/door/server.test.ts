import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it, test } from 'node:test';
import { connect } from 'node:tls';
import type { DoorOptions } from '../../../gc/door/main.ts';
import type { Seen } from './fake-kubelet.ts';
import { type OpenDoor, openDoor } from './open-door.ts';
import { head, smuggled } from './smuggled.ts';

/** The caller's token is good, so that only the shape of a request can stop it. */
let open: OpenDoor;

const ADA = { token: 'ada' };
const HEADERS_MS = 800;

/** A door before a pod with these containers, which `ada` may checkpoint. */
async function openTo(container: string, more: Partial<DoorOptions>): Promise<OpenDoor> {
  const opened = await openDoor(more);
  opened.containers.set(`shop/cart/${container}`, { running: true });
  opened.people.tokens.set(ADA.token, { username: 'ada' });
  opened.people.rights.add('ada shop');
  return opened;
}

before(async () => {
  open = await openTo('main', {
    serverBounds: { headersMs: HEADERS_MS, checkMs: 100, lingerMs: 300 },
  });
  for (const name of ['side', 'last', 'twice', 'alive'])
    open.containers.set(`shop/cart/${name}`, { running: true });
  open.containers.set('shop/cart/done', { running: false });
  for (const name of ['slow-1', 'slow-2'])
    open.containers.set(`shop/cart/${name}`, { running: true, ms: 600 });
});
after(() => open.stop());

function pathOf(container: string): string {
  return `/checkpoint/shop/cart/${container}`;
}

function postTo(container: string): string {
  return head(ADA, `POST ${pathOf(container)} HTTP/1.1`);
}

const ROWS = smuggled({ path: pathOf('main'), token: ADA.token, headersMs: HEADERS_MS });

/** What has come to the kubelet for a container of the pod. */
function seenOf(container: string): readonly Seen[] {
  return open.kubelet.seen.filter(({ url }) => url === pathOf(container));
}

/** In the place of three seconds for requests under way; for the rest of a stop there is one more. */
const FINISH_MS = 300;
const MOST_MS = FINISH_MS + 2_000;

const POST_MAIN = 'POST /checkpoint/shop/cart/main HTTP/1.1\r\nHost: door\r\nAuthorization: Bearer ada\r\n';

/** Callers who keep their connection open and send nothing more. */
const HOLDS: Readonly<Record<string, readonly string[]>> = {
  'who says nothing': [],
  'in the middle of his headers': [POST_MAIN],
  'with a body to come': [`${POST_MAIN}Content-Length: 10\r\n\r\n`],
  'with a CONNECT and what he would tunnel': [
    'CONNECT 127.0.0.1:10250 HTTP/1.1\r\nHost: x\r\n\r\n',
    'SSH-2.0-x\r\n',
  ],
  'with an upgrade': [`${POST_MAIN}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`],
  'with no HTTP': ['\x00\x01\x02\r\n\r\n'],
  'whose checkpoint takes long': [`${POST_MAIN}\r\n`],
  'who waits for his turn': [`${POST_MAIN}\r\n`],
};

describe('all at once', { concurrency: true }, () => {
  describe('a request that is not exactly one', { concurrency: 12 }, () => {
    for (const { name, pieces, status, says, goesOn = false } of ROWS) {
      it(`${name}: ${status}`, async () => {
        const { text: told, statuses, ended } = await open.send(pieces, goesOn ? 300 : 5_000);
        assert.equal(statuses[0], status, told);
        if (says) assert.match(told, says);
        assert.ok(!statuses.includes(200), told);
        assert.ok(ended || goesOn, 'the connection goes on');
      });
    }

    it('a CONNECT that goes on sending is ended, and holds no connection open', async () => {
      const more = Array.from({ length: 30 }, () => ({ afterMs: 20, bytes: 'x' }));
      const { statuses, ended } = await open.send(
        [head(ADA, 'CONNECT 10.0.0.1:22 HTTP/1.1'), ...more],
        2_000,
      );
      assert.deepEqual(statuses, [400]);
      assert.ok(ended);
    });
  });

  describe('more than one', { concurrency: true }, () => {
    it('pipelined: the second of two has no turn, whatever it is, and the connection ends', async () => {
      const { statuses, ended, text: told } = await open.send([postTo('twice').repeat(3)], 2_500);
      assert.deepEqual(statuses.slice(0, 2), [200, 400], told);
      assert.match(told, /an earlier request of this connection has no answer yet/);
      assert.ok(ended);
      assert.equal(seenOf('twice').length, 1);
    });

    for (const [container, behind] of [
      ['slow-1', head(ADA, 'CONNECT 127.0.0.1:10250 HTTP/1.1')],
      ['slow-2', 'nonsense\r\n\r\n'],
    ] as const) {
      it(`${behind.slice(0, 8).trim()} behind a request has no answer that could overtake the other`, async () => {
        const { text: told, ended } = await open.send([postTo(container) + behind], 2_500);
        assert.equal(told, '');
        assert.ok(ended);
        assert.ok(seenOf(container).length <= 1);
      });
    }

    it('one after the other on one connection is no trouble', async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: open.authority.certificate });
      const statuses: unknown[] = [];
      for (const container of ['done', 'side']) {
        const path = `${open.door.url}${pathOf(container)}`;
        const asked = request(path, { agent, method: 'POST', headers: { authorization: 'Bearer ada' } });
        asked.end();
        const [answer] = await once(asked, 'response');
        await text(answer);
        statuses.push(answer.statusCode, asked.reusedSocket);
      }
      agent.destroy();
      assert.deepEqual(statuses, [409, false, 200, true]);
    });

    it('forged headers are worth nothing, and go no further', async () => {
      const forged = {
        'x-remote-user': 'root',
        'x-remote-group': 'system:masters',
        'x-remote-extra-scopes': 'all',
        'impersonate-user': 'root',
        'x-forwarded-for': '127.0.0.1',
        'x-original-url': '/exec/kube-system/x/y',
        cookie: 'a=b',
      };
      const { status } = await open.ask(pathOf('last'), { headers: forged });
      assert.equal(status, 401);
      assert.deepEqual(seenOf('last'), []);
      const allowed = await open.ask(pathOf('last'), { headers: forged, token: 'ada' });
      assert.equal(allowed.status, 200);
      const headers = seenOf('last')[0]?.headers ?? {};
      assert.deepEqual(
        Object.keys(headers).filter((name) => name in forged),
        [],
      );
      assert.equal(headers.authorization, 'Bearer door');
    });
  });

  it('a stop ends in time whatever callers are there, and what the kubelet is at stays in the ledger', async (t) => {
    const open = await openTo('main', { finishMs: FINISH_MS });
    open.kubelet.answer = () => {};
    const sockets: Socket[] = [];
    t.after(() => {
      for (const socket of sockets) socket.destroy();
    });
    for (const pieces of Object.values(HOLDS)) {
      const socket = connect({ host: '127.0.0.1', port: open.door.port, ca: open.authority.certificate });
      socket.on('error', () => {});
      sockets.push(socket);
      await new Promise((resolve) => socket.once('secureConnect', resolve));
      // Never reads: what it is told waits in the network.
      socket.pause();
      for (const piece of pieces) socket.write(piece, 'latin1');
    }
    const mute = connectTcp({ host: '127.0.0.1', port: open.door.port });
    mute.on('error', () => {});
    sockets.push(mute);
    while (open.kubelet.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const began = Date.now();
    await Promise.all([open.door.stop(), open.door.stop()]);
    assert.ok(Date.now() - began < MOST_MS, `it took ${Date.now() - began} ms`);
    assert.equal(open.kubelet.seen.length, 1, 'nobody else got to the kubelet');
    const ends = open.audit.map(({ metadata }) => metadata.reason);
    assert.ok(ends.includes('kubeletLost') && ends.includes('stopping'), ends.join());
    assert.match(open.journal(), /"op":"end"/);
    await open.stop();
  });

  it('a look at the directory that hangs does not hold the end up', async () => {
    const open = await openTo('main', { finishMs: FINISH_MS });
    open.inventory.scan = () => new Promise(() => {});
    open.containers.set('shop/cart/main', { running: true, fails: 'rpc error' });
    await open.ask('/checkpoint/shop/cart/main', { token: 'ada' });
    const began = Date.now();
    await open.door.stop();
    assert.ok(Date.now() - began < MOST_MS);
    await open.stop();
  });

  it('an address that is taken is told in a sentence', async () => {
    const open = await openTo('main', { finishMs: FINISH_MS });
    await assert.rejects(
      openDoor({ listen: { host: '127.0.0.1', port: open.door.port } }),
      /^Error: --door 127\.0\.0\.1:\d+ cannot be listened on \(.+\); choose another address or port$/,
    );
    await open.stop();
  });
});

test('the kubelet has heard of nothing that was not one plain request', () => {
  assert.deepEqual(seenOf('main'), []);
  const files = readdirSync(join(open.scratch, 'checkpoints'));
  assert.deepEqual(
    files.filter((each) => each.includes('main')),
    [],
  );
});

test('the door lives', async () => {
  assert.equal((await open.ask(pathOf('alive'), { token: 'ada' })).status, 200);
});
