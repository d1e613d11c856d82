import { createHash } from 'node:crypto';
import { NODE_DIGITS, nodeDigits } from '../../../kube/node-digits.ts';
import type { Archive, Identity } from '../../../policy/types.ts';

/** An archive whose identity is known: those of unknown identity belong to no namespace, and are nobody's object. */
export type OwnedArchive = Archive & { readonly identity: Identity };

/** Standing still, and of somebody: what the API shows. */
export function isListed(archive: Archive | null): archive is OwnedArchive {
  return archive !== null && archive.state === 'complete' && archive.identity !== null;
}

const ARCHIVE_DIGITS = 12;
/** Of a DNS label. */
const LONGEST = 63;
const LONGEST_SLUG = LONGEST - NODE_DIGITS - ARCHIVE_DIGITS - 1;

/**
 * The name of an archive as an object: `cart-main-1f0c9a7b3d5e2468`. What people read in front is cut where it is
 * long; what makes it unique is behind: four digits of the node's name, and twelve of the node, the file, its time of
 * modification and its size. So two nodes' equal file names differ, an archive that is written over is another
 * object, and one that keeps its content keeps its name across restarts, reboots and a restored backup.
 */
export function archiveName(node: string, archive: OwnedArchive): string {
  const { pod, container } = archive.identity;
  return `${slugOf(pod, container)}-${nodeDigits(node)}${digestOf(node, archive).slice(0, ARCHIVE_DIGITS)}`;
}

/** In the form of a UUID; the same for the same archive. */
export function archiveUid(node: string, archive: OwnedArchive): string {
  const hex = digestOf(node, archive);
  const parts = [hex.slice(12, 20), hex.slice(20, 24), `8${hex.slice(25, 28)}`, `8${hex.slice(29, 32)}`];
  return [...parts, hex.slice(32, 44)].join('-');
}

/** Whether an archive of this pod and container can have that name. */
export function mayBeNamed(name: string, { pod, container }: Identity): boolean {
  return name.slice(0, -(NODE_DIGITS + ARCHIVE_DIGITS + 1)) === slugOf(pod, container);
}

function digestOf(node: string, { file, modifiedAt, bytes }: Archive): string {
  return createHash('sha256').update(`${node}\0${file}\0${modifiedAt}\0${bytes}`).digest('hex');
}

/** Pod names may hold dots, which a label must not; a cut must not end in a dash. */
function slugOf(pod: string, container: string): string {
  const whole = `${pod}-${container}`.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  const slug = whole.slice(0, LONGEST_SLUG).replace(/^-+|-+$/g, '');
  return /^[a-z0-9]/.test(slug) ? slug : 'archive';
}
