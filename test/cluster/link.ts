import { connect, type Socket } from 'node:net';

/** One client's connection and the one that carries it on to the target. */
export interface Link {
  /** Lets bytes through, after connecting to the target if that has not been done yet. */
  flow(): void;
  /** Keeps both connections as they are and lets nothing through, not even the end of one. */
  hold(): void;
  /** Resets both connections. */
  reset(): void;
}

/** Links a paused client to a port, of this machine unless told otherwise; the first `flow` connects. */
export function linkTo(
  targetPort: number,
  client: Socket,
  onClose: () => void,
  targetHost = '127.0.0.1',
): Link {
  let target: Socket | undefined;
  let flowing = false;

  const reset = () => {
    resetSocket(client);
    if (target !== undefined) resetSocket(target);
  };
  const watch = (socket: Socket) => {
    // An error is followed by `close`, which is where it is dealt with.
    socket.on('error', () => {});
    socket.on('close', (hadError) => {
      if (hadError && flowing) reset();
      if (client.closed && (target?.closed ?? true)) onClose();
    });
  };
  watch(client);

  return {
    flow() {
      if (flowing) return;
      flowing = true;
      if (target === undefined) {
        target = connect({ host: targetHost, port: targetPort, allowHalfOpen: true });
        watch(target);
      }
      if (client.destroyed || target.destroyed) {
        reset();
      } else {
        client.pipe(target);
        target.pipe(client);
      }
    },
    hold() {
      flowing = false;
      if (target === undefined) return;
      client.unpipe(target).pause();
      target.unpipe(client).pause();
    },
    reset,
  };
}

function resetSocket(socket: Socket): void {
  // While the end of a socket is under way, Node cannot reset it: it would keep the socket forever, and
  // spin instead of ending the process. While it connects, Node would wait for that.
  const ending = socket.writableEnded && !socket.writableFinished;
  if (ending || socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}
