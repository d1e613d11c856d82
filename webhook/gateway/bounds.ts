/** How much the gateway takes on, so that no caller keeps out the others and none the admission of the cluster. */
export interface Bounds {
  /** Requests under way in all. */
  readonly requests: number;
  /** Of one token, and of one user by whichever of his tokens. */
  readonly ofCaller: number;
  /** Before the door of one node. */
  readonly ofNode: number;
  /** Whose token is still being looked up, from one address. */
  readonly unknownOfPeer: number;
  /** Bad tokens from one address: so many at once, and so many more each second. Good tokens pass all the same. */
  readonly badTokens: number;
  readonly badTokensPerSecond: number;
  /** Connections in all, and from one address. */
  readonly connections: number;
  readonly connectionsOfPeer: number;
  /** TLS handshakes begun in a second; further connections wait for theirs, in turn. */
  readonly handshakesPerSecond: number;
}

/** A door lets 64 requests wait for one file name, and 256 in all: more than that would be refused there. */
export const BOUNDS: Bounds = {
  requests: 512,
  ofCaller: 64,
  ofNode: 256,
  unknownOfPeer: 16,
  badTokens: 32,
  badTokensPerSecond: 2,
  connections: 1_024,
  connectionsOfPeer: 512,
  handshakesPerSecond: 100,
};
