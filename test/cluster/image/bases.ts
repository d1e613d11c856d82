import { copyFile, cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { mustRun } from '../nodes/command.ts';

/** Names of the two images that the project's own is made of, as the Dockerfile's arguments. */
export const bases = { BUILD_IMAGE: 'localhost/node-build:1', RUNTIME_IMAGE: 'localhost/node:1' } as const;

const commands = ['sh', 'env', 'cat', 'chmod', 'cp', 'id', 'ls', 'mkdir', 'mv', 'rm', 'sed', 'uname'];

/** What the bases are made of, by path on this machine. */
export interface BaseParts {
  /** Statically linked. */
  readonly busybox: string;
  readonly node: string;
  /** The folder of the package npm. */
  readonly npm: string;
  /** Authorities that npm is to trust, PEM. */
  readonly authorities: string;
}

/**
 * Writes what stands in for a registry's images of Node, which cannot be pulled everywhere: one to run, with Node,
 * its libraries and nothing else (no shell, so that none is needed), and one to build, with a shell and npm.
 * @returns the Dockerfiles, by name of the image; their context is `directory`.
 */
export async function writeBases(
  directory: string,
  parts: BaseParts,
): Promise<Readonly<Record<string, string>>> {
  const run = join(directory, 'run');
  const build = join(directory, 'build');
  for (const file of [parts.node, ...(await librariesOf(parts.node))]) {
    await copyTo(file, join(run, file === parts.node ? '/usr/local/bin/node' : file));
  }
  await writeTo(join(run, 'etc', 'passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  await mkdir(join(run, 'tmp'), { mode: 0o1777 });

  await copyTo(parts.busybox, join(build, 'bin', 'busybox'));
  for (const command of commands) await symlink('busybox', join(build, 'bin', command));
  await mkdir(join(build, 'usr', 'bin'), { recursive: true });
  await symlink('/bin/busybox', join(build, 'usr', 'bin', 'env'));
  const npm = join(build, 'usr', 'local', 'lib', 'node_modules', 'npm');
  await cp(parts.npm, npm, { recursive: true, dereference: true });
  await mkdir(join(build, 'usr', 'local', 'bin'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(build, 'usr', 'local', 'bin', 'npm'));
  await copyTo(parts.authorities, join(build, 'etc', 'ssl', 'certs', 'ca-certificates.crt'));

  const path = 'ENV PATH=/usr/local/bin:/usr/bin:/bin';
  return {
    [bases.RUNTIME_IMAGE]: `FROM scratch\nCOPY run /\n${path}\n`,
    [bases.BUILD_IMAGE]: `FROM scratch\nCOPY run /\nCOPY build /\n${path}\nENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt\n`,
  };
}

/** The shared libraries of a program and their loader, as ldd(1) names them. */
async function librariesOf(program: string): Promise<string[]> {
  const listed = await mustRun('ldd', [program]);
  return [...listed.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(/gm)].flatMap(([, file]) => file ?? []);
}

async function copyTo(file: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await copyFile(file, target);
}

async function writeTo(target: string, content: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, content);
}
