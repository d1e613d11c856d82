import type { FileSystem, OpenFile } from '../../gc/system/files.ts';
import { nodeFiles } from '../../gc/system/node-files.ts';

/** What a collector has asked of its file system. */
export interface Work {
  looks: number;
  opens: number;
  reads: number;
  bytesRead: number;
  /** Of the archive of which most was read. */
  mostBytesRead: number;
}

/** The machine's file system, with what was asked of it. */
export function meteredFiles(): { readonly files: FileSystem; readonly work: Work } {
  const work: Work = { looks: 0, opens: 0, reads: 0, bytesRead: 0, mostBytesRead: 0 };
  const files: FileSystem = {
    ...nodeFiles,
    lstat(path) {
      work.looks += 1;
      return nodeFiles.lstat(path);
    },
    open(path) {
      work.opens += 1;
      return metered(nodeFiles.open(path), work);
    },
  };
  return { files, work };
}

function metered(file: OpenFile, work: Work): OpenFile {
  let own = 0;
  return {
    facts: () => file.facts(),
    read(into, length, position) {
      const got = file.read(into, length, position);
      own += got;
      work.reads += 1;
      work.bytesRead += got;
      return got;
    },
    close() {
      work.mostBytesRead = Math.max(work.mostBytesRead, own);
      file.close();
    },
  };
}
