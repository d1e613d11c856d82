import { open, utimes } from 'node:fs/promises';
import { join } from 'node:path';

/** A checkpoint to be made up, in the form that the runtime writes. */
export interface MadeCheckpoint {
  readonly runtime: 'containerd' | 'cri-o';
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly podUid: string;
  readonly takenAt: Date;
  /** Length of the memory image; the rest of the archive takes some 20 KiB. */
  readonly memoryBytes: number;
}

interface Member {
  readonly name: string;
  readonly content: string | number;
}

const BLOCK = 512;

/** `checkpoint-POD_NAMESPACE-CONTAINER-TIME.tar`, as the kubelet names it. */
export function archiveName({ namespace, pod, container, takenAt }: MadeCheckpoint): string {
  return `checkpoint-${pod}_${namespace}-${container}-${takenAt.toISOString().slice(0, 19)}Z.tar`;
}

/**
 * Writes an archive with the members, the order and the identity that the runtime's own have, and zeros for
 * memory. @returns its name.
 */
export async function makeArchive(directory: string, made: MadeCheckpoint): Promise<string> {
  const name = archiveName(made);
  const path = join(directory, name);
  const members = made.runtime === 'containerd' ? containerdMembers(made) : crioMembers(made);
  const file = await open(path, 'wx', 0o600);
  try {
    let position = 0;
    for (const { name: member, content } of members) {
      const body = typeof content === 'string' ? Buffer.from(content) : null;
      const bytes = body?.length ?? Number(content);
      await file.write(header(member, bytes, made.takenAt), 0, BLOCK, position);
      position += BLOCK;
      // Memory stays a hole in the file: a demonstration needs no disk for zeros.
      if (body !== null && body.length > 0) await file.write(body, 0, body.length, position);
      position += Math.ceil(bytes / BLOCK) * BLOCK;
    }
    await file.truncate(position + 2 * BLOCK);
  } finally {
    await file.close();
  }
  await utimes(path, made.takenAt, made.takenAt);
  return name;
}

function containerdMembers(made: MadeCheckpoint): Member[] {
  const { namespace, pod, container, podUid, takenAt } = made;
  const spec = {
    ociVersion: '1.2.1',
    annotations: {
      'io.kubernetes.cri.container-name': container,
      'io.kubernetes.cri.container-type': 'container',
      'io.kubernetes.cri.sandbox-name': pod,
      'io.kubernetes.cri.sandbox-namespace': namespace,
      'io.kubernetes.cri.sandbox-uid': podUid,
    },
  };
  const config = {
    name: `${container}_${pod}_${namespace}_${podUid}_0`,
    checkpointedTime: takenAt.toISOString(),
  };
  return [
    ...criuMembers(made.memoryBytes),
    { name: 'config.dump', content: JSON.stringify(config) },
    { name: 'container.log', content: 'a line of the container\n'.repeat(40) },
    { name: 'dump.log', content: '(00.000000) a line of criu\n'.repeat(400) },
    { name: 'spec.dump', content: JSON.stringify(spec) },
    { name: 'status', content: '{}' },
  ];
}

function crioMembers(made: MadeCheckpoint): Member[] {
  const { namespace, pod, container, podUid, takenAt } = made;
  const labels = {
    'io.kubernetes.container.name': container,
    'io.kubernetes.pod.name': pod,
    'io.kubernetes.pod.namespace': namespace,
    'io.kubernetes.pod.uid': podUid,
  };
  const name = `k8s_${container}_${pod}_${namespace}_${podUid}_0`;
  const annotations = {
    'io.container.manager': 'cri-o',
    ...labels,
    'io.kubernetes.cri-o.Labels': JSON.stringify(labels),
    'io.kubernetes.cri-o.Name': name,
  };
  return [
    { name: 'dump.log', content: '(00.000000) a line of criu\n'.repeat(400) },
    ...criuMembers(made.memoryBytes),
    { name: 'config.dump', content: JSON.stringify({ name, checkpointedTime: takenAt.toISOString() }) },
    { name: 'spec.dump', content: JSON.stringify({ ociVersion: '1.2.1', annotations }) },
    { name: 'io.kubernetes.cri-o.LogPath', content: 'a line of the container\n'.repeat(40) },
  ];
}

function criuMembers(memoryBytes: number): Member[] {
  return [
    { name: 'checkpoint/', content: '' },
    { name: 'checkpoint/core-1.img', content: 'core'.repeat(500) },
    { name: 'checkpoint/inventory.img', content: 'inventory' },
    { name: 'checkpoint/pages-1.img', content: memoryBytes },
    { name: 'checkpoint/pstree.img', content: 'pstree' },
  ];
}

/** A ustar header. */
function header(name: string, bytes: number, time: Date): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  block.write(name, 0, 'latin1');
  octal(name.endsWith('/') ? 0o700 : 0o600, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(bytes, 124, 12);
  octal(Math.floor(time.getTime() / 1000), 136, 12);
  block.write('        ', 148, 'latin1');
  block.write(name.endsWith('/') ? '5' : '0', 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
