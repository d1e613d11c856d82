import { styleText } from 'node:util';
import type { Output } from './context.ts';

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Puts colour on a text, where it is wanted. */
export type Paint = (colour: Colour, text: string) => string;

export function paintFor(output: Output): Paint {
  if (!output.hasColour) return (_, text) => text;
  return (colour, text) => styleText(colour, text, { validateStream: false });
}
