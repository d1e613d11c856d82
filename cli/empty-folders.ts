import type { Log } from '../kube/types.ts';
import { lookAt } from '../source/look.ts';
import type { PolicySource } from '../source/source.ts';

/** What is to be said of a folder that was named for its policies and has none. */
export function noPolicyFiles(folder: string): string {
  return `no policy files in ${folder}`;
}

/** Those of the paths that are folders without a policy file. */
export async function emptyFolders(paths: readonly string[]): Promise<readonly string[]> {
  const looks = await Promise.all(paths.map((path) => lookAt([path])));
  return paths.filter((_, index) => {
    const look = looks[index];
    return look !== undefined && look.sights.length === 0 && look.closed.length === 0;
  });
}

/** A source that warns of folders without a policy file, at its start and whenever one becomes so. */
export function warningOfEmptyFolders(
  source: PolicySource,
  paths: readonly string[],
  log: Log,
): PolicySource {
  let told: readonly string[] = [];
  const look = async () => {
    const empty = await emptyFolders(paths);
    for (const folder of empty) {
      if (told.includes(folder)) continue;
      log.warn(
        { folder },
        `${noPolicyFiles(folder)}: only .yaml, .yml and .json files directly in it are policies`,
      );
    }
    told = empty;
  };
  // One after the other, so that an older look never overrules a newer one.
  let looking = Promise.resolve();
  const lookAgain = () => {
    looking = looking.then(look);
  };
  let end = () => {};
  return {
    async start() {
      await source.start();
      await look();
      end = source.onChange(lookAgain);
    },
    resources: () => source.resources(),
    problems: () => source.problems(),
    isFresh: () => source.isFresh(),
    onChange: (listener) => source.onChange(listener),
    async stop() {
      end();
      await Promise.all([source.stop(), looking]);
    },
  };
}
