import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

// `node bench/gc/bare.ts DIRECTORY`: the least that a program of Node's can do: list, look at each name, and keep what
// it saw. Writes how many milliseconds that took.

const [directory = ''] = process.argv.slice(2);
const began = performance.now();
const seen = new Map<string, object>();
for (const name of readdirSync(directory)) {
  const { size, mtimeMs, ctimeMs, ino } = lstatSync(join(directory, name));
  seen.set(name, { name, size, mtimeMs, ctimeMs, ino });
}
console.log(performance.now() - began);
