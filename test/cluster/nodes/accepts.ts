import { connect, type NetConnectOpts } from 'node:net';

/** Whether somebody accepts connections there. Nobody is no error: the caller asks again. */
export function accepts(socket: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}
