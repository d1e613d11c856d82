import { Registry } from 'prom-client';
import { watchCertificate } from '../../certs/metrics.ts';
import type { CertificateSource } from '../../certs/source.ts';
import type { PlacedPodLookup } from '../../kube/placed-pods.ts';
import type { Log } from '../../kube/types.ts';
import type { Audit } from '../../observe/audit.ts';
import { isArchiveRoute } from '../../policy/archive-routes.ts';
import type { PolicySet } from '../../policy/govern.ts';
import type { Decision, Disk, Instant } from '../../policy/types.ts';
import { type Clock, systemClock, within } from '../system/clock.ts';
import { type DoorArchives, openArchives } from './archives/open.ts';
import type { Authenticator } from './authenticate.ts';
import type { Authorizer } from './authorize.ts';
import { clientAuthorityFile } from './client-authority.ts';
import { type Container, fileKey, isSame } from './container.ts';
import type { DirectoryView } from './directory-view.ts';
import { Door } from './door.ts';
import { Judge, type Withheld } from './judge.ts';
import type { Kubelet } from './kubelet.ts';
import { Ledger } from './ledger.ts';
import { fileLedgerStore, type LedgerStore } from './ledger-store.ts';
import { createDoorMetrics, type DoorMetrics, watchDoor } from './metrics.ts';
import type { Order, Ordered } from './order.ts';
import { LOST_HOLD_MS, Passage } from './passage.ts';
import { type DoorAddress, type DoorServer, type ServerBounds, startDoorServer } from './server.ts';
import { Settler } from './settler.ts';
import { type TurnBounds, Turns } from './turns.ts';

export interface DoorOptions {
  readonly listen: DoorAddress;
  /** Of the door; it must have been started. The door does not stop it. */
  readonly certificates: CertificateSource;
  /** A file with the authority of client certificates; absent: callers come with tokens only. */
  readonly clientAuthority?: string;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly pods: PlacedPodLookup;
  /** This node's name in the API: pods of other nodes are refused. */
  readonly nodeName: string;
  /** Those that act; null while nobody knows them. */
  readonly policies: () => PolicySet | null;
  readonly directory: DirectoryView;
  /** Null where it cannot be told. */
  readonly disk: () => Promise<Disk | null>;
  /** Deletes what these decisions say, as far as it can be done; what is left shows in the directory. */
  readonly evict: (decisions: readonly Decision[]) => Promise<unknown>;
  /**
   * Which of these deletions `evict` would not carry out, and why: of a policy that waits for confirmation, or in a
   * dry run. What does not fit without them is refused at once. Default: none.
   */
  readonly withheld?: (decisions: readonly Decision[]) => readonly Withheld[];
  /** The time by which archives may be called old; earlier than now while the clock was just set ahead. Default: now. */
  readonly trustedNow?: () => Instant;
  readonly kubelet: Kubelet;
  /** What the gateway is told of the node's archives; absent: nothing. */
  readonly archives?: DoorArchives;
  /** Where the ledger outlives the process; or the ledger's store itself. */
  readonly state: string | LedgerStore;
  readonly audit: Audit;
  readonly log: Log;
  /** Where the door's metrics go; absent: nowhere. */
  readonly registry?: Registry;
  readonly clock?: Clock;
  readonly turnBounds?: Partial<TurnBounds>;
  readonly serverBounds?: Partial<ServerBounds>;
  /** Milliseconds that a stop waits for requests under way; default 3,000. */
  readonly finishMs?: number;
}

export interface RunningDoor {
  /** `https://127.0.0.1:10350` */
  readonly url: string;
  readonly port: number;
  /** A checkpoint that the collector itself asks for. Never rejects. */
  order(order: Order): Promise<Ordered>;
  /** Whether an archive of this container may still come of a checkpoint that was begun at that time or later. */
  mayStillCome(container: Container, since: Instant): boolean;
  /** To be told of each change of the directory, so that what has come is taken out of the ledger. */
  directoryChanged(): void;
  /**
   * Refuses what comes from now on, and ends within four seconds: what the kubelet is still at then stays in the
   * ledger. May be called twice.
   */
  stop(): Promise<void>;
}

/** For requests under way; the collector has five seconds in all. */
const FINISH_MS = 3_000;
/** For their last answers to get through. */
const CUT_MS = 500;
/** For a look at the directory, and for connections that were cut; they take no time unless something hangs. */
const REST_MS = 200;

/** What the door is made of, without its server. */
export interface AssembledDoor {
  readonly door: Door;
  readonly ledger: Ledger;
  readonly settler: Settler;
  readonly turns: Turns;
}

export type DoorCore = Omit<DoorOptions, 'listen' | 'certificates' | 'clientAuthority' | 'serverBounds'>;

/** @throws a sentence when the ledger cannot be read or written. */
export function assembleDoor(options: DoorCore, metrics: DoorMetrics): AssembledDoor {
  const { directory, state, log, clock = systemClock, turnBounds } = options;
  const {
    policies,
    disk,
    evict,
    withheld,
    trustedNow,
    kubelet,
    authenticator,
    authorizer,
    pods,
    nodeName,
    audit,
  } = options;
  const store = typeof state === 'string' ? fileLedgerStore(state) : state;
  const ledger = new Ledger({ store, directory, log, now: () => clock.now() });
  const settler = new Settler({ ledger, directory, clock, log });
  const turns = new Turns({ clock, ...(turnBounds && { bounds: turnBounds }) });
  const now = clock.now();
  // What an earlier process has asked for may have its name from this very second, and be under way.
  for (const each of ledger.reserved()) turns.block(fileKey(each), now, LOST_HOLD_MS);
  const judge = new Judge({
    ...{ policies, directory, disk, ledger, now: () => clock.now() },
    ...(withheld && { withheld }),
    ...(trustedNow && { trustedNow }),
  });
  const passage = new Passage({
    ...{ judge, directory, evict, kubelet, ledger, settler, turns },
    ...{ clock, metrics, log },
  });
  const who = { authenticator, authorizer, pods, nodeName };
  const door = new Door({ ...who, judge, passage, clock, audit, metrics, log });
  return { door, ledger, settler, turns };
}

/** Starts the door; rejects with a sentence when it cannot listen, or keep its ledger. */
export async function startDoor(options: DoorOptions): Promise<RunningDoor> {
  const { listen, certificates, clientAuthority, log, clock = systemClock, serverBounds } = options;
  const { registry = new Registry() } = options;
  const metrics = createDoorMetrics(registry);
  // Ended last to first.
  const parts = new AsyncDisposableStack();
  try {
    const clients =
      clientAuthority === undefined ? null : await clientAuthorityFile(clientAuthority, clock, log);
    parts.defer(() => clients?.stop());
    const assembled = assembleDoor(options, metrics);
    const { door, ledger, settler, turns } = assembled;
    const archives = openArchives(options, door);
    parts.defer(() => ledger.close());
    parts.defer(async () => void (await within(clock, REST_MS, settler.stop())));
    watchCertificate(registry, certificates);
    watchDoor(registry, { reserved: () => ledger.reserved(), turns: () => turns.counts });
    const server = await startDoorServer({
      ...{ listen, certificates, clients, metrics, log },
      handle: (ask) =>
        archives !== null && isArchiveRoute(ask.url) ? archives.handle(ask) : door.handle(ask),
      now: () => clock.now(),
      ...(serverBounds && { bounds: serverBounds }),
    });
    parts.defer(() => finish(server, assembled, options));
    parts.defer(() => archives?.stop());
    settler.wake();
    const host = server.address.includes(':') ? `[${server.address}]` : server.address;
    const url = `https://${host}:${server.port}`;
    log.info({ url, reservations: ledger.reserved().length }, 'the door is open');
    let stopping: Promise<void> | null = null;
    return {
      url,
      port: server.port,
      order: (order) => door.order(order),
      mayStillCome: (container, since) =>
        ledger.reserved().some((each) => isSame(each, container) && each.since >= since),
      directoryChanged: () => settler.wake(),
      stop() {
        stopping ??= parts.disposeAsync();
        return stopping;
      },
    };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

/** Answers what can be answered in time, and cuts the rest. */
async function finish(
  server: DoorServer,
  { door, turns }: AssembledDoor,
  { kubelet, clock = systemClock, finishMs = FINISH_MS, log }: DoorOptions,
): Promise<void> {
  const closed = server.close();
  const answered = door.stop();
  await within(clock, finishMs, answered);
  // What the kubelet is at now ends as lost, which leaves its room reserved.
  kubelet.close();
  await within(clock, CUT_MS, Promise.all([answered, closed]));
  server.cut();
  turns.stop();
  if (
    (await within(
      clock,
      REST_MS,
      closed.then(() => true),
    )) === null
  ) {
    log.warn({}, 'the door has closed, and a connection of it is still open');
  }
}
