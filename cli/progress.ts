import type { ScanProgress } from '../gc/inventory/scan.ts';
import { formatCount } from '../policy/count.ts';
import type { Output } from './context.ts';

const ERASE_LINE = '\r\u001b[K';
/** Short scans say nothing, and long ones do not flicker. */
const EVERY_MS = 200;

/** A line on a terminal that says how far a scan is, and vanishes. Elsewhere it is silent. */
export interface ProgressLine {
  report(progress: ScanProgress): void;
  end(): void;
}

export function progressLine(output: Output, clock: () => number): ProgressLine {
  if (!output.isTerminal) return { report: () => {}, end: () => {} };
  let shownAt = clock();
  let isShown = false;
  return {
    report({ phase, done, of }) {
      const now = clock();
      if (now - shownAt < EVERY_MS) return;
      shownAt = now;
      isShown = true;
      const count = of === null ? formatCount(done) : `${formatCount(done)} of ${formatCount(of)}`;
      output.write(`${ERASE_LINE}${phase} ${count} …`);
    },
    end() {
      if (isShown) output.write(ERASE_LINE);
      isShown = false;
    },
  };
}

/** A line that says what is waited for, and for how long by now; on a terminal only. @returns what ends it. */
export function waitingLine(output: Output, what: string, clock: () => number): () => void {
  if (!output.isTerminal) return () => {};
  const since = clock();
  const show = () => output.write(`${ERASE_LINE}${what} … ${Math.round((clock() - since) / 1_000)} s`);
  show();
  const timer = setInterval(show, 1_000);
  return () => {
    clearInterval(timer);
    output.write(ERASE_LINE);
  };
}
