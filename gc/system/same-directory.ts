import { DEFAULT_DIRECTORY } from '../../policy/schema.ts';
import { realPath } from '../../source/real-path.ts';
import type { FileFacts, FileSystem } from './files.ts';

/**
 * Tells whether a path leads to a directory, by way of links too: a node's /var/lib/kubelet is often one. Only what
 * can be looked at is the same.
 */
export function sameDirectoryAs(directory: string, files: FileSystem): (path: string) => boolean {
  return (path) => {
    if (path === directory) return true;
    const [own, other] = [factsOf(directory, files), factsOf(path, files)];
    return own !== null && other !== null && own.device === other.device && own.inode === other.inode;
  };
}

/**
 * One name for all paths of a directory, so that policies for it are seen to contradict one another: what acts on
 * the collector's directory gets its path, all else the path that its links lead to.
 */
export function directoryNames(directory: string, files: FileSystem): (path: string) => string {
  const isHere = sameDirectoryAs(directory, files);
  // Files of policies name the kubelet's directory, or none, and mean the collector's.
  return (path) => (path === DEFAULT_DIRECTORY || isHere(path) ? directory : realPath(path));
}

function factsOf(path: string, files: FileSystem): FileFacts | null {
  try {
    return files.stat(path);
  } catch {
    // What is wrong with the collector's own directory is told by the scan; another's is no affair of ours.
    return null;
  }
}
