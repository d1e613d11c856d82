import { BESIDE } from './conflicts.ts';
import type { PolicyRow } from './row.ts';
import { SAMPLES } from './samples.ts';
import { SOUND } from './sound.ts';
import { UNSOUND } from './unsound.ts';

export type { PolicyRow } from './row.ts';

/** Every policy of the table; each is tried against a real API server and offline. */
export const POLICIES: readonly PolicyRow[] = [...SAMPLES, ...SOUND, ...UNSOUND, ...BESIDE];
