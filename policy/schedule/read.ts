import type { Authority, Finding } from '../types.ts';
import type { Schedule } from './types.ts';

export interface ReadScheduleOptions {
  /** The file that the document was read from. */
  readonly file?: string;
  /** A file's word is the administrator's; in a cluster it follows from the resource. */
  readonly authority?: Authority;
}

export interface ScheduleReading {
  /** Null when the document is no such resource at all. One with errors takes nothing (`sound` is false). */
  readonly schedule: Schedule | null;
  /** What one schedule can be told without knowing policies and other schedules. */
  readonly findings: readonly Finding[];
}

/** Reads one document into a schedule. Everything that is wrong is found in one go. Never throws. */
export function readSchedule(document: unknown, options: ReadScheduleOptions = {}): ScheduleReading {
  throw new Error(`to come: ${typeof document} ${options.file ?? ''}`);
}
