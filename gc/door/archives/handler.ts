import type { ArchivesReviewer } from '../../../kube/reviews.ts';
import type { Log, UserInfo } from '../../../kube/types.ts';
import {
  ACTOR_HEADER,
  ARCHIVES_RESOURCE,
  type ArchiveRoute,
  readArchiveRoute,
  VERB_OF,
} from '../../../policy/archive-routes.ts';
import { CHECKPOINT_API } from '../../../policy/checkpoint-object.ts';
import { fieldsOf, fromJson, own, text } from '../../../policy/json.ts';
import type { ArchiveChanges, ListedArchive } from '../../../policy/listed-archive.ts';
import type { Inventory } from '../../inventory/inventory.ts';
import type { Clock } from '../../system/clock.ts';
import type { Authenticator } from '../authenticate.ts';
import { noAnswer } from '../authenticate.ts';
import { requirePlain } from '../plain-request.ts';
import { Refusal } from '../refusal.ts';
import { type Reply, refused } from '../reply.ts';
import { type Ask, CallerLeft } from '../story.ts';
import type { ArchiveActs } from './acts.ts';
import type { Feed, FeedEntry } from './feed.ts';
import { isListed, type OwnedArchive } from './name.ts';
import type { Shelf } from './shelf.ts';
import type { ArchiveVerdicts } from './verdicts.ts';

export interface ArchivesDoorParts {
  readonly authenticator: Authenticator;
  readonly rights: ArchivesReviewer;
  readonly inventory: Pick<Inventory, 'get' | 'state'>;
  readonly shelf: Shelf;
  readonly verdicts: Pick<ArchiveVerdicts, 'clear'>;
  readonly feed: Feed;
  readonly acts: ArchiveActs;
  /** The door for checkpoints and verdicts. */
  readonly door: { handle(ask: Ask): Promise<Reply> };
  readonly clock: Clock;
  readonly log: Log;
  /** Requests under way, those that wait for a change included. Default 128. */
  readonly most?: number;
}

const MOST = 128;
/** An archive stands still for a second before it is taken for whole. */
const SHOWN_MS = 4_000;
const CHANGES_AT_ONCE = 200;
const LONGEST_ACTOR = 4_096;

/** What the gateway may ask of a node: its archives, their changes, and what people do to them through the API. */
export class ArchivesDoor {
  readonly #parts: ArchivesDoorParts;
  readonly #stopping = new AbortController();
  #underWay = 0;

  constructor(parts: ArchivesDoorParts) {
    this.#parts = parts;
  }

  /** Ends those that wait. */
  stop(): void {
    this.#stopping.abort(Refusal.of('stopping', 'this door closes', { retryAfterSeconds: 5 }));
    this.#parts.verdicts.clear();
  }

  /** Never rejects. */
  async handle(ask: Ask): Promise<Reply> {
    this.#underWay += 1;
    try {
      return await this.#pass(ask);
    } catch (error) {
      return refused(this.#refusalIn(error));
    } finally {
      this.#underWay -= 1;
    }
  }

  async #pass(ask: Ask): Promise<Reply> {
    const { authenticator, inventory, most = MOST } = this.#parts;
    if (this.#underWay > most) {
      const message = `${most} requests about archives are under way on this node`;
      throw Refusal.of('busy', message, { retryAfterSeconds: 5 });
    }
    if (ask.pipelined) {
      throw Refusal.of('badRequest', 'an earlier request of this connection has no answer yet');
    }
    requirePlain(ask);
    this.#stopping.signal.throwIfAborted();
    const { authorization } = ask.credentials;
    // By a token alone: whoever signs client certificates signs none for this.
    const gateway = await authenticator.authenticate({ authorization, certificate: null });
    const route = readArchiveRoute(ask.method, ask.url);
    if (route === null) {
      await this.#authorize(gateway, 'list');
      throw Refusal.of('badArchivePath', 'the request asks for nothing that there is');
    }
    await this.#authorize(gateway, route.kind);
    if (!inventory.state.ok) throw Refusal.of('directoryUnknown', "this node's archives cannot be seen");
    return await this.#answer(route, ask);
  }

  async #authorize(user: UserInfo, kind: ArchiveRoute['kind']): Promise<void> {
    const verb = VERB_OF[kind];
    const may = await this.#parts.rights.mayServe(user, verb).catch((cause: unknown) => {
      throw noAnswer(`whether ${user.username} may ask about archives`, cause);
    });
    if (may) return;
    const right = `to ${verb} ${ARCHIVES_RESOURCE} in the group ${CHECKPOINT_API.group}`;
    throw Refusal.of(
      'forbidden',
      `${user.username} may not ask about archives: that takes the right ${right}`,
    );
  }

  async #answer(route: ArchiveRoute, ask: Ask): Promise<Reply> {
    const { shelf, acts } = this.#parts;
    switch (route.kind) {
      case 'list':
        return json(shelf.page(route));
      case 'changes':
        return json(await this.#changes(route, ask));
      case 'get':
        return json(shelf.show(this.#find(route)));
      case 'delete': {
        const archive = this.#find(route);
        const shown = shelf.show(archive);
        await acts.delete(archive, actorOf(ask));
        return json(shown);
      }
      case 'pin':
        await acts.pin(this.#find(route), actorOf(ask));
        return json(shelf.show(this.#find(route)));
      case 'unpin':
        await acts.unpin(this.#find(route), actorOf(ask));
        return json(shelf.show(this.#find(route)));
      case 'create':
      case 'verdict':
        return await this.#take(route, ask);
    }
  }

  #find({ namespace, name }: { readonly namespace: string; readonly name: string }): OwnedArchive {
    const found = this.#parts.shelf.find(namespace, name);
    if (found !== null) return found;
    throw Refusal.of('noArchive', `this node has no archive ${namespace}/${name}`);
  }

  async #changes(route: Extract<ArchiveRoute, { kind: 'changes' }>, ask: Ask): Promise<ArchiveChanges> {
    const { feed, shelf, clock } = this.#parts;
    const signal = AbortSignal.any([ask.signal, this.#stopping.signal]);
    const end = clock.elapsed() + route.wait;
    // The gateway's clock, or that of the node where its list began, may be ahead of ours.
    const since = Math.min(route.since, feed.now());
    const isWanted = ({ archive }: FeedEntry) =>
      route.namespace === undefined || archive.identity.namespace === route.namespace;
    for (;;) {
      const entries = feed.since(since);
      if (entries === null) {
        throw Refusal.of('expired', 'what changed since then is not known any more');
      }
      const wanted = entries.filter(isWanted);
      const left = end - clock.elapsed();
      if (wanted.length > 0 || left <= 0) {
        const shown = wanted.slice(0, CHANGES_AT_ONCE);
        const last = shown.at(-1);
        const version = wanted.length > shown.length && last ? last.version : feed.now();
        const changes = shown.map(({ type, version, archive }) => ({
          ...{ type, version },
          archive: { ...shelf.show(archive), version },
        }));
        return { version, changes };
      }
      await feed.wait(left, signal);
      signal.throwIfAborted();
    }
  }

  /** The door's own way, with all that it guards. A checkpoint is answered by its archive, as soon as it is shown. */
  async #take(route: Extract<ArchiveRoute, { kind: 'create' | 'verdict' }>, ask: Ask): Promise<Reply> {
    const { namespace, pod, container, timeoutSeconds, kind } = route;
    const first = kind === 'create' ? 'checkpoint' : 'verdict';
    const query = timeoutSeconds === undefined ? '' : `?timeout=${timeoutSeconds}`;
    const reply = await this.#parts.door.handle({
      ...ask,
      method: kind === 'create' ? 'POST' : 'GET',
      url: `/${first}/${namespace}/${pod}/${container}${query}`,
      vouched: actorOf(ask),
    });
    if (kind === 'verdict' || reply.status !== 200) return reply;
    const path = itemIn(reply.body);
    const archive = path === null ? null : await this.#shown(path.slice(path.lastIndexOf('/') + 1), route);
    return archive === null ? reply : { ...json(archive), headers: { ...reply.headers, ...JSON_TYPE } };
  }

  /** Null when it is gone already. */
  async #shown(
    file: string,
    { namespace, pod, container }: { namespace: string; pod: string; container: string },
  ): Promise<ListedArchive | null> {
    const { inventory, feed, shelf, clock } = this.#parts;
    const end = clock.elapsed() + SHOWN_MS;
    for (;;) {
      const archive = inventory.get(file);
      if (isListed(archive)) return shelf.show(archive);
      const left = end - clock.elapsed();
      if (archive === null) return null;
      // By then its name may still change once more; the archive is there all the same.
      if (left <= 0) return shelf.show({ ...archive, identity: { namespace, pod, container, podUid: null } });
      await feed.wait(left, this.#stopping.signal);
    }
  }

  #refusalIn(error: unknown): Refusal {
    if (error instanceof Refusal) return error;
    if (error instanceof CallerLeft) return Refusal.of('callerLeft', 'the caller has gone');
    this.#parts.log.error({ err: error }, 'a request about archives failed in a way that nobody foresaw');
    return Refusal.of('internal', 'the door failed');
  }
}

const JSON_TYPE = { 'content-type': 'application/json' } as const;

function json(value: object): Reply {
  return { status: 200, headers: JSON_TYPE, body: JSON.stringify(value) };
}

function itemIn(body: string): string | null {
  const items = own(fieldsOf(JSON.parse(body)), 'items');
  return Array.isArray(items) ? text(items[0]) || null : null;
}

/** In whose name the gateway asks. @throws Refusal badRequest */
function actorOf({ rawHeaders }: Ask): UserInfo {
  const index = rawHeaders.findIndex((each, at) => at % 2 === 0 && each.toLowerCase() === ACTOR_HEADER);
  const word = index < 0 ? '' : (rawHeaders[index + 1] ?? '');
  const user = word.length > LONGEST_ACTOR ? {} : fromJson(Buffer.from(word, 'base64url').toString('utf8'));
  const username = text(own(fieldsOf(user), 'username'));
  const uid = text(own(fieldsOf(user), 'uid'));
  if (username === '') throw Refusal.of('badRequest', 'the gateway does not say in whose name it asks');
  return { username, ...(uid !== '' && { uid }) };
}
