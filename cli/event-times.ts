/** The time by which events are written; a timer for one keeps no process. */
export const eventTimes = {
  now: Date.now,
  random: Math.random,
  after(ms: number, act: () => void): () => void {
    const timer = setTimeout(act, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
