import { makeArchives, range } from './archives.ts';

// `node bench/gc/write.ts DIRECTORY FROM TO`: new archives, as fast as they can be written.

const [directory = '', from, to] = process.argv.slice(2);
makeArchives(directory, range(Number(from), Number(to)), { ageMs: null });
