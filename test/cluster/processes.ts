import { readdir, readFile } from 'node:fs/promises';

/** Ids of the processes (Linux) whose command line contains `text`. */
export async function processesNaming(text: string): Promise<number[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const commands = await Promise.all(
    ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')),
  );
  return ids.filter((_, index) => commands[index]?.includes(text));
}
