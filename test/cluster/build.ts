import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { startGuard } from './guard.ts';
import { progress } from './progress.ts';
import { buildFlags, type Recipe } from './recipe.ts';

const reportEveryMilliseconds = 10_000;

/** Builds all programs of the recipe; `target` appears complete or not at all. */
export async function buildPrograms(recipe: Recipe, target: string, env: NodeJS.ProcessEnv): Promise<void> {
  await requireGo(recipe, env);
  const names = Object.keys(recipe.packages).join(', ');
  progress(`building ${names} into ${target}; the first time this takes 3 to 5 minutes on two cores`);
  const started = Date.now();
  const guard = await startGuard(await mkdtemp(`${target}.`));
  try {
    const flags = await buildFlags(recipe);
    for (const [name, source] of Object.entries(recipe.packages)) {
      const child = spawn('go', ['build', '-v', ...flags, '-o', join(guard.directory, name), source], {
        cwd: recipe.module,
        env: { ...env, CGO_ENABLED: '0', GOWORK: 'off' },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      guard.watch(child);
      const exit = once(child, 'exit');
      const tail = await reportLines(name, child.stderr);
      const [status] = await exit;
      if (status !== 0) throw new Error(`go build of ${name} failed:\n${tail.join('\n')}`);
    }
    for (const [name, source] of Object.entries(recipe.folders ?? {})) {
      await copyFolder(recipe, source, join(guard.directory, name), env);
    }
    // What is left of an earlier build, say after somebody deleted one program.
    await rm(target, { recursive: true, force: true });
    await rename(guard.directory, target);
  } finally {
    await guard.release();
  }
  progress(`built in ${Math.round((Date.now() - started) / 1000)} s`);
}

/** Copies a folder of a module; Go's cache holds it once the programs are built. */
async function copyFolder(recipe: Recipe, source: string, target: string, env: NodeJS.ProcessEnv) {
  const [module = '', folder = ''] = source.split('//');
  const options = { cwd: recipe.module, env: { ...env, GOWORK: 'off' } };
  const { stdout } = await promisify(execFile)('go', ['list', '-m', '-f', '{{.Dir}}', module], options);
  await mkdir(target);
  // File by file: Go's cache is read-only, folders included.
  for (const file of await readdir(join(stdout.trim(), folder))) {
    await writeFile(join(target, file), await readFile(join(stdout.trim(), folder, file)));
  }
}

/** Shows now and then how far `go build -v` is, and returns its last lines. */
async function reportLines(name: string, output: NodeJS.ReadableStream): Promise<string[]> {
  const started = Date.now();
  let count = 0;
  let tail: string[] = [];
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - started) / 1000);
    progress(`${name}: ${count} packages after ${seconds} s (${tail.at(-1) ?? 'starting'})`);
  }, reportEveryMilliseconds);
  try {
    for await (const line of createInterface({ input: output })) {
      count += 1;
      tail = [...tail.slice(-29), line];
    }
  } finally {
    clearInterval(timer);
  }
  return tail;
}

// `go version` in the module's directory also fails where Go is older than go.mod asks and may not update.
async function requireGo(recipe: Recipe, env: NodeJS.ProcessEnv): Promise<void> {
  try {
    await promisify(execFile)('go', ['version'], { cwd: recipe.module, env });
  } catch (cause) {
    const requirements = await readFile(join(recipe.module, 'go.mod'), 'utf8');
    const version = /^go (\S+)$/m.exec(requirements)?.[1] ?? 'of a current release';
    const programs = Object.keys(recipe.packages).join(', ');
    throw new Error(
      `Install Go ${version} or newer (needed to build ${programs}), or set KUBEBUILDER_ASSETS to a directory that holds them.`,
      { cause },
    );
  }
}
