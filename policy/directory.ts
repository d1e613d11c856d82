import type { Fields } from './fields.ts';
import { finding } from './findings.ts';
import { own } from './json.ts';
import { DEFAULT_DIRECTORY } from './schema.ts';

const OLDER = 'spec.globalPolicy.checkpointDirectory';
const NEWER = 'spec.checkpointDirectory';
/** PATH_MAX of Linux. */
const LONGEST = 4096;
/** Control characters: no directory of checkpoints has one, and they garble whatever prints them. */
const CONTROL = /\p{Cc}/u;

/** The directory of the archives, without a trailing slash, from either of its spellings. */
export function readDirectory(top: Fields, globalPolicy: Fields | undefined): string {
  const older = globalPolicy && own(globalPolicy.object, 'checkpointDirectory');
  const newer = own(top.object, 'checkpointDirectory');
  if (typeof older === 'string' && typeof newer === 'string' && trimmed(older) !== trimmed(newer)) {
    const message = `contradicts ${NEWER}, which is ${JSON.stringify(newer.slice(0, 80))}`;
    top.findings.push(
      finding('spellingsDisagree', OLDER, older, message, `remove it and keep ${NEWER}, the newer spelling`),
    );
  }
  const path = typeof newer === 'string' ? newer : DEFAULT_DIRECTORY;
  if (!isSound(path)) {
    const message = 'is not an absolute path without empty, . and .. parts';
    const field = older === newer ? OLDER : NEWER;
    top.findings.push(
      finding('badDirectory', field, path, message, `write for example ${DEFAULT_DIRECTORY}`),
    );
  }
  return trimmed(path);
}

function isSound(path: string): boolean {
  if (!path.startsWith('/') || path.length > LONGEST || CONTROL.test(path)) return false;
  const segments = trimmed(path).split('/').slice(1);
  return segments.length > 0 && segments.every((each) => !['', '.', '..'].includes(each));
}

/** By hand: an expression for slashes at the end looks at each slash of a path again and again. */
function trimmed(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
}
