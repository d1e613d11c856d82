import type { Output } from '../context.ts';
import { type Paint, paintFor } from '../paint.ts';
import { wrap } from '../text.ts';

const INDENT = '  ';
/** A text for reading is not made wider than this. */
const WIDEST = 100;

/** Where the demonstration is told: headings, sentences, quoted files and answers. */
export class Stage {
  readonly output: Output;
  readonly paint: Paint;
  #headings = 0;

  constructor(output: Output) {
    this.output = output;
    this.paint = paintFor(output);
  }

  title(text: string): void {
    this.output.write(`\n${this.paint('bold', text)}\n`);
  }

  /** A numbered heading. */
  heading(text: string): void {
    this.#headings += 1;
    this.output.write(`\n${this.paint('cyan', `${this.#headings}.`)} ${this.paint('bold', text)}\n\n`);
  }

  /** Sentences, wrapped. */
  say(text: string): void {
    this.#lines(wrap(text, this.#room()));
  }

  /** What somebody types. */
  command(text: string): void {
    this.output.write(`${INDENT}${this.paint('dim', '$')} ${text}\n`);
  }

  /** A file, quoted line by line. */
  quote(text: string): void {
    this.#lines(
      text
        .trimEnd()
        .split('\n')
        .map((line) => this.paint('dim', `| ${line}`)),
    );
  }

  /** An answer, each line wrapped and what is wrapped set in. */
  answer(text: string, colour?: Parameters<Paint>[0]): void {
    for (const line of text.split('\n')) {
      const [first = '', ...rest] = wrap(line, this.#room() - 4);
      const lines = [first, ...rest.map((each) => `    ${each}`)];
      this.#lines(colour === undefined ? lines : lines.map((each) => this.paint(colour, each)));
    }
  }

  /** A text that is laid out already. */
  block(text: string): void {
    this.#lines(text.trimEnd().split('\n'));
  }

  gap(): void {
    this.output.write('\n');
  }

  /** The output for tables, which leaves room for the indent. */
  get inset(): Output {
    const { output } = this;
    const width = output.width === null ? null : output.width - INDENT.length;
    return { write: output.write, isTerminal: output.isTerminal, hasColour: output.hasColour, width };
  }

  #lines(lines: readonly string[]): void {
    for (const line of lines) this.output.write(line === '' ? '\n' : `${INDENT}${line}\n`);
  }

  #room(): number {
    return Math.min(this.output.width ?? WIDEST, WIDEST) - INDENT.length;
  }
}
