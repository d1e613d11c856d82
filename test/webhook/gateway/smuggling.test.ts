import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type RawAnswer, sendRaw } from '../../gc/door/raw.ts';
import { type OpenGateway, openGateway } from './kit.ts';

let open: OpenGateway;
before(async () => {
  open = await openGateway();
});
after(() => open.stop());

const PATH = '/checkpoint/shop/cart/main';
const START = `POST ${PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n`;
const INNER = `${START}\r\n`;

function send(bytes: string): Promise<RawAnswer> {
  const { gateway, authority } = open;
  return sendRaw({ host: '127.0.0.1', port: gateway.port, ca: authority.certificate }, [bytes], 400);
}

suite('none of these reaches a door', { concurrency: 8 }, () => {
  for (const [name, bytes, status] of [
    ['two lengths', `${START}Content-Length: 0\r\nContent-Length: ${INNER.length}\r\n\r\n${INNER}`, 400],
    ['two equal lengths', `${START}Content-Length: 0\r\nContent-Length: 0\r\n\r\n`, 400],
    ['a length with chunks', `${START}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['chunks', `${START}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['chunks by another name', `${START}Transfer-Encoding: xchunked\r\n\r\n`, 400],
    ['a request in a body', `${START}Content-Length: ${INNER.length}\r\n\r\n${INNER}`, 400],
    ['the absolute form', INNER.replace(PATH, `https://10.0.0.1:10250${PATH}`), 400],
    ['a folded header', `${START}X: a\r\n b\r\n\r\n`, 400],
    ['a bare line feed', INNER.replaceAll('\r\n', '\n'), 400],
    ['a space before the colon', `${START}Content-Length : 0\r\n\r\n`, 400],
    ['a NUL in a header', `${START}X: a\0b\r\n\r\n`, 400],
    ['two credentials', `${START}Authorization: Bearer other\r\n\r\n`, 400],
    ['two hosts', `${START}Host: y\r\n\r\n`, 400],
    ['no host', INNER.replace('Host: x\r\n', ''), 400],
    ['HTTP/1.0', INNER.replace('HTTP/1.1', 'HTTP/1.0'), 400],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['h2c', `${START}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n`, 400],
    ['an expectation', `${START}Expect: 100-continue\r\nContent-Length: 0\r\n\r\n`, 400],
    ['an unknown expectation', `${START}Expect: x\r\n\r\n`, 400],
    [
      'a tunnel',
      `CONNECT 10.0.0.1:10250 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n${INNER}`,
      400,
    ],
    ['an unknown method', INNER.replace('POST', 'CHECKPOINT'), 400],
    ['a fragment', INNER.replace(PATH, `${PATH}#x`), 400],
    ['a backslash', INNER.replace(PATH, '/checkpoint\\shop/cart/main'), 400],
    ['too many headers', `${START}${'X: y\r\n'.repeat(4_000)}\r\n`, 431],
    ['garbage', '\u0016\u0003\u0001garbage\r\n\r\n', 400],
  ] as const) {
    test(name, async () => {
      const { statuses, ended } = await send(bytes);
      assert.deepEqual([statuses[0], ended], [status, true]);
      assert.equal(statuses.length, 1);
      assert.equal(open.door.asked.length, 0);
    });
  }
});

test('the control: the same bytes without a decoration reach it', async () => {
  const { statuses } = await send(INNER);
  assert.deepEqual([statuses, open.door.asked.length], [[200], 1]);
});
