import { GROUP, type Schema, VERSION } from './schema.ts';

export const NODE_KIND = 'CheckpointNode';
export const NODE_PLURAL = 'checkpointnodes';
export const NODE_API_VERSION = `${GROUP}/${VERSION}`;

/** Namespaces that a node's object names. */
export const MOST_NAMESPACES = 10;
/** Complaints that it names, and characters of one. */
export const MOST_COMPLAINTS = 5;
export const LONGEST_COMPLAINT = 256;

const count = (description: string): Schema => ({ type: 'integer', minimum: 0, description });
const texts = (description: string): Schema => ({ type: 'string', description });

/** What a node's collector says of its directory, for `kubectl get checkpointnodes`. */
export const NODE_STATUS: Schema = {
  type: 'object',
  description: 'What the collector of the node has seen; written on change, and every few minutes.',
  properties: {
    archives: count('Archives in the directory.'),
    bytes: count('Their length together.'),
    size: texts('The same for people, as 12.5Gi.'),
    pinned: count('Archives that a .keep file holds.'),
    unidentified: count('Archives that cannot be attributed to a container.'),
    tainted: count('Archives with bytes of another checkpoint behind their end.'),
    reservedBytes: count('Room that the door has promised to checkpoints under way.'),
    disk: {
      type: 'object',
      description: 'The file system of the directory, whatever fills it.',
      properties: {
        totalBytes: count('Its size.'),
        freeBytes: count('What of it is free.'),
        used: texts('The rest as a share, as 43%.'),
      },
    },
    deletions: count('Archives deleted since the collector was started.'),
    errors: count('Operations that failed since then.'),
    waiting: count('Policies whose deletions wait for confirmation.'),
    complaints: {
      type: 'array',
      description: 'What is wrong now, a sentence each, the gravest first.',
      items: { type: 'string' },
    },
    topNamespaces: {
      type: 'array',
      description: 'The namespaces with the most bytes.',
      items: {
        type: 'object',
        properties: {
          namespace: texts('Whose memory the archives hold.'),
          archives: count('How many there are.'),
          bytes: count('Their length together.'),
        },
      },
    },
    lastScanTime: texts('When the directory was last looked at whole, RFC 3339.'),
  },
};
