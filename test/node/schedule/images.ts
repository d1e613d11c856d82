import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Cluster } from '../../cluster/nodes/cluster.ts';
import { startServer } from '../../cluster/server.ts';

const REGISTRY = fileURLToPath(new URL('registry.js', import.meta.url));
const PORT = 5000;
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** The image from which containers must be made that are to be restored: containerd pulls it by this name again. */
export const BASE_IMAGE = `localhost:${PORT}/busybox:1`;

/** Images that every node of a cluster can pull. */
export interface Images {
  /** Makes an image of an archive, from which a container goes on. @returns its name. */
  ofCheckpoint(archive: string): Promise<string>;
}

/** Starts a registry in the network of each node, with the test image in it. */
export async function startImages(cluster: Cluster): Promise<Images> {
  const directory = join(cluster.directory, 'registry');
  await mkdir(join(directory, 'blobs'), { recursive: true });
  const unpacked = join(directory, 'unpacked');
  await mkdir(unpacked);
  await promisify(execFile)('tar', ['-xf', join(cluster.nodesDirectory, 'images.tar'), '-C', unpacked]);
  await putImage(directory, ['busybox', '1'], {
    config: await readFile(join(unpacked, 'busybox.json')),
    layer: await readFile(join(unpacked, 'layer.tar')),
  });
  for (const node of cluster.nodes) {
    await startServer(
      cluster.guard,
      'nsenter',
      [`--net=${node.networkNamespace}`, process.execPath, REGISTRY, directory, String(PORT)],
      `${node.name}-registry`,
    );
  }
  let made = 0;
  return {
    async ofCheckpoint(archive) {
      made += 1;
      const layer = await readFile(archive);
      const config = {
        ...{ architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux', config: {} },
        rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
      };
      // On the manifest, and for both runtimes.
      const annotations = {
        'org.criu.checkpoint.container.name': 'main',
        'io.kubernetes.cri-o.annotations.checkpoint.name': 'main',
      };
      const image = { config: Buffer.from(JSON.stringify(config)), layer, annotations };
      await putImage(directory, ['checkpoint', String(made)], image);
      return `localhost:${PORT}/checkpoint:${made}`;
    },
  };
}

interface Image {
  readonly config: Buffer;
  readonly layer: Buffer;
  readonly annotations?: Readonly<Record<string, string>>;
}

async function putImage(
  directory: string,
  [name, tag]: readonly [string, string],
  { config, layer, annotations }: Image,
): Promise<void> {
  const blob = async (bytes: Buffer, mediaType: string) => {
    const digest = digestOf(bytes);
    await writeFile(join(directory, 'blobs', digest), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: await blob(config, 'application/vnd.oci.image.config.v1+json'),
      layers: [await blob(layer, 'application/vnd.oci.image.layer.v1.tar')],
      ...(annotations && { annotations }),
    }),
  );
  await mkdir(join(directory, name), { recursive: true });
  await writeFile(join(directory, name, tag), manifest);
  await writeFile(join(directory, name, digestOf(manifest)), manifest);
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
