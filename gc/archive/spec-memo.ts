import { readSpec, type SpecReading } from './annotations.ts';

/** Of a `spec.dump` that is worth remembering; they have some 10 KB. */
const LONGEST = 64 * 1024;

const last = { bytes: Buffer.alloc(LONGEST), length: -1, reading: null as SpecReading | null };

/**
 * What `readSpec` says. All checkpoints of one container hold the same spec to the byte, and to compare it with the
 * one read last takes a hundredth of reading it: who reads the archives of a container one after the other reads its
 * spec once.
 */
export function readSpecOnce(spec: Buffer): SpecReading {
  const { bytes, length, reading: known } = last;
  if (known !== null && spec.length === length && bytes.compare(spec, 0, length, 0, length) === 0)
    return known;
  const reading = readSpec(spec);
  if (spec.length > LONGEST) return reading;
  spec.copy(bytes);
  last.length = spec.length;
  last.reading = reading;
  return reading;
}
