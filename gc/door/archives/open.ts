import type { ArchivesReviewer } from '../../../kube/reviews.ts';
import type { Log } from '../../../kube/types.ts';
import type { Audit } from '../../../observe/audit.ts';
import { type Clock, systemClock } from '../../system/clock.ts';
import type { Authenticator } from '../authenticate.ts';
import type { Door } from '../door.ts';
import { type ActsOptions, ArchiveActs } from './acts.ts';
import type { Feed } from './feed.ts';
import { ArchivesDoor } from './handler.ts';
import { Shelf, type ShelfOptions } from './shelf.ts';
import { ArchiveVerdicts, type VerdictsOptions } from './verdicts.ts';

/** What of a collector the archives of its door are made of. */
export interface DoorArchives
  extends Pick<VerdictsOptions, 'policies' | 'deletions'>,
    Pick<ActsOptions, 'enforcer' | 'directory'> {
  readonly rights: ArchivesReviewer;
  /** Of tokens for these paths alone. */
  readonly authenticator: Authenticator;
  readonly inventory: ShelfOptions['inventory'] & ActsOptions['inventory'];
  readonly feed: Feed;
}

export interface OpenArchivesOptions {
  readonly archives?: DoorArchives;
  readonly nodeName: string;
  readonly audit: Audit;
  readonly log: Log;
  readonly clock?: Clock;
}

/** The archives of a door; null where the gateway is told of none. */
export function openArchives(options: OpenArchivesOptions, door: Pick<Door, 'handle'>): ArchivesDoor | null {
  const { archives, nodeName: node, audit, log, clock = systemClock } = options;
  if (archives === undefined) return null;
  const { rights, authenticator, inventory, enforcer, directory, feed, policies, deletions } = archives;
  const verdicts = new ArchiveVerdicts({ inventory, policies, deletions, clock });
  const shelf = new Shelf({ node, inventory, feed, verdicts });
  const acts = new ArchiveActs({ node, directory, inventory, enforcer, audit, clock, log });
  return new ArchivesDoor({
    authenticator,
    rights,
    inventory,
    shelf,
    verdicts,
    feed,
    acts,
    door,
    clock,
    log,
  });
}
