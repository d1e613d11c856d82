import { GROUP, type Schema, VERSION } from './schema.ts';

export const NODE_KIND = 'CheckpointNode';
export const NODE_PLURAL = 'checkpointnodes';
export const NODE_API_VERSION = `${GROUP}/${VERSION}`;

/** Namespaces that a node's object names. */
export const MOST_NAMESPACES = 10;
/** Complaints that it names, and characters of one. */
export const MOST_COMPLAINTS = 5;
export const LONGEST_COMPLAINT = 256;
/** Policies that it names. */
export const MOST_POLICIES = 32;
/** How often an object is written that does not change, in milliseconds: its last scan tells that somebody looks. */
export const HEARTBEAT_MS = 5 * 60_000;

/** What has become of a policy on a node. */
export const POLICY_STATES = [
  'Acting',
  'Planning',
  'WaitsForConfirmation',
  'WaitsForCheckpoint',
  'OtherDirectory',
] as const;
export type PolicyState = (typeof POLICY_STATES)[number];

const count = (description: string): Schema => ({ type: 'integer', minimum: 0, description });
/** Bounded, for whoever takes a node over writes its object. */
const texts = (description: string): Schema => ({
  type: 'string',
  maxLength: LONGEST_COMPLAINT,
  description,
});

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
    evictions: count('Of these, such as had to go because the disk was too full.'),
    errors: count('Operations that failed since then.'),
    waiting: count('Policies whose deletions wait for confirmation.'),
    complaints: {
      type: 'array',
      maxItems: MOST_COMPLAINTS,
      description: 'What is wrong now, a sentence each, the gravest first.',
      items: { type: 'string', maxLength: LONGEST_COMPLAINT },
    },
    topNamespaces: {
      type: 'array',
      maxItems: MOST_NAMESPACES,
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
    policiesSeen: texts(
      'Which versions of all policies it goes by, as one digest; absent while it goes by none.',
    ),
    policies: {
      type: 'array',
      maxItems: MOST_POLICIES,
      description: 'Those that have archives here or wait for something.',
      items: {
        type: 'object',
        properties: {
          namespace: texts('Where the resource is.'),
          name: texts('Its name.'),
          uid: texts('Its UID.'),
          generation: count('Its version.'),
          state: { type: 'string', enum: POLICY_STATES, description: 'What has become of it here.' },
          archives: count('Archives that it governs.'),
          bytes: count('Their length together.'),
          plan: {
            type: 'object',
            description: 'What it would delete if it were confirmed.',
            properties: {
              digest: texts('What is to be confirmed.'),
              deletions: count('Archives that would go.'),
              bytes: count('Their length together.'),
              archives: count('Archives of the node when it was held.'),
            },
          },
        },
      },
    },
    policiesUnnamed: count('How many more of those there are.'),
    lastScanTime: texts('When the directory was last looked at whole, RFC 3339.'),
  },
};
