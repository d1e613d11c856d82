import type { LedgerStore } from '../../../gc/door/ledger-store.ts';

export class Killed extends Error {
  override readonly name = 'Killed';
}

/** A journal file in memory, that outlives the doors that write it. */
export class MemoryJournal {
  text: string | null = null;
  writes = 0;
  /** At that write, counted from 1, the writing process is killed: before, in the middle of it, or after. */
  killAt: { readonly write: number; readonly how: 'before' | 'torn' | 'after' } | null = null;

  /** The file as one process sees it; after its end nothing it writes counts. */
  store(life: { alive: boolean }): LedgerStore {
    const write = (apply: (part: number) => void) => {
      if (!life.alive) throw new Killed();
      this.writes += 1;
      if (this.killAt?.write !== this.writes) {
        apply(1);
        return;
      }
      life.alive = false;
      if (this.killAt.how !== 'before') apply(this.killAt.how === 'torn' ? 0.5 : 1);
      throw new Killed();
    };
    return {
      read: () => this.text,
      append: (line) =>
        write((part) => {
          const bytes = `${line}\n`;
          this.text = (this.text ?? '') + bytes.slice(0, Math.ceil(bytes.length * part));
        }),
      // A rename is done or not done.
      replace: (lines) =>
        write((part) => {
          if (part === 1) this.text = lines.map((line) => `${line}\n`).join('');
        }),
      close() {},
    };
  }
}
