import type { EventOutcome, EventRecorder } from '../../kube/events.ts';
import type { PolicyStatusWriter } from '../../kube/policy-status.ts';
import type { Log } from '../../kube/types.ts';
import type { NodeFacts } from '../../policy/node-facts.ts';
import type { Instant } from '../../policy/types.ts';
import type { PolicySource } from '../../source/source.ts';
import { LiveCatalog } from '../live-catalog.ts';
import { StatusKeeper, type StatusWrite } from './keeper.ts';
import { tellTurn } from './turns.ts';

/** All nodes, as an informer has them. */
export interface NodesView {
  start(): Promise<void>;
  stop(): Promise<void>;
  values(): Iterable<NodeFacts>;
  isFresh(): boolean;
  onChange(listener: () => void): () => void;
}

/** What it takes to say on each policy what has become of it. */
export interface StatusPart {
  /** A new view each time: one that could not be begun is not begun again. */
  readonly nodes: () => NodesView;
  readonly writer: PolicyStatusWriter;
  /** Where turns of conditions are told; absent: nowhere. */
  readonly events?: (onOutcome: (outcome: EventOutcome) => void) => EventRecorder;
}

export interface OpenStatusOptions extends StatusPart {
  readonly source: PolicySource;
  readonly onWrite: (outcome: StatusWrite) => void;
  readonly onEvent: (outcome: EventOutcome) => void;
  readonly now: () => Instant;
  readonly log: Log;
}

/** What cannot be watched now, for want of the resource or of the right, is asked for again after this. */
const AGAIN_MS = 60_000;

/**
 * Keeps the status of policies, beside reviews and without standing in their way: where the nodes cannot be watched
 * that is told, and tried again. @returns what ends it, or null where policies have no status.
 */
export function openStatus(options: OpenStatusOptions): { stop(): Promise<void> } | null {
  const { source, nodes, log, now } = options;
  const stored = source.stored?.bind(source);
  const onStored = source.onStored?.bind(source);
  if (stored === undefined || onStored === undefined) return null;
  const catalog = new LiveCatalog(source, now);
  const events = options.events?.(options.onEvent);
  let view: NodesView = nodes();
  const keeper = new StatusKeeper({
    ...options,
    policies: { stored, isFresh: () => source.isFresh() },
    catalog: () => catalog.policies(),
    nodes: { values: () => view.values(), isFresh: () => view.isFresh() },
    after,
    random: Math.random,
    ...(events && { onTurn: (policy, verdict) => tellTurn(events, policy, verdict) }),
  });
  const ends = onStored(() => keeper.wake());
  let cancel = () => {};
  let opening = Promise.resolve();
  let isStopped = false;
  let isTold = false;
  const open = () => {
    view = nodes();
    view.onChange(() => keeper.wake());
    opening = view.start().then(
      () => keeper.wake(),
      (err: unknown) => {
        if (isStopped) return;
        options.onWrite('failed');
        if (!isTold)
          log.warn({ err }, 'the objects of nodes cannot be watched, so policies have no status; trying on');
        isTold = true;
        cancel = after(AGAIN_MS, open);
      },
    );
  };
  open();
  return {
    async stop() {
      isStopped = true;
      cancel();
      ends();
      catalog.stop();
      await Promise.all([view.stop(), keeper.stop(), events?.stop()]);
      await opening;
    },
  };
}

function after(ms: number, act: () => void): () => void {
  const timer = setTimeout(act, ms);
  timer.unref();
  return () => clearTimeout(timer);
}
