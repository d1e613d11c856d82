import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Where the links of an absolute path lead. Of what does not exist, or may not be looked at, the part that can be
 * told is resolved: the kubelet makes its directory of checkpoints with the first one.
 */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const folder = dirname(path);
    return folder === path ? path : join(realPath(folder), basename(path));
  }
}
