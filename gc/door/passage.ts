import type { Log } from '../../kube/types.ts';
import type { Decision } from '../../policy/types.ts';
import { type Clock, pause } from '../system/clock.ts';
import { explain } from '../system/files.ts';
import type { Asked, Notes } from './asked.ts';
import { containerName, startOf } from './container.ts';
import type { DirectoryView } from './directory-view.ts';
import type { Judge } from './judge.ts';
import type { Kubelet } from './kubelet.ts';
import type { KubeletOutcome } from './kubelet-answer.ts';
import { refusalFor } from './kubelet-refusal.ts';
import type { Ledger, LedgerUsage } from './ledger.ts';
import type { Reserved } from './ledger-state.ts';
import type { DoorMetrics } from './metrics.ts';
import { Refusal } from './refusal.ts';
import type { Settler } from './settler.ts';
import type { Turns } from './turns.ts';

export interface PassageParts {
  readonly judge: Judge;
  readonly directory: DirectoryView;
  /** Deletes what these decisions say, as far as it can be; what is left shows in the directory. */
  readonly evict: (decisions: readonly Decision[]) => Promise<unknown>;
  readonly kubelet: Kubelet;
  readonly ledger: Ledger;
  readonly settler: Settler;
  readonly turns: Turns;
  readonly clock: Clock;
  readonly metrics: DoorMetrics;
  readonly log: Log;
}

/** Between two plans of what has to go; more often the directory changes on its own. */
const MOST_ROUNDS = 4;
/** How long an archive that is to go and was just made may take to stand still. */
const YOUNG_MS = 4_000;
const YOUNG_STEP_MS = 200;
/** Milliseconds: CRI-O was seen to work on for five seconds after its caller had gone. */
export const LOST_HOLD_MS = 5_000;

/** The way of one request from its turn to the kubelet's answer, with the promise of room around it. */
export class Passage {
  readonly #parts: PassageParts;

  constructor(parts: PassageParts) {
    this.#parts = parts;
  }

  /**
   * Resolves with the archive's path as the kubelet names it.
   * @param signal aborted when nobody waits any more; heeded until the kubelet is asked, and never after.
   * @throws Refusal
   */
  async pass(asked: Asked, signal: AbortSignal, notes: Notes): Promise<string> {
    const { turns, clock } = this.#parts;
    if (!turns.isFree(asked)) await this.#refuseEarly(asked);
    const began = clock.now();
    const turn = await turns.take(asked, signal);
    notes.waited = clock.now() - began;
    let outcome: KubeletOutcome | null = null;
    try {
      const reserved = await this.#makeRoom(asked, signal, notes);
      outcome = await this.#ask(asked, notes);
      return await this.#conclude(asked, reserved, outcome, notes);
    } finally {
      turn.end(...usedBy(outcome, clock.now()));
    }
  }

  /** Who would be refused anyway need not wait for it; whether too many are under way shows when it is his turn. */
  async #refuseEarly(asked: Asked): Promise<void> {
    const { judge } = this.#parts;
    const { refusal } = judge.judge(asked, await judge.disk());
    if (refusal !== null && refusal.code !== 'concurrency') throw refusal;
  }

  /** Nothing may come between the judgement and the reservation: both are made at once. */
  async #makeRoom(asked: Asked, signal: AbortSignal, notes: Notes): Promise<Reserved> {
    const { ledger, judge } = this.#parts;
    for (let round = 1; ; round += 1) {
      const disk = await judge.disk();
      signal.throwIfAborted();
      const { refusal, evict, expected, usage } = judge.judge(asked, disk);
      notes.estimate = expected;
      if (refusal !== null) throw refusal;
      const reserved = ledger.reserve(asked, asked.podUid, expected.bytes);
      if (evict.length === 0) return reserved;
      let left: readonly string[] = evict.map(({ archive }) => archive.file);
      try {
        left = await this.#evict(evict, usage);
        signal.throwIfAborted();
      } catch (error) {
        ledger.drop(reserved.id);
        throw error;
      }
      const gone = evict.flatMap(({ archive: { file } }) => (left.includes(file) ? [] : [file]));
      notes.evicted = [...(notes.evicted ?? []), ...gone];
      if (left.length === 0) return reserved;
      ledger.drop(reserved.id);
      if (round < MOST_ROUNDS) continue;
      const which = left.length === 1 ? 'an archive' : `${left.length} archives`;
      const message = `${which} of ${asked.namespace} would have to go for a checkpoint of ${containerName(asked)}, and could not be deleted`;
      throw Refusal.of('notEvicted', message, { cause: new Error(left.join(' ')) });
    }
  }

  /** The files that are still there afterwards. */
  async #evict(decisions: readonly Decision[], { young }: LedgerUsage): Promise<readonly string[]> {
    const { evict, directory } = this.#parts;
    const whole = decisions.filter(({ archive }) => !young.has(archive.file));
    if (whole.length > 0) await evict(whole);
    else await this.#untilStill(decisions.map(({ archive }) => archive.file));
    const files = decisions.map(({ archive }) => archive.file);
    await directory.look(files);
    return files.filter((file) => directory.get(file) !== null);
  }

  /** Only what stands still can be deleted: it may have been made a moment ago. */
  async #untilStill(files: readonly string[]): Promise<void> {
    const { directory, clock } = this.#parts;
    const end = clock.now() + YOUNG_MS;
    while (clock.now() < end && files.some((file) => directory.get(file)?.state === 'growing')) {
      await pause(clock, YOUNG_STEP_MS);
      await directory.look(files);
    }
  }

  async #ask(asked: Asked, notes: Notes): Promise<KubeletOutcome> {
    const { kubelet, clock, metrics } = this.#parts;
    const began = clock.now();
    const outcome = await kubelet
      .checkpoint(asked, asked.timeoutSeconds)
      .catch((error: unknown): KubeletOutcome => ({ kind: 'lost', text: explain(error) }));
    notes.kubelet = clock.now() - began;
    metrics.kubeletSeconds.observe(notes.kubelet / 1_000);
    return outcome;
  }

  async #conclude(asked: Asked, { id }: Reserved, outcome: KubeletOutcome, notes: Notes): Promise<string> {
    const { ledger, settler, directory, log } = this.#parts;
    if (outcome.kind === 'done') {
      const { file, item } = outcome;
      ledger.answered(id, file);
      notes.file = file;
      await directory.look([file]).catch((error: unknown) => {
        log.error({ err: error }, 'a new archive could not be looked at; the next scan makes up for it');
      });
      const archive = directory.get(file);
      if (archive === null) this.#warnOfMissing(asked, file);
      else notes.bytes = archive.bytes;
      settler.wake();
      return item;
    }
    if (outcome.kind === 'failed') ledger.failed(id);
    else if (outcome.kind === 'lost') ledger.lost(id);
    else ledger.drop(id);
    settler.wake();
    throw refusalFor(asked, asked.facts.running, outcome);
  }

  #warnOfMissing({ namespace, pod, container }: Asked, file: string): void {
    const what = 'the kubelet has named an archive that is not in the directory';
    const remedy = 'is --directory the one that the kubelet writes to?';
    this.#parts.log.warn({ namespace, pod, container, archive: file }, `${what}; ${remedy}`);
  }
}

/** When the kubelet may last have made a file name, and how long nobody else may have it. */
function usedBy(outcome: KubeletOutcome | null, now: number): [usedAt: number | null, holdMs: number] {
  switch (outcome?.kind) {
    case 'done':
      return [startOf(outcome.file) ?? now, 0];
    case 'failed':
      return [now, 0];
    case 'lost':
      return [now, LOST_HOLD_MS];
    default:
      return [null, 0];
  }
}
