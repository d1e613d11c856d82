import { lstatSync, opendirSync } from 'node:fs';

// `node bench/gc/bare.ts DIRECTORY`: the least that a program of Node's can do: list, look at each name, and keep what
// it saw, in the ways that were measured fastest. Writes how many milliseconds that took.

const [directory = ''] = process.argv.slice(2);
const began = performance.now();
const seen = new Map<string, object>();
const listing = opendirSync(directory, { encoding: 'latin1', bufferSize: 256 });
for (let entry = listing.readSync(); entry !== null; entry = listing.readSync()) {
  const { name } = entry;
  const { size, mtimeMs, ctimeMs, ino } = lstatSync(`${directory}/${name}`);
  seen.set(name, { name, size, mtimeMs, ctimeMs, ino });
}
listing.closeSync();
console.log(performance.now() - began);
