import { setFlagsFromString } from 'node:v8';

/** What the old generation may grow by beyond what lives on it, before all of it is looked through. */
const GROWING_PERCENT = 30;

/**
 * Has every object begin in V8's young generation, for what is left of the process. To be called before there is
 * much code.
 *
 * V8 learns where objects come from that outlive two collections, and makes the next ones from there in the old
 * generation at once. It learns that from a burst, such as the policies of a cluster, and then puts each review
 * there: what has died there keeps young objects alive, a collection of the young generation takes ten times as long,
 * and one of all comes several times a second. A collector, whose archives do stay, gains nothing by it.
 *
 * Where a limit is set, V8 looks through all of the heap once a second and more under load, 9 ms each time: the old
 * generation is let grow by a third of what lives; by half, which takes 10 MB more, it costs no less. And while V8 looks
 * through it, the young generation is collected all the same (gc/system/memory.ts).
 */
export function beginYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring');
  setFlagsFromString('--no-separate-gc-phases');
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
}
