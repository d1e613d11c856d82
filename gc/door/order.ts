import type { PlacedPod } from '../../kube/placed-pods.ts';
import type { UserInfo } from '../../kube/types.ts';
import type { Asked, Notes } from './asked.ts';
import type { Refusal } from './refusal.ts';

/** A checkpoint that the collector itself asks for: nobody authenticates, and no connection carries it. */
export interface Order {
  readonly asked: Asked;
  readonly pod: PlacedPod;
  /** In whose name, for the records: `schedule shop/nightly`. */
  readonly user: UserInfo;
  /** In the place of an address, for the records. */
  readonly from: string;
  /** Gives it up until the kubelet is asked; it is heeded no more after that. */
  readonly signal: AbortSignal;
}

export interface Ordered {
  /** Null when there is an archive now; it stands in `notes.file`. */
  readonly refusal: Refusal | null;
  readonly notes: Notes;
}
