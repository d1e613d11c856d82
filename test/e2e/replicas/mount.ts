import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { KubeClient } from '../../../kube/client.ts';
import { KubeError } from '../../../kube/error.ts';
import { isObject } from '../../../policy/json.ts';
import { at } from './manifest.ts';
import { until } from './until.ts';

/** The kubelet takes up to a minute and a half; this is enough for replicas to differ for a while. */
const LOOK_EVERY_MS = 1_500;

export interface SecretMount {
  readonly client: KubeClient;
  /** Path of the Secret in the API. */
  readonly secret: string;
  readonly directory: string;
  readonly keys?: readonly string[];
}

/**
 * Writes a Secret's data as files and follows its changes, in the way of the kubelet: the files are links through
 * `..data`, which is a link to a folder with a time for a name and is replaced by one rename. A Secret that is gone
 * changes nothing. Resolves when the files are there for the first time; disposing it leaves them there.
 */
export async function mountSecret({
  client,
  secret,
  directory,
  keys,
}: SecretMount): Promise<AsyncDisposable> {
  await mkdir(directory, { recursive: true });
  const ending = new AbortController();
  let held: Readonly<Record<string, string>> = {};
  let folder: string | undefined;
  let broken: unknown;

  const look = async () => {
    const data = wanted(at(await client.request({ path: secret }), 'data'), keys);
    if (data === undefined || isDeepStrictEqual(data, held)) return;
    const next = join(directory, `..${new Date().toISOString().replace(/\W/g, '_')}`);
    await mkdir(next);
    for (const [name, value] of Object.entries(data)) {
      await writeFile(join(next, name), Buffer.from(value, 'base64'));
    }
    await symlink(basename(next), join(directory, '..data_tmp'));
    await rename(join(directory, '..data_tmp'), join(directory, '..data'));
    for (const name of Object.keys(data)) {
      if (!(name in held)) await symlink(join('..data', name), join(directory, name));
    }
    if (folder !== undefined) await rm(folder, { recursive: true });
    [held, folder] = [data, next];
  };
  const running = (async () => {
    while (!ending.signal.aborted) {
      await look().catch((error: unknown) => {
        // Gone, or nobody answers: what is mounted stays.
        if (!(error instanceof KubeError)) broken = error;
      });
      await sleep(LOOK_EVERY_MS * (0.5 + Math.random()), undefined, { signal: ending.signal }).catch(
        () => {},
      );
    }
  })();
  const mounted: AsyncDisposable = {
    async [Symbol.asyncDispose]() {
      ending.abort();
      await running;
      if (broken !== undefined) throw broken;
    },
  };
  await until(() => folder !== undefined || broken !== undefined, `${secret} is mounted`);
  return mounted;
}

function wanted(data: unknown, keys: readonly string[] | undefined): Record<string, string> | undefined {
  if (!isObject(data)) return undefined;
  const entries = Object.entries(data).map(([name, value]) => [name, String(value)] as const);
  return Object.fromEntries(entries.filter(([name]) => keys === undefined || keys.includes(name)));
}
