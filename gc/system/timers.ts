/** Something to be done later, unless it is called off. Passed in, so that no test sleeps. */
export interface Timers {
  /** Runs `run` once, `ms` milliseconds from now; returns what calls it off. */
  after(ms: number, run: () => void): () => void;
}

/** The machine's own; they do not keep the process alive. */
export const nodeTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
