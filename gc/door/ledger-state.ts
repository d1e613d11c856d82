import type { Instant } from '../../policy/types.ts';
import { type Container, containerName, isSame } from './container.ts';
import type { LedgerRecord } from './ledger-record.ts';

/** Room that was promised to one checkpoint. */
export interface Reserved extends Container {
  readonly id: string;
  readonly podUid: string;
  /** What is expected. */
  readonly bytes: number;
  readonly since: Instant;
  /**
   * `open`: the kubelet is at it. `answered`: it has named the archive, which is not known to be whole yet.
   * `ended`: it has failed, or nobody knows; an archive may still come.
   */
  readonly state: 'open' | 'answered' | 'ended';
  /** The archive's name; null while nobody knows it. */
  readonly file: string | null;
  /** Until then an archive may come; null while the kubelet is at it. */
  readonly until: Instant | null;
}

/** An archive that was promised and has come. */
export interface Claim extends Container {
  readonly file: string;
  readonly modifiedAt: Instant;
  readonly bytes: number;
}

/** The last checkpoint of a container that left an archive. */
export interface Last extends Container {
  readonly since: Instant;
  readonly bytes: number;
}

/** Containers whose last checkpoint is remembered; of more, the oldest are forgotten. */
const MOST_LAST = 10_000;

/** What the journal's lines add up to. Does no I/O and knows no time. */
export class LedgerState {
  readonly reserved = new Map<string, Reserved>();
  readonly #claims = new Map<string, Claim>();
  readonly #last = new Map<string, Last>();

  /** Takes in a record; one about a reservation that is not there changes nothing. */
  apply(record: LedgerRecord): void {
    if (record.op === 'reserve') {
      const { op: _, ...fields } = record;
      this.reserved.set(record.id, { ...fields, state: 'open', file: null, until: null });
    } else if (record.op === 'last') {
      const { op: _, ...last } = record;
      this.#remember(last);
    } else if (record.op === 'claim') {
      const { op: _, ...claim } = record;
      this.#claims.set(keyOf(claim), claim);
    } else {
      const reserved = this.reserved.get(record.id);
      if (reserved !== undefined) this.#change(reserved, record);
    }
  }

  /** Whether an archive is known to be what came of an earlier reservation. */
  isClaimed(archive: Pick<Claim, 'file' | 'modifiedAt'>): boolean {
    return this.#claims.has(keyOf(archive));
  }

  claims(): Iterable<Claim> {
    return this.#claims.values();
  }

  /** Forgets claims that no reservation could mistake for its own, where they need not be kept. */
  pruneClaims(isNeeded: (claim: Claim) => boolean): void {
    const reserved = [...this.reserved.values()];
    for (const [key, claim] of this.#claims) {
      const isMistakable = reserved.some((each) => isSame(each, claim) && each.since <= claim.modifiedAt);
      if (!isMistakable && !isNeeded(claim)) this.#claims.delete(key);
    }
  }

  last(container: Container): Last | null {
    return this.#last.get(containerName(container)) ?? null;
  }

  /** As few records as tell the same. */
  *records(): Generator<LedgerRecord> {
    for (const last of this.#last.values()) yield { op: 'last', ...last };
    for (const claim of this.#claims.values()) yield { op: 'claim', ...claim };
    for (const { state, file, until, ...fields } of this.reserved.values()) {
      yield { op: 'reserve', ...fields };
      if (state === 'answered' && file !== null && until !== null) {
        yield { op: 'answer', id: fields.id, file, until };
      } else if (state === 'ended' && until !== null) {
        yield { op: 'end', id: fields.id, until };
      }
    }
  }

  #change(
    reserved: Reserved,
    record: Extract<LedgerRecord, { op: 'answer' | 'end' | 'drop' | 'settle' }>,
  ): void {
    const { id, namespace, pod, container, since } = reserved;
    switch (record.op) {
      case 'answer': {
        const { file, until } = record;
        this.reserved.set(id, { ...reserved, state: 'answered', file, until });
        break;
      }
      case 'end':
        this.reserved.set(id, { ...reserved, state: 'ended', until: record.until });
        break;
      case 'drop':
        this.reserved.delete(id);
        break;
      case 'settle': {
        const { file, modifiedAt, bytes } = record;
        this.reserved.delete(id);
        const claim = { namespace, pod, container, file, modifiedAt, bytes };
        this.#claims.set(keyOf(claim), claim);
        this.#remember({ namespace, pod, container, since, bytes });
      }
    }
  }

  #remember(last: Last): void {
    const key = containerName(last);
    if ((this.#last.get(key)?.since ?? Number.NEGATIVE_INFINITY) > last.since) return;
    this.#last.delete(key);
    this.#last.set(key, last);
    const [oldest] = this.#last.keys();
    if (this.#last.size > MOST_LAST && oldest !== undefined) this.#last.delete(oldest);
  }
}

/** The same name with another time is another archive. */
function keyOf({ file, modifiedAt }: Pick<Claim, 'file' | 'modifiedAt'>): string {
  return `${modifiedAt} ${file}`;
}
