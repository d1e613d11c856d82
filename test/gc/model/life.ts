import type { Clock } from '../../../gc/system/clock.ts';
import type { FileName, FileSystem } from '../../../gc/system/files.ts';
import type { StateStore } from '../../../gc/system/state.ts';
import type { FakeClock } from '../fake-clock.ts';
import type { FakeFiles } from '../fake-files.ts';

class Killed extends Error {}

/** What the node does to the calls of its processes. */
export interface Weather {
  /** Every call of this kind fails with this code. */
  fault: { readonly operation: keyof FileSystem; readonly code: string } | null;
  /** Milliseconds that a rename, a link or an unlink takes. */
  latencyMs: number;
}

/** Told before a call that changes the directory, and of some once they have. */
export interface Witness {
  rename(from: string, to: string): void;
  renamed(from: string, to: string): void;
  link(existing: string, name: string): void;
  linked(existing: string): void;
  unlink(path: string): void;
  unlinked(path: string): void;
}

/**
 * One process of a node. It can be killed at any of its calls: that one is cut short, before or behind what it does,
 * and from then on nothing of the process has any effect.
 */
export class Life {
  alive = true;
  /** At the next call that makes such a change it dies, once that has taken effect. */
  diesOf: 'rename' | 'link' | 'unlink' | null = null;
  /** Calls made. */
  calls = 0;
  #callsLeft = Number.POSITIVE_INFINITY;
  #lastTakesEffect = false;
  readonly #timers = new Set<() => void>();

  /** Lets it die at that call, counted from the next. */
  dieAt(call: number, takesEffect: boolean): void {
    this.#callsLeft = call;
    this.#lastTakesEffect = takesEffect;
  }

  die(): void {
    this.alive = false;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  /** A call that is over when it returns. */
  now<T>(call: () => T): T {
    if (!this.alive) throw new Killed('killed');
    if (!this.#isLast()) return call();
    if (this.#lastTakesEffect) call();
    this.die();
    throw new Killed('killed');
  }

  /** A call that takes its time. */
  async later<T>(call: () => Promise<T>, wait: () => Promise<void>): Promise<T> {
    if (!this.alive) return await never();
    if (this.#isLast()) {
      if (this.#lastTakesEffect) await call();
      this.die();
      return await never();
    }
    await wait();
    if (!this.alive) return await never();
    const value = await call();
    return this.alive ? value : await never();
  }

  /** @param bootedAt when the machine was started, by the clock that only goes on. */
  clock(of: FakeClock, bootedAt: number): Clock {
    return {
      now: () => of.now(),
      elapsed: () => of.elapsed() - bootedAt,
      after: (ms, run) => {
        if (!this.alive) return () => {};
        const cancel = of.after(ms, () => {
          this.#timers.delete(cancel);
          if (this.alive) run();
        });
        this.#timers.add(cancel);
        return () => {
          this.#timers.delete(cancel);
          cancel();
        };
      },
    };
  }

  state(documents: Map<string, string>): StateStore {
    return {
      read: (name) => JSON.parse(this.now(() => documents.get(name) ?? 'null')),
      write: (name, document) => this.now(() => void documents.set(name, JSON.stringify(document))),
      retry() {},
    };
  }

  files(of: FakeFiles, weather: Weather, witness: Witness, clock: FakeClock): FileSystem {
    const require = (operation: keyof FileSystem) => {
      const { fault } = weather;
      if (fault?.operation !== operation) return;
      throw Object.assign(new Error(`${fault.code}: ${operation}`), { code: fault.code });
    };
    const look = <T>(operation: keyof FileSystem, call: () => T): T =>
      this.now(() => {
        require(operation);
        return call();
      });
    const change = (
      operation: 'rename' | 'link' | 'unlink',
      tell: () => void,
      call: () => Promise<void>,
    ): Promise<void> => {
      if (this.alive) tell();
      if (this.diesOf === operation) this.dieAt(1, true);
      const wait = async () => {
        if (weather.latencyMs > 0) await new Promise<void>((done) => clock.after(weather.latencyMs, done));
      };
      return this.later(async () => {
        require(operation);
        await call();
      }, wait);
    };
    const text = (path: FileName) => String(of.plain(path));
    return {
      list: (path) => look('list', () => of.list(path)),
      lstat: (path) => look('lstat', () => of.lstat(path)),
      stat: (path) => look('stat', () => of.stat(path)),
      exists: (path) => look('exists', () => of.exists(path)),
      open: (path) => look('open', () => of.open(path)),
      anchor: (path) => look('anchor', () => of.anchor(path)),
      statfs: (path) =>
        this.later(
          () => of.statfs(path),
          async () => require('statfs'),
        ),
      watch: (path, handlers) => look('watch', () => of.watch(path, this.#whileAlive(handlers))),
      rename: (from, to) =>
        change(
          'rename',
          () => witness.rename(text(from), text(to)),
          async () => {
            await of.rename(from, to);
            witness.renamed(text(from), text(to));
          },
        ),
      link: (existing, name) =>
        change(
          'link',
          () => witness.link(text(existing), text(name)),
          async () => {
            await of.link(existing, name);
            witness.linked(text(existing));
          },
        ),
      unlink: (path) =>
        change(
          'unlink',
          () => witness.unlink(text(path)),
          async () => {
            await of.unlink(path);
            witness.unlinked(text(path));
          },
        ),
    };
  }

  #whileAlive(handlers: Parameters<FileSystem['watch']>[1]): Parameters<FileSystem['watch']>[1] {
    return {
      event: (name) => {
        if (this.alive) handlers.event(name);
      },
      error: (error) => {
        if (this.alive) handlers.error(error);
      },
    };
  }

  #isLast(): boolean {
    this.calls += 1;
    this.#callsLeft -= 1;
    return this.#callsLeft <= 0;
  }
}

/** What a process that is gone waits for. */
export function never<T>(): Promise<T> {
  return new Promise(() => {});
}
