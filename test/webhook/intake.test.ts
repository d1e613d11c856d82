import assert from 'node:assert/strict';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { Intake } from '../../webhook/intake.ts';

const BOUNDS = { bodies: 3, bodyBytes: 100 };

/** A request whose body a test sends by hand. */
function arriving(headers: Record<string, string> = {}): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  Object.assign(request.headers, headers);
  return request;
}

async function turn(): Promise<void> {
  await new Promise(setImmediate);
}

async function send(request: IncomingMessage, bytes: number): Promise<void> {
  request.push(Buffer.alloc(bytes, 'x'));
  await turn();
}

function end(request: IncomingMessage): void {
  request.complete = true;
  request.push(null);
}

test('a body in parts comes whole, and counts until it is given back', async () => {
  const intake = new Intake(BOUNDS, 50);
  const request = arriving();
  const arrival = intake.read(request);
  await send(request, 10);
  await send(request, 20);
  end(request);
  const body = await arrival;
  assert.ok(Buffer.isBuffer(body));
  assert.equal(body.length, 30);
  assert.equal(intake.bytes, 30);
  intake.giveBack(body);
  assert.equal(intake.bytes, 0);
});

test('one that is too large is known by what it says of itself, or as soon as it is', async () => {
  const intake = new Intake(BOUNDS, 50);
  assert.equal(await intake.read(arriving({ 'content-length': '51' })), 'large');
  const liar = arriving();
  const arrival = intake.read(liar);
  await send(liar, 51);
  assert.equal(await arrival, 'large');
  assert.equal(intake.bytes, 0);
});

test('one whose caller goes away is cut, and does not count', async () => {
  const intake = new Intake(BOUNDS, 50);
  const request = arriving();
  const arrival = intake.read(request);
  await send(request, 10);
  request.destroy();
  assert.equal(await arrival, 'cut');
  assert.equal(intake.bytes, 0);
});

test('of too many the one that has been arriving the longest gives way', async () => {
  const intake = new Intake(BOUNDS, 50);
  const requests = Array.from({ length: 3 }, () => arriving());
  const arrivals = requests.map((request) => intake.read(request));
  const quick = arriving();
  const arrival = intake.read(quick);
  end(quick);
  assert.equal(await arrivals[0], 'shed');
  assert.ok(Buffer.isBuffer(await arrival));
});

test('of too many bytes the oldest that is arriving gives way, and what is being judged stays', async () => {
  const intake = new Intake(BOUNDS, 50);
  const [judged, slow, slower, quick] = [arriving(), arriving(), arriving(), arriving()];
  const whole = intake.read(judged);
  await send(judged, 40);
  end(judged);
  assert.ok(Buffer.isBuffer(await whole));
  const [first, second] = [intake.read(slow), intake.read(slower)];
  await send(slow, 30);
  await send(slower, 30);
  const third = intake.read(quick);
  await send(quick, 10);
  end(quick);
  assert.equal(await first, 'shed');
  assert.ok(Buffer.isBuffer(await third));
  assert.equal(intake.bytes, 40 + 30 + 10);
  end(slower);
  assert.ok(Buffer.isBuffer(await second));
});

test('where everything is being judged a body too many is the one that gives way', async () => {
  const intake = new Intake({ bodies: 3, bodyBytes: 60 }, 50);
  for (const size of [50, 20]) {
    const request = arriving();
    const arrival = intake.read(request);
    await send(request, size);
    end(request);
    assert.equal(typeof (await arrival), size === 50 ? 'object' : 'string');
  }
  assert.equal(intake.bytes, 50);
});
