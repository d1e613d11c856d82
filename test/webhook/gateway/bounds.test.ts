import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, test } from 'node:test';
import { answerWith, at, type OpenGateway, openGateway } from './kit.ts';

const opened: OpenGateway[] = [];
after(async () => {
  for (const each of opened) await each.stop();
});

/** A gateway whose door answers when it is told to. */
async function held(bounds: NonNullable<Parameters<typeof openGateway>[0]>['bounds'] = {}) {
  const open = await openGateway({ bounds });
  opened.push(open);
  const responses: ServerResponse[] = [];
  let wanted = 0;
  let reached = Promise.withResolvers<void>();
  open.door.answer = (_, response) => {
    responses.push(response);
    if (responses.length >= wanted) reached.resolve();
  };
  return {
    open,
    /** Resolves when so many requests stand at the door. */
    atDoor(count: number): Promise<void> {
      wanted = count;
      reached = Promise.withResolvers<void>();
      if (responses.length >= count) reached.resolve();
      return reached.promise;
    },
    release() {
      for (const response of responses.splice(0)) answerWith(response, 200, '{"items":["/x.tar"]}');
    },
  };
}

const PATH = '/checkpoint/shop/cart/main';
const eve = { username: 'eve', groups: [] };

test('one caller has so many under way, by whichever of his tokens; others pass', async () => {
  const { open, atDoor, release } = await held({ ofCaller: 3 });
  open.tokens.set('second', { username: 'ada', groups: [] }).set('eve', eve);
  open.rights.add('eve shop');
  const under = [open.ask(), open.ask(), open.ask(PATH, { token: 'second' })];
  await atDoor(3);
  for (const token of ['good', 'second']) {
    const { status, headers, body } = await open.ask(PATH, { token });
    assert.deepEqual([status, headers['retry-after']], [429, '2']);
    assert.match(body, /^(this token|ada) has 3 requests under way, and no more may; wait until one of them/);
  }
  const other = open.ask(PATH, { token: 'eve' });
  await atDoor(4);
  release();
  assert.deepEqual(
    (await Promise.all([...under, other])).map(({ status }) => status),
    [200, 200, 200, 200],
  );
  const again = open.ask();
  await atDoor(1);
  release();
  assert.equal((await again).status, 200);
});

test('one node has so many, and the others their own', async () => {
  const { open, atDoor, release } = await held({ ofNode: 2 });
  open.places.set('shop/till', at('node2', '127.0.0.1'));
  const under = [open.ask(), open.ask()];
  await atDoor(2);
  const { status, body, headers } = await open.ask();
  assert.deepEqual([status, headers['retry-after']], [429, '5']);
  assert.match(body, /^2 requests are under way on node node1, and no more may; /);
  const other = open.ask('/checkpoint/shop/till/main');
  await atDoor(3);
  release();
  assert.deepEqual(
    (await Promise.all([...under, other])).map((each) => each.status),
    [200, 200, 200],
  );
});

test('so many in all', async () => {
  const { open, atDoor, release } = await held({ requests: 2 });
  const under = [open.ask(), open.ask()];
  await atDoor(2);
  assert.equal((await open.ask()).status, 429);
  release();
  await Promise.all(under);
});

test('who comes with bad tokens is stopped, and good tokens from his address pass', async () => {
  const { open, atDoor, release } = await held({ badTokens: 5, badTokensPerSecond: 0, unknownOfPeer: 8 });
  open.tokens.set('eve', eve);
  open.rights.add('eve shop');
  const first = open.ask();
  await atDoor(1);
  release();
  assert.equal((await first).status, 200);
  const bad: number[] = [];
  for (let index = 0; index < 8; index += 1) {
    bad.push((await open.ask(PATH, { token: `bad-${index}` })).status);
  }
  assert.deepEqual(bad, [401, 401, 401, 401, 401, 429, 429, 429]);
  const { reviews } = open.state;
  await open.ask(PATH, { token: 'bad-9' });
  assert.equal(open.state.reviews, reviews);
  // One that was good a moment ago, and one from elsewhere that nobody has seen.
  const passing = [open.ask(), open.ask(PATH, { token: 'eve', from: '127.0.0.7' })];
  await atDoor(2);
  release();
  assert.deepEqual(
    (await Promise.all(passing)).map(({ status }) => status),
    [200, 200],
  );
});

test('many requests at once with one token that nobody has seen are one question', async () => {
  const { open, atDoor, release } = await held({ unknownOfPeer: 1 });
  const under = Array.from({ length: 50 }, () => open.ask());
  await atDoor(50);
  release();
  assert.deepEqual(new Set((await Promise.all(under)).map(({ status }) => status)), new Set([200]));
});

test('a stop answers nobody new, waits for the door, and then cuts', { timeout: 5_000 }, async () => {
  const { open, atDoor, release } = await held();
  const under = open.ask();
  await atDoor(1);
  const stopping = open.gateway.stop(2_000);
  await assert.rejects(open.ask());
  release();
  assert.equal((await under).status, 200);
  await stopping;

  const second = await held();
  const cut = second.open.ask();
  await second.atDoor(1);
  await Promise.all([second.open.gateway.stop(50), assert.rejects(cut)]);
});

test('a second request on a connection before the first has its answer', { timeout: 5_000 }, async () => {
  const { open, atDoor, release } = await held();
  const { connect } = await import('node:tls');
  const line = `POST ${PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n`;
  const socket = connect({ host: '127.0.0.1', port: open.gateway.port, ca: open.authority.certificate });
  socket.write(line + line);
  await atDoor(1);
  let received = '';
  const ended = new Promise<void>((resolve) => {
    socket.on('data', (data) => {
      received += data.toString();
    });
    socket.on('close', () => resolve());
  });
  await new Promise(setImmediate);
  release();
  await ended;
  assert.deepEqual(
    [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ['200', '400'],
  );
  assert.equal(open.door.asked.length, 1);
});
