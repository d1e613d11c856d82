import { setFlagsFromString } from 'node:v8';

/** By how much it may grow beyond what was alive before garbage is looked for. */
const GROWING_PERCENT = 10;
const FILLING_PERCENT = 60;

/**
 * Keeps the heap near what is alive on it, for what is left of the process. To be called before there is much on it.
 *
 * The young part would grow to three times 16 MiB while a directory is scanned and never shrink, and the old part is
 * let grow to twice what lived when it was last swept: together a third of what a collector of 100,000 archives has
 * resident, for a twentieth of the time of a scan.
 *
 * Garbage of the young part is collected while the old one is looked through, too: by default V8 lets it pile up until
 * that is done, 10 to 25 MB in a first scan, and moves what lives of it in one pause of 20 ms and more.
 *
 * @param isFilling what is put on it will stay, as while a directory is listed whose archives are remembered: to look
 * for garbage every few megabytes would take a fifth of that time, and find none.
 */
export function keepHeapSmall(isFilling = false): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--no-separate-gc-phases');
  setFlagsFromString(`--heap-growing-percent=${isFilling ? FILLING_PERCENT : GROWING_PERCENT}`);
}
