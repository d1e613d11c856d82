import { connect } from 'node:tls';

export interface RawTarget {
  readonly host: string;
  readonly port: number;
  /** PEM. */
  readonly ca: string;
}

/** What came back on a connection, and whether it was ended by the door. */
export interface RawAnswer {
  readonly text: string;
  readonly statuses: readonly number[];
  readonly ended: boolean;
}

export type Piece = string | { readonly afterMs: number; readonly bytes: string };

/** Before the first byte of an answer: a machine under load takes its time. */
const FIRST_MS = 10_000;

/**
 * Bytes on a connection of their own, some later than others; what has come until the door ends it, or until nothing
 * more has come for `ms`.
 */
export function sendRaw(to: RawTarget, pieces: readonly Piece[], ms: number): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(to, () => {
      let after = 0;
      for (const piece of pieces) {
        after += typeof piece === 'string' ? 0 : piece.afterMs;
        const bytes = typeof piece === 'string' ? piece : piece.bytes;
        if (after === 0) socket.write(bytes, 'latin1');
        else setTimeout(() => socket.writable && socket.write(bytes, 'latin1'), after);
      }
    });
    const done = (ended: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      const statuses = [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
      resolve({ text: received, statuses, ended });
    };
    let timer = setTimeout(() => done(false), FIRST_MS);
    socket.on('data', (data) => {
      clearTimeout(timer);
      timer = setTimeout(() => done(false), ms);
      received += data.toString('latin1');
    });
    socket.on('error', () => done(true));
    socket.on('close', () => done(true));
  });
}
