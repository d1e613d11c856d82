import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { glob, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from '../lock.ts';
import { mustRun } from '../nodes/command.ts';
import { requireForNodes } from '../nodes/requirements.ts';
import { findTree } from '../nodes/tree.ts';
import { cacheDirectory } from '../programs.ts';
import { progress } from '../progress.ts';
import { bases, writeBases } from './bases.ts';

/** The name that nodes know the project's image by. */
export const productImage = 'localhost/checkpoint-warden:test';

const project = fileURLToPath(new URL('../../..', import.meta.url));
const buildMilliseconds = 10 * 60_000;
/** Of what the Dockerfile copies: what else lies there is left out by .dockerignore. */
const sources = '{certs,cli,gc,kube,observe,policy,source,webhook}/**/*';
const files = ['Dockerfile', '.dockerignore', '.npmrc', 'LICENSE', 'package.json', 'package-lock.json'];

/**
 * The project's image, built from its Dockerfile by buildah, as an archive that a node can import; kept for as long
 * as nothing of it changes. Needs npm, and the registry that npm is configured for.
 * @returns its path.
 */
export async function findProductImage(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  await requireForNodes(['buildah', 'ldd']);
  const folder = join(cacheDirectory(env), 'images');
  await mkdir(folder, { recursive: true });
  const target = join(folder, `${await hashOf()}.tar`);
  const onWait = () => progress(`waiting for another process that builds ${target}`);
  await withLock(join(folder, 'build.lock'), onWait, async () => {
    if (existsSync(target)) return;
    // What was built of former states is of no use to anybody.
    for await (const old of glob('*.tar', { cwd: folder })) await rm(join(folder, old));
    await build(target, env);
  });
  return target;
}

async function hashOf(): Promise<string> {
  const hash = createHash('sha256').update(process.version);
  const names = [...files, 'tsconfig.json', 'tsconfig.build.json'];
  for await (const name of glob(sources, { cwd: project })) names.push(name);
  for (const name of names.sort()) {
    const path = join(project, name);
    if ((await stat(path)).isFile())
      hash
        .update(`${name}\0`)
        .update(await readFile(path))
        .update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}

async function build(target: string, env: NodeJS.ProcessEnv): Promise<void> {
  progress('building the image of the project; this takes a minute');
  const started = Date.now();
  const scratch = await mkdtemp(`${target}.`);
  const buildah = (...args: readonly string[]) =>
    mustRun(
      'buildah',
      [
        '--root',
        join(scratch, 'root'),
        '--runroot',
        join(scratch, 'run'),
        '--storage-driver',
        'vfs',
        ...args,
      ],
      {
        timeout: buildMilliseconds,
      },
    );
  try {
    const context = join(scratch, 'bases');
    const dockerfiles = await writeBases(context, {
      busybox: join(await findTree(env), 'bin', 'busybox'),
      node: realpathSync(process.execPath),
      npm: await npmFolder(env),
      authorities: env.NODE_EXTRA_CA_CERTS || '/etc/ssl/certs/ca-certificates.crt',
    });
    for (const [name, content] of Object.entries(dockerfiles)) {
      const file = join(scratch, 'Dockerfile');
      await mustRun('tee', [file], { input: content });
      await buildah('bud', '--pull=never', '--isolation=chroot', '--file', file, '--tag', name, context);
    }
    await buildah(
      ...['bud', '--pull=never', '--isolation=chroot', '--network=host', ...(await limits())],
      ...(await npmConfiguration(env)),
      ...Object.entries(bases).map(([name, image]) => `--build-arg=${name}=${image}`),
      ...['--tag', productImage, project],
    );
    await buildah('push', productImage, `docker-archive:${join(scratch, 'image.tar')}:${productImage}`);
    await rename(join(scratch, 'image.tar'), target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  progress(`built in ${Math.round((Date.now() - started) / 1000)} s`);
}

/** What buildah asks for by default may be more than this machine allows; it lowers its own to `pid_max` first. */
async function limits(): Promise<string[]> {
  const text = await readFile('/proc/self/limits', 'utf8');
  const hard = (name: string) =>
    Number(new RegExp(`^${name}\\s+\\S+\\s+(\\d+)`, 'm').exec(text)?.[1] ?? Infinity);
  const processes = Math.min(
    hard('Max processes'),
    Number(await readFile('/proc/sys/kernel/pid_max', 'utf8')),
  );
  const open = Math.min(hard('Max open files'), 65_536);
  return [`--ulimit=nofile=${open}:${open}`, `--ulimit=nproc=${processes}:${processes}`];
}

async function npmFolder(env: NodeJS.ProcessEnv): Promise<string> {
  if (env.npm_execpath?.endsWith('npm-cli.js')) return dirname(dirname(realpathSync(env.npm_execpath)));
  return dirname(dirname(realpathSync((await mustRun('which', ['npm'])).trim())));
}

/** npm's own settings, mounted while it builds and part of no image. */
async function npmConfiguration(env: NodeJS.ProcessEnv): Promise<string[]> {
  const mounts: readonly (readonly [file: string, target: string])[] = [
    [env.npm_config_globalconfig || '/etc/npmrc', '/usr/local/etc/npmrc'],
    [env.npm_config_userconfig || join(env.HOME || '/root', '.npmrc'), '/root/.npmrc'],
  ];
  return mounts.flatMap(([file, target]) => (existsSync(file) ? [`--volume=${file}:${target}:ro`] : []));
}
