/** Calls at a later time. Passed in, so that no test sleeps. */
export interface Timers {
  /** @returns what cancels the call. */
  after(ms: number, run: () => void): () => void;
}

/** The machine's own; they do not keep a process alive. */
export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
};
