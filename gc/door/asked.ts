import type { ContainerFacts } from '../../kube/placed-pods.ts';
import type { Container } from './container.ts';
import type { Estimate } from './estimate.ts';

/** What somebody who may asks for, of a container that is there. */
export interface Asked extends Container {
  /** As the container's archives carry it. */
  readonly podUid: string;
  readonly facts: ContainerFacts;
  readonly timeoutSeconds: number | undefined;
}

/** What is found out on the way, for the answer and the audit record. */
export interface Notes {
  estimate?: Estimate;
  file?: string;
  bytes?: number;
  evicted?: readonly string[];
  /** Milliseconds. */
  waited?: number;
  kubelet?: number;
}
