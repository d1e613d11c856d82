import { access, constants, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildPrograms } from './build.ts';
import { withLock } from './lock.ts';
import { progress } from './progress.ts';
import { type Recipe, recipeHash } from './recipe.ts';

/**
 * The directory that holds the recipe's programs: `KUBEBUILDER_ASSETS`, else the cache, built on first use.
 * It never answers without them; it throws.
 */
export async function findPrograms(recipe: Recipe, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const assets = env.KUBEBUILDER_ASSETS;
  if (assets) {
    const missing = await missingPrograms(recipe, assets);
    if (missing.length === 0) return assets;
    progress(`KUBEBUILDER_ASSETS (${assets}) lacks ${missing.join(', ')}; looking in the cache`);
  }
  const target = join(cacheDirectory(env), await recipeHash(recipe));
  if (await isComplete(recipe, target)) return target;
  await mkdir(dirname(target), { recursive: true });
  const onWait = () => progress(`waiting for another process that builds ${target}`);
  await withLock(`${target}.lock`, onWait, async () => {
    if (!(await isComplete(recipe, target))) await buildPrograms(recipe, target, env);
  });
  return target;
}

/** What is built once for all clusters: `$XDG_CACHE_HOME/checkpoint-warden/cluster`. */
export function cacheDirectory(env: NodeJS.ProcessEnv): string {
  const base = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache');
  return join(base, 'checkpoint-warden', 'cluster');
}

async function isComplete(recipe: Recipe, directory: string): Promise<boolean> {
  return (await missingPrograms(recipe, directory)).length === 0;
}

async function missingPrograms(recipe: Recipe, directory: string): Promise<string[]> {
  const missing: string[] = [];
  for (const name of Object.keys(recipe.packages)) {
    if (!(await isExecutable(join(directory, name)))) missing.push(name);
  }
  for (const name of Object.keys(recipe.folders ?? {})) {
    if (!(await isExecutable(join(directory, name)))) missing.push(name);
  }
  return missing;
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
