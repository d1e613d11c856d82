import type { Log } from '../../kube/types.ts';

/** Something that is so, until it is not: told when it begins, when it changes and when it ends. */
export interface Notice {
  readonly key: string;
  /** A sentence. */
  readonly message: string;
  /** What is told again where it changes; absent: the message. Figures that change by themselves stay out. */
  readonly essence?: string;
  readonly fields?: object;
  readonly level: 'info' | 'warn' | 'error';
  /** Called where it is told. */
  readonly onTold?: () => void;
}

type Told = Required<Pick<Notice, 'message' | 'essence' | 'level'>>;

/** Tells states once, and not at each pass. */
export class Notices {
  readonly #log: Log;
  readonly #told = new Map<string, Map<string, Told>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** What is wrong now, as it was told, errors before warnings. */
  complaints(): readonly string[] {
    const all = [...this.#told.values()].flatMap((told) => [...told.values()]);
    const of = (wanted: Notice['level']) =>
      all.flatMap(({ level, message }) => (level === wanted ? message : []));
    return [...of('error'), ...of('warn')];
  }

  /**
   * All that is so of one kind.
   * @param ended what to say of one that is so no more; absent: nothing.
   */
  update(kind: string, notices: Iterable<Notice>, ended?: string): void {
    const before = this.#told.get(kind) ?? new Map<string, Told>();
    const now = new Map<string, Told>();
    for (const { key, message, essence = message, fields = {}, level, onTold } of notices) {
      const told = before.get(key);
      const isNews = told?.essence !== essence;
      now.set(key, isNews ? { message, essence, level } : told);
      if (!isNews) continue;
      this.#log[level](fields, message);
      onTold?.();
    }
    this.#told.set(kind, now);
    if (ended === undefined) return;
    for (const [key, { message }] of before) if (!now.has(key)) this.#log.info({ was: message }, ended);
  }
}
