import type { Reading } from '../../../gc/archive/identity.ts';
import { encodeReadings, type Remembered } from '../../../gc/inventory/readings.ts';
import type { ReadingsStore } from '../../../gc/inventory/readings-file.ts';
import { Pace } from '../../../gc/system/pace.ts';
import type { Identity } from '../../../policy/types.ts';
import type { Dice } from '../../policy/dice.ts';
import type { FakeFiles } from '../fake-files.ts';
import { contentOf } from './content.ts';
import { DIRECTORY, isArchiveName } from './directory.ts';
import { type Life, never } from './life.ts';

const FACTS = ['device', 'inode', 'bytes', 'modifiedUs', 'changedUs'] as const;
const MOST_FORMER = 8;

/**
 * What one process leaves to the next of what it has read. It is a hint: whatever it says, no archive may be judged by
 * an identity that its bytes do not have, as long as one of device, inode, size, mtime and ctime shows that it is of
 * another file or of another content.
 *
 * That is the one permitted blindness: a document that is whole to its last digit and lies about a file in all five.
 * No step makes it. The kernel sets a ctime and nobody else, so only who writes the document can, and he is root; and
 * an archive is read once more before it is deleted all the same.
 */
export class Cache {
  #document: Buffer | null = null;
  readonly #former: Buffer[] = [];

  store(life: Life): ReadingsStore {
    return {
      load: () => life.now(() => this.#document),
      save: async (parts) => {
        const document = Buffer.concat(parts);
        const done = life.later(
          async () => this.#put(document),
          async () => {},
        );
        return life.alive ? await done : await never();
      },
    };
  }

  /** Lets something happen to it; what, in words. */
  async disturb(
    dice: Dice,
    files: FakeFiles,
    identities: readonly [Identity, ...Identity[]],
  ): Promise<string> {
    const document = this.#document;
    const what = dice.pick(['lies', 'is lost', 'is older', 'lies', 'is damaged', 'is cut off']);
    if (what === 'lies') {
      const fact = dice.pick(FACTS);
      // No start of the machine gives a device that number.
      const by = 1 + dice.roll(40) + (fact === 'device' ? 1_000_000 : 0);
      this.#document = await lie(files, fact, by, () => dice.pick(identities));
      return `is of other files: another ${fact}`;
    }
    if (what === 'is lost' || document === null) this.#document = null;
    else if (what === 'is older') this.#document = this.#former[dice.roll(this.#former.length)] ?? null;
    else if (what === 'is cut off') this.#document = document.subarray(0, dice.roll(document.length));
    else this.#document = damaged(document, dice);
    return document === null ? 'is lost' : what;
  }

  #put(document: Buffer): void {
    this.#document = document;
    this.#former.push(document);
    if (this.#former.length > MOST_FORMER) this.#former.shift();
  }
}

function damaged(document: Buffer, dice: Dice): Buffer {
  const copy = Buffer.from(document);
  for (let left = 1 + dice.roll(3); left > 0; left -= 1) {
    const at = dice.roll(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << dice.roll(8));
  }
  return copy;
}

/** A whole document that says of each archive what is not so, and of which only one fact is not the archive's. */
async function lie(
  files: FakeFiles,
  fact: (typeof FACTS)[number],
  by: number,
  identityOf: () => Identity,
): Promise<Buffer> {
  const remembered: Remembered[] = [];
  if (files.stat(DIRECTORY)?.kind !== 'directory') return Buffer.alloc(0);
  for (const name of files.namesIn(DIRECTORY)) {
    const path = `${DIRECTORY}/${name}`;
    const [facts, content] = [files.lstat(path), files.contentOf(path)];
    if (!isArchiveName(String(name)) || facts === null || content === null) continue;
    const { device, inode, bytes, modifiedUs, changedUs } = facts;
    // Of those it has nothing to say.
    if (typeof inode === 'bigint') continue;
    const other = {
      ...{ device, inode, bytes, modifiedUs, changedUs },
      [fact]: (fact === 'inode' ? inode : facts[fact]) + by,
    };
    remembered.push({ stamp: other, changedUs: other.changedUs, reading: untrue(content, identityOf()) });
  }
  return Buffer.concat(await encodeReadings(remembered, remembered.length, new Pace()));
}

function untrue(content: Buffer, identity: Identity): Pick<Reading, keyof Remembered['reading']> {
  const staleTailBytes = contentOf(content).staleTailBytes + 512;
  return { identity, because: null, runtime: 'containerd', hint: null, staleTailBytes };
}
