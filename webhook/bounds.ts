import type { AdmissionRequest } from './review.ts';

/** How much the webhook takes on at once. What is beyond is told to come again, and costs next to nothing. */
export interface Bounds {
  /** Connections in all; an idle one gives way to a new one. */
  readonly connections: number;
  /** Those in their TLS handshake; the oldest gives way. */
  readonly handshakes: number;
  /** Bodies that are arriving; the oldest gives way. */
  readonly bodies: number;
  /** Bytes of bodies that are arriving or being judged: JSON takes some ten times as much once it is read. */
  readonly bodyBytes: number;
  /** Reviews being judged, of each kind: those of one kind never keep out the other's. */
  readonly reviews: number;
}

/** Some 60 KB for a connection, and two of the largest bodies: 100 MB on top of an idle webhook at the most. */
export const BOUNDS: Bounds = {
  connections: 1_024,
  handshakes: 256,
  bodies: 256,
  bodyBytes: 16 * 1024 * 1024,
  reviews: 256,
};

/** What waits for different things, and so has bounds of its own: an API server, or a node's door. */
export type ReviewKind = 'policy' | 'pod' | 'connect';

export function kindOf(request: AdmissionRequest): ReviewKind {
  if (request.operation === 'CONNECT') return 'connect';
  return request.about === 'pod' ? 'pod' : 'policy';
}

/** What gave way, for a counter. */
export type Shed = 'connection' | 'handshake' | 'body' | 'review';
