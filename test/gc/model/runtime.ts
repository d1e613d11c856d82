import { type Container, containerName, fileKey } from '../../../gc/door/container.ts';
import type { Kubelet } from '../../../gc/door/kubelet.ts';
import type { KubeletOutcome } from '../../../gc/door/kubelet-answer.ts';
import type { Identity } from '../../../policy/types.ts';
import type { Dice } from '../../policy/dice.ts';
import type { FakeClock } from '../fake-clock.ts';
import type { FakeFiles } from '../fake-files.ts';
import { contentFor, overlaid } from './content.ts';
import { DIRECTORY } from './directory.ts';
import { type Life, never } from './life.ts';

/** What one checkpoint of the door comes to; milliseconds count from the request. */
export interface Course {
  readonly answer: 'ok' | 'failed' | 'lost' | 'notRunning' | 'unsent';
  readonly answerMs: number;
  /** When the first part of the archive is written; null for never. */
  readonly archiveMs: number | null;
  readonly parts: number;
  readonly blocks: number;
}

/** A runtime may work on for so long behind an answer that is none. */
const LATEST_MS = 8_000;

export function drawCourse(dice: Dice): Course {
  const answer = dice.pick<Course['answer']>(['ok', 'ok', 'ok', 'failed', 'lost', 'notRunning', 'unsent']);
  const answerMs = 100 + dice.roll(4_000);
  const [parts, blocks] = [1 + dice.roll(3), dice.roll(12)];
  const comes = !dice.once(4);
  if (answer === 'ok') return { answer, answerMs, archiveMs: comes ? answerMs / 2 : null, parts, blocks };
  const mayCome = answer === 'failed' || answer === 'lost';
  const archiveMs = comes && mayCome ? answerMs + dice.roll(LATEST_MS) : null;
  return { answer, answerMs, archiveMs, parts, blocks };
}

/** Kubelet and runtime: archives are written in place, part by part, under a name with a resolution of a second. */
export class Runtime {
  readonly courses: Course[] = [];
  /** Two checkpoints of the door under one name at a time. */
  readonly doubled: string[] = [];
  readonly #files: FakeFiles;
  readonly #clock: FakeClock;
  readonly #identityOf: (container: Container) => Identity;
  readonly #underWay = new Set<string>();

  constructor(files: FakeFiles, clock: FakeClock, identityOf: (container: Container) => Identity) {
    this.#files = files;
    this.#clock = clock;
    this.#identityOf = identityOf;
  }

  kubelet(life: Life): Kubelet {
    return {
      checkpoint: async (container) => {
        if (!life.alive) return await never();
        const outcome = await this.#checkpoint(container);
        return life.alive ? outcome : await never();
      },
      close() {},
    };
  }

  nameFor(container: Container): string {
    const second = new Date(this.#clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    return `checkpoint-${fileKey(container)}-${second}.tar`;
  }

  /** Writes an archive in so many parts, `everyMs` apart; of what was there the end stays where it is longer. */
  write(name: string, content: Buffer, parts: number, everyMs: number): void {
    const path = `${DIRECTORY}/${name}`;
    // Its directory may be gone.
    if (this.#files.stat(DIRECTORY) === null) return;
    if (this.#files.lstat(path)?.kind === 'directory') return;
    const before = this.#files.contentOf(path) ?? Buffer.alloc(0);
    const write = this.#files.writer(path);
    for (let part = 1; part <= parts; part += 1) {
      const bytes = Math.ceil((content.length * part) / parts);
      const put = () => write(overlaid(before, content, bytes), this.#clock.now());
      if (part === 1) put();
      else this.#clock.after((part - 1) * everyMs, put);
    }
  }

  #checkpoint(container: Container): Promise<KubeletOutcome> {
    const course = this.courses.shift() ?? {
      answer: 'ok',
      answerMs: 200,
      archiveMs: 100,
      parts: 1,
      blocks: 1,
    };
    const { answer, answerMs, archiveMs, parts, blocks } = course;
    const name = this.nameFor(container);
    if (this.#underWay.has(name)) this.doubled.push(name);
    this.#underWay.add(name);
    if (archiveMs !== null) {
      const everyMs = answer === 'ok' ? (answerMs - archiveMs) / (parts + 1) : 200;
      this.#clock.after(archiveMs, () =>
        this.write(name, contentFor(this.#identityOf(container), blocks), parts, everyMs),
      );
    }
    return new Promise((resolve) => {
      this.#clock.after(answerMs, () => {
        this.#underWay.delete(name);
        resolve(outcome(answer, name, container));
      });
    });
  }
}

function outcome(answer: Course['answer'], file: string, container: Container): KubeletOutcome {
  const text = `checkpointing of ${containerName(container)} failed`;
  if (answer === 'ok') return { kind: 'done', file, item: `${DIRECTORY}/${file}` };
  if (answer === 'failed') return { kind: 'failed', text, standsStill: false };
  return { kind: answer, text };
}
