import { createHash } from 'node:crypto';
import { copyFile, link, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from 'tar';

/** The image of every test container: a static busybox and nothing else. */
export const busyboxImage = 'localhost/busybox:1';

/** What holds a pod's namespaces; containerd is told this name. */
export const pauseImage = 'localhost/pause:1';

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

// The applets that a shell script of a test may want.
const applets = [
  'awk',
  'cat',
  'date',
  'dd',
  'echo',
  'env',
  'head',
  'httpd',
  'kill',
  'ls',
  'mkdir',
  'nc',
].concat([...['printf', 'ps', 'rm', 'sh', 'sleep', 'stat', 'sync', 'tail', 'touch', 'true', 'wget']]);

/**
 * Writes both images into one docker archive, which `ctr images import` reads: nothing is pulled from
 * anywhere.
 *
 * @param busybox path of a statically linked busybox.
 */
export async function writeImages(busybox: string, archive: string): Promise<void> {
  const scratch = await mkdtemp(`${archive}.`);
  try {
    const root = join(scratch, 'root');
    await mkdir(join(root, 'bin'), { recursive: true });
    await mkdir(join(root, 'tmp'));
    await copyFile(busybox, join(root, 'bin', 'busybox'));
    for (const applet of applets) await link(join(root, 'bin', 'busybox'), join(root, 'bin', applet));
    const layer = join(scratch, 'layer.tar');
    // In one go: with hard links among its entries the asynchronous one has been seen to wait for ever.
    create({ cwd: root, file: layer, portable: true, noMtime: true, sync: true }, ['.']);
    const digest = createHash('sha256')
      .update(await readFile(layer))
      .digest('hex');

    const images = [
      { name: busyboxImage, file: 'busybox.json', command: ['/bin/sh'] },
      { name: pauseImage, file: 'pause.json', command: ['/bin/sleep', '2147483647'] },
    ];
    for (const { file, command } of images) {
      await writeFile(join(scratch, file), JSON.stringify(configuration(command, digest)));
    }
    const manifest = images.map(({ name, file }) => ({
      Config: file,
      RepoTags: [name],
      Layers: ['layer.tar'],
    }));
    await writeFile(join(scratch, 'manifest.json'), JSON.stringify(manifest));
    const entries = ['manifest.json', ...images.map(({ file }) => file), 'layer.tar'];
    create({ cwd: scratch, file: archive, portable: true, sync: true }, entries);
  } finally {
    await rm(scratch, { recursive: true });
  }
}

function configuration(command: readonly string[], layerDigest: string): object {
  return {
    architecture: architectures[process.arch] ?? process.arch,
    os: 'linux',
    config: { Entrypoint: command, Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layerDigest}`] },
  };
}
