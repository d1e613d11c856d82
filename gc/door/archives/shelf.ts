import {
  type ArchivePage,
  compare,
  type ListedArchive,
  type ListPosition,
} from '../../../policy/listed-archive.ts';
import type { Inventory } from '../../inventory/inventory.ts';
import type { Feed } from './feed.ts';
import { archiveName, archiveUid, isListed, mayBeNamed, type OwnedArchive } from './name.ts';
import type { ArchiveVerdicts } from './verdicts.ts';

export interface ShelfOptions {
  /** This node's name in the API. */
  readonly node: string;
  readonly inventory: Pick<
    Inventory,
    'namespaces' | 'podsOf' | 'archivesOf' | 'holding' | 'details' | 'get' | 'state'
  >;
  readonly feed: Feed;
  readonly verdicts: ArchiveVerdicts;
}

/** What of a node's archives is asked for. */
export interface PageRequest {
  /** 1 to `MOST_ITEMS`. */
  readonly limit: number;
  readonly after: ListPosition | null;
  readonly namespace?: string;
  readonly pod?: string;
}

export const MOST_ITEMS = 500;
/** Of a page's JSON; one item more than that may be in it. */
const MOST_BYTES = 512 * 1024;

/**
 * The node's archives in one order that does not change: by namespace, pod and file name. A page is put together from
 * the inventory's own groups, so that nothing is kept for it, and the next one begins behind the last item, whatever
 * has come or gone meanwhile.
 */
export class Shelf {
  readonly #options: ShelfOptions;

  constructor(options: ShelfOptions) {
    this.#options = options;
  }

  page(request: PageRequest): ArchivePage {
    const version = this.#options.feed.now();
    const items: ListedArchive[] = [];
    let bytes = 0;
    for (const archive of this.#behind(request)) {
      if (items.length >= request.limit || bytes >= MOST_BYTES) return { version, items, more: true };
      const item = this.show(archive);
      items.push(item);
      bytes += sizeOf(item);
    }
    return { version, items, more: false };
  }

  /** The archive of that name; null where there is none. */
  find(namespace: string, name: string): OwnedArchive | null {
    const { node, inventory } = this.#options;
    for (const pod of inventory.podsOf(namespace)) {
      for (const archive of inventory.archivesOf(namespace, pod)) {
        if (!isListed(archive) || !mayBeNamed(name, archive.identity)) continue;
        if (archiveName(node, archive) === name) return archive;
      }
    }
    return null;
  }

  show(archive: OwnedArchive): ListedArchive {
    const { node, inventory, feed, verdicts } = this.#options;
    const { namespace, pod, container } = archive.identity;
    const isThere = inventory.get(archive.file) === archive;
    return {
      name: archiveName(node, archive),
      uid: archiveUid(node, archive),
      ...{ namespace, pod, container },
      file: archive.file,
      bytes: archive.bytes,
      modifiedAt: archive.modifiedAt,
      runtime: isThere ? inventory.details(archive.file).runtime : null,
      pinned: archive.pinned,
      tainted: archive.staleTailBytes > 0,
      ...(isThere ? verdicts.of(archive) : { policy: null, verdict: null }),
      version: feed.versionOf(archive),
    };
  }

  *#behind({ after, namespace: only, pod: onlyPod }: PageRequest): Generator<OwnedArchive> {
    const { inventory } = this.#options;
    const all = only === undefined ? inventory.namespaces() : [only];
    for (const namespace of sortedFrom(all, after?.namespace)) {
      const isFirst = namespace === after?.namespace;
      const pods = onlyPod === undefined ? inventory.podsOf(namespace) : [onlyPod];
      for (const pod of sortedFrom(pods, isFirst ? after?.pod : undefined)) {
        const behind = isFirst && pod === after?.pod ? after.file : null;
        const archives = inventory
          .archivesOf(namespace, pod)
          .filter((each) => isListed(each) && (behind === null || each.file > behind));
        for (const each of archives.sort((a, b) => compare(a.file, b.file))) if (isListed(each)) yield each;
      }
    }
  }
}

function sortedFrom(names: Iterable<string>, first: string | undefined): string[] {
  const wanted = Array.from(names).filter((each) => first === undefined || each >= first);
  return wanted.sort(compare);
}

/** About what its JSON takes, without making it twice. */
function sizeOf({ file, pod, container, namespace, verdict, policy }: ListedArchive): number {
  const texts = [file, pod, pod, container, container, namespace, policy ?? '', verdict?.reason ?? ''];
  return texts.reduce((sum, each) => sum + each.length, 330);
}
