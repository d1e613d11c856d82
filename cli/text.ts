/**
 * What cannot stand on a terminal as it is: control and format characters (some turn the line round), what is
 * unassigned or private, and lone surrogates. The backslash is escaped so that nobody can forge an escape.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\\]/gu;
const UNPRINTABLE_OR_SPACE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Z}\\]/gu;

const SHORT: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\\', '\\\\'],
]);

/** A sentence that may hold names from outside, on one line and without anything a terminal would obey. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** The name of a file as one word of a table: spaces are escaped, too, and bytes that are no UTF-8. */
export function printableName(name: string | Uint8Array): string {
  if (typeof name === 'string') return name.replace(UNPRINTABLE_OR_SPACE, escaped);
  let text = '';
  for (const byte of name) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x5c;
    text += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return text;
}

function escaped(character: string): string {
  const short = SHORT.get(character);
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/gu;
const COMBINING = /\p{M}/gu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape that begins a colour
const COLOUR = /\u001b\[[0-9;]*m/g;
const PLAIN = /^[\x20-\x7e]*$/;

/** Columns that a text takes on a terminal, colours not counted. */
export function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  const bare = text.replace(COLOUR, '').replace(COMBINING, '');
  return [...bare].length + (bare.match(WIDE)?.length ?? 0);
}

/** Breaks a text at spaces into lines of at most `width` columns; a longer word stands alone. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines;
}
