import type { Piece } from './raw.ts';

export interface Caller {
  /** The path of a checkpoint that the caller may have. */
  readonly path: string;
  readonly token: string;
  /** How long the door waits for headers, in milliseconds. */
  readonly headersMs: number;
}

/** A head with a good token and a host, and these lines. */
export function head({ token }: Pick<Caller, 'token'>, line: string, ...headers: readonly string[]): string {
  return [line, 'Host: door', `Authorization: Bearer ${token}`, ...headers, '', ''].join('\r\n');
}

/** Bytes of a connection that are not exactly one plain request for a checkpoint. */
export interface Smuggled {
  readonly name: string;
  readonly pieces: readonly Piece[];
  /** Of the first answer. */
  readonly status: number;
  /** Whether the connection may go on behind it. */
  readonly goesOn?: true;
  readonly says?: RegExp;
}

/** What a door, with whatever kubelet behind it, must not pass on: only the shape of it can be what stops it. */
export function smuggled(caller: Caller): readonly Smuggled[] {
  const { path, token, headersMs } = caller;
  const post = `POST ${path} HTTP/1.1`;
  const headOf = (line: string, ...headers: readonly string[]) => head(caller, line, ...headers);
  const second = headOf(post);
  return [
    {
      name: 'two lengths',
      pieces: [headOf(post, 'Content-Length: 0', 'Content-Length: 5'), 'hello'],
      status: 400,
    },
    {
      name: 'two equal lengths',
      pieces: [headOf(post, 'Content-Length: 0', 'Content-Length: 0')],
      status: 400,
    },
    {
      name: 'chunks and a length',
      pieces: [headOf(post, 'Transfer-Encoding: chunked', 'Content-Length: 5'), '0\r\n\r\n', second],
      status: 400,
    },
    {
      name: 'a length and chunks',
      pieces: [headOf(post, 'Content-Length: 5', 'Transfer-Encoding: chunked'), '0\r\n\r\n', second],
      status: 400,
    },
    {
      name: 'chunks',
      pieces: [headOf(post, 'Transfer-Encoding: chunked'), '0\r\n\r\n'],
      status: 400,
      says: /takes no Transfer-Encoding/,
    },
    {
      name: 'chunks in disguise',
      pieces: [headOf(post, 'Transfer-Encoding: xchunked'), '0\r\n\r\n'],
      status: 400,
    },
    {
      name: 'chunks behind a tab',
      pieces: [headOf(post, 'Transfer-Encoding:\tchunked'), '0\r\n\r\n'],
      status: 400,
    },
    {
      name: 'chunks before a colon with a space',
      pieces: [headOf(post, 'Transfer-Encoding : chunked')],
      status: 400,
    },
    {
      name: 'a body',
      pieces: [headOf(post, 'Content-Length: 2'), '{}'],
      status: 400,
      says: /its Content-Length is 0/,
    },
    {
      name: 'a body that is a request',
      pieces: [headOf(post, `Content-Length: ${second.length}`), second],
      status: 400,
    },
    { name: 'a length of +0', pieces: [headOf(post, 'Content-Length: +0')], status: 400 },
    { name: 'a length of 0x0', pieces: [headOf(post, 'Content-Length: 0x0')], status: 400 },
    { name: 'a negative length', pieces: [headOf(post, 'Content-Length: -1')], status: 400 },
    { name: 'a length of 0, 0', pieces: [headOf(post, 'Content-Length: 0, 0')], status: 400 },
    { name: 'a huge length', pieces: [headOf(post, 'Content-Length: 99999999999999999999')], status: 400 },
    {
      name: 'the absolute form',
      pieces: [headOf(`POST https://door${path} HTTP/1.1`)],
      status: 400,
      says: /slash/,
    },
    {
      name: 'another host in the absolute form',
      pieces: [headOf(`POST http://127.0.0.1:10250${path} HTTP/1.1`)],
      status: 400,
    },
    { name: 'CONNECT', pieces: [headOf('CONNECT 127.0.0.1:10250 HTTP/1.1'), second], status: 400 },
    { name: 'CONNECT with a path', pieces: [headOf(`CONNECT ${path} HTTP/1.1`), second], status: 405 },
    {
      name: 'an upgrade to WebSocket',
      pieces: [headOf(post, 'Connection: Upgrade', 'Upgrade: websocket')],
      status: 400,
      says: /cannot be upgraded/,
    },
    {
      name: 'an upgrade to HTTP/2',
      pieces: [
        headOf(post, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'),
      ],
      status: 400,
    },
    {
      name: 'SPDY, as exec asks for it',
      pieces: [headOf(post, 'Connection: upgrade', 'Upgrade: SPDY/3.1')],
      status: 400,
    },
    { name: 'HTTP/2 at once', pieces: ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], status: 400 },
    {
      name: 'Expect',
      pieces: [headOf(post, 'Expect: 100-continue', 'Content-Length: 0')],
      status: 400,
      says: /Expect/,
    },
    { name: 'Expect of something else', pieces: [headOf(post, 'Expect: 200-ok')], status: 400 },
    {
      name: 'HTTP/1.0',
      pieces: [headOf(`POST ${path} HTTP/1.0`)],
      status: 400,
      says: /HTTP\/1.0 is not spoken/,
    },
    { name: 'HTTP/0.9', pieces: [`POST ${path}\r\n`], status: 408 },
    { name: 'HTTP/3.7', pieces: [headOf(`POST ${path} HTTP/3.7`)], status: 400 },
    { name: 'no host', pieces: [`${post}\r\nAuthorization: Bearer ${token}\r\n\r\n`], status: 400 },
    { name: 'two hosts', pieces: [headOf(post, 'Host: other')], status: 400 },
    {
      name: 'two credentials',
      pieces: [headOf(post, 'Authorization: Bearer eve')],
      status: 400,
      says: /several/,
    },
    {
      name: 'a line feed alone',
      pieces: [`${post}\nHost: door\nAuthorization: Bearer ${token}\n\n`],
      status: 400,
    },
    { name: 'a carriage return alone', pieces: [headOf(post, 'X: a\rContent-Length: 5')], status: 400 },
    { name: 'a folded header', pieces: [headOf(post, 'X: a\r\n Content-Length: 5')], status: 400 },
    { name: 'a NUL in a header', pieces: [headOf(post, 'X: a\0b')], status: 400 },
    { name: 'a space before a colon', pieces: [headOf(post, 'Content-Length : 5'), 'hello'], status: 400 },
    { name: 'a NUL in the path', pieces: [headOf(`POST ${path}\0 HTTP/1.1`)], status: 400 },
    { name: 'a space in the path', pieces: [headOf(`POST ${path} /x HTTP/1.1`)], status: 400 },
    { name: 'a method of our own', pieces: [headOf(`CHECKPOINT ${path} HTTP/1.1`)], status: 400 },
    { name: 'a method in small letters', pieces: [headOf(`post ${path} HTTP/1.1`)], status: 400 },
    { name: 'GET', pieces: [headOf(`GET ${path} HTTP/1.1`)], status: 405, goesOn: true },
    {
      name: 'the method in a header',
      pieces: [headOf(`GET ${path} HTTP/1.1`, 'X-HTTP-Method-Override: POST')],
      status: 405,
      goesOn: true,
    },
    { name: 'no TLS inside', pieces: ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'], status: 400 },
    {
      name: 'a header bomb',
      pieces: [headOf(post, `X: ${'a'.repeat(20_000)}`)],
      status: 431,
      says: /too large/,
    },
    {
      name: 'many small headers',
      pieces: [headOf(post, ...Array.from({ length: 4_000 }, (_, index) => `X-${index}: 1`))],
      status: 431,
    },
    { name: 'a path bomb', pieces: [headOf(`POST ${path}/${'a/'.repeat(5_000)} HTTP/1.1`)], status: 400 },
    { name: 'a longer path bomb', pieces: [headOf(`POST /${'a'.repeat(30_000)} HTTP/1.1`)], status: 431 },
    {
      name: 'a body bomb',
      pieces: [headOf(post, 'Content-Length: 1000000000'), 'a'.repeat(1_000_000)],
      status: 400,
    },
    {
      name: 'slow headers',
      pieces: [
        `${post}\r\n`,
        ...Array.from({ length: 12 }, (_, index) => ({ afterMs: headersMs / 4, bytes: `X-${index}: 1\r\n` })),
        { afterMs: headersMs / 4, bytes: `Authorization: Bearer ${token}\r\nHost: door\r\n\r\n` },
      ],
      status: 408,
      says: /did not arrive in time/,
    },
    { name: 'nothing at all', pieces: [], status: 408 },
  ];
}
