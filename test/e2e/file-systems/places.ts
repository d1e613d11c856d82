import { mkdirSync } from 'node:fs';
import type { Mounted, Mounts } from '../faults/mounts.ts';

/** The file systems that a node's directory lies on, each newly made. */
export const PLACES: Readonly<Record<string, (mounts: Mounts) => Promise<Mounted>>> = {
  ext4: (mounts) => mounts.ext4(64),
  tmpfs: (mounts) => mounts.tmpfs('size=64m'),
  overlayfs,
};

/** With its layers on a tmpfs, for overlayfs does not lie on every file system, least of all on another overlayfs. */
async function overlayfs(mounts: Mounts): Promise<Mounted> {
  const { path, outside } = await mounts.tmpfs('size=64m');
  const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => {
    mkdirSync(`${outside}/${name}`);
    return `${path}/${name}`;
  });
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  await mounts.run('mount', '-t', 'overlay', '-o', options, 'overlay', merged ?? '');
  return { path: `${path}/merged`, outside: `${outside}/merged` };
}
