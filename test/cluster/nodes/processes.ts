import { readdir, readFile } from 'node:fs/promises';

/**
 * Ids of the processes whose command line or control group contains `text`. Zombies do not count: they have
 * ended, and wait for a parent that may not be ours.
 */
export async function processesOf(text: string): Promise<number[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(ids.map((id) => isOf(id, text)));
  return ids.filter((_, index) => found[index]);
}

async function isOf(id: number, text: string): Promise<boolean> {
  // It may end at any moment.
  const read = (file: string) => readFile(`/proc/${id}/${file}`, 'utf8').catch(() => '');
  const [command, cgroup, status] = await Promise.all(['cmdline', 'cgroup', 'stat'].map(read));
  if (!command?.includes(text) && !cgroup?.includes(text)) return false;
  return status !== '' && !/\) [ZX] [^)]*$/.test(status ?? '');
}
