import { type Container, containerName, fileKey } from '../../../gc/door/container.ts';
import type { Kubelet } from '../../../gc/door/kubelet.ts';
import type { KubeletOutcome } from '../../../gc/door/kubelet-answer.ts';
import type { Clock } from '../../../gc/system/clock.ts';
import { archive, entry, spec } from '../archives.ts';
import type { FakeFiles } from '../fake-files.ts';

/** What one checkpoint comes to. Milliseconds count from the request. */
export interface Course {
  /** When the caller gets his answer. */
  readonly answerMs: number;
  readonly answer: 'ok' | 'failed' | 'lost' | 'unknown' | 'notRunning' | 'unsent' | 'frozen';
  /** When the whole archive is there; null for never. */
  readonly archiveMs: number | null;
  readonly bytes: number;
}

export const WELL: Course = { answerMs: 300, answer: 'ok', archiveMs: 290, bytes: 10_240 };

/** Kubelet and runtime of a node in memory: one file name a second, written in place, as the real ones do. */
export class FakeRuntime {
  readonly #files: FakeFiles;
  readonly #directory: string;
  readonly #clock: Clock;
  /** The course of the next checkpoints; then `standard`. */
  readonly courses: Course[] = [];
  standard: Course = WELL;
  /** Files over which another archive was written. */
  readonly overwritten: string[] = [];
  readonly begun: string[] = [];
  /** Whose each file is. */
  readonly owners = new Map<string, Container>();
  underWay = 0;
  mostUnderWay = 0;
  /** Names under way: two at once is what the door is there to prevent. */
  readonly #names = new Set<string>();
  readonly doubled: string[] = [];
  onWrite: (file: string) => void = () => {};

  constructor(files: FakeFiles, directory: string, clock: Clock) {
    this.#files = files;
    this.#directory = directory;
    this.#clock = clock;
  }

  /** The kubelet as one door sees it, while that door lives. */
  kubelet(life: { readonly alive: boolean }): Kubelet {
    return {
      checkpoint: async (container) => {
        if (!life.alive) return new Promise(() => {});
        return this.#checkpoint(container);
      },
      close() {},
    };
  }

  #checkpoint(container: Container): Promise<KubeletOutcome> {
    const course = this.courses.shift() ?? this.standard;
    const { answerMs, archiveMs, bytes, answer } = course;
    const key = fileKey(container);
    const second = new Date(this.#clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    const file = `checkpoint-${key}-${second}.tar`;
    this.begun.push(containerName(container));
    if (this.#names.has(key)) this.doubled.push(key);
    this.#names.add(key);
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    if (archiveMs !== null) this.#clock.after(archiveMs, () => this.#write(file, container, bytes));
    return new Promise((resolve) => {
      this.#clock.after(answerMs, () => {
        this.underWay -= 1;
        this.#names.delete(key);
        resolve(outcome(answer, file, container));
      });
    });
  }

  #write(file: string, container: Container, bytes: number): void {
    const path = `${this.#directory}/${file}`;
    if (this.#files.exists(path)) this.overwritten.push(file);
    this.owners.set(file, container);
    this.#files.write(path, archiveOf(container, bytes), this.#clock.now());
    this.onWrite(file);
  }
}

function outcome(answer: Course['answer'], file: string, container: Container): KubeletOutcome {
  const text = `checkpointing of ${containerName(container)} failed (rpc error: /run/secret/path)`;
  switch (answer) {
    case 'ok':
      return { kind: 'done', file, item: `/var/lib/kubelet/checkpoints/${file}` };
    case 'frozen':
      return { kind: 'failed', text: `${text} is not running`, standsStill: true };
    case 'failed':
      return { kind: 'failed', text, standsStill: false };
    default:
      return { kind: answer, text };
  }
}

const SMALLEST = 4_096;

/** A sound archive of about so many bytes, at least 4 KiB. */
export function archiveOf({ namespace, pod, container }: Container, bytes: number): Buffer {
  const annotations = {
    'io.kubernetes.cri.container-type': 'container',
    'io.kubernetes.cri.sandbox-namespace': namespace,
    'io.kubernetes.cri.sandbox-name': pod,
    'io.kubernetes.cri.container-name': container,
    'io.kubernetes.cri.sandbox-uid': '394d9f75-b32a-4724-892d-f135011bf911',
  };
  const pages = Math.max(0, Math.ceil((bytes - SMALLEST) / 512) * 512);
  return archive(
    entry('checkpoint/pages-1.img', Buffer.alloc(pages, 7)),
    entry('config.dump', '{}'),
    entry('spec.dump', spec(annotations)),
  );
}
