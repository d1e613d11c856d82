import { open } from 'node:fs/promises';
import { fieldsOf, own, text } from '../../../policy/json.ts';
import { at } from '../replicas/manifest.ts';

/** One request of a node's collector, as the API server's audit log has it. */
export interface Asked {
  readonly node: string;
  /** `get`, `list`, `watch`, `patch` … */
  readonly verb: string;
  /** `pods`, `checkpointnodes/status` … */
  readonly resource: string;
  /** Milliseconds since the epoch, when it came. */
  readonly at: number;
  readonly status: number;
}

const COLLECTOR = 'system:serviceaccount:checkpoint-warden:collector';

/** Follows an audit log; each reading brings what has come since the last one. */
export function auditReader(file: string): () => Promise<readonly Asked[]> {
  let offset = 0;
  let rest = '';
  return async () => {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      const bytes = Buffer.alloc(size - offset);
      await handle.read(bytes, 0, bytes.length, offset);
      offset = size;
      const lines = (rest + bytes.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      return lines.flatMap(asked);
    } finally {
      await handle.close();
    }
  };
}

/** A watch is told of when its answer begins, all else when it is answered. */
function asked(line: string): readonly Asked[] {
  const event: unknown = JSON.parse(line);
  if (text(at(event, 'user', 'username')) !== COLLECTOR) return [];
  const verb = text(at(event, 'verb'));
  if (text(at(event, 'stage')) !== (verb === 'watch' ? 'ResponseStarted' : 'ResponseComplete')) return [];
  const names = at(event, 'user', 'extra', 'authentication.kubernetes.io/node-name');
  const reference = fieldsOf(at(event, 'objectRef'));
  return [
    {
      node: text(Array.isArray(names) ? names[0] : undefined),
      verb,
      resource: [own(reference, 'resource'), own(reference, 'subresource')].filter(Boolean).join('/'),
      at: Date.parse(text(at(event, 'requestReceivedTimestamp'))),
      status: Number(at(event, 'responseStatus', 'code')),
    },
  ];
}

/** How many there are of each: `{'get pods': 600}`. */
export function tally(requests: readonly Asked[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { verb, resource } of requests) {
    const key = `${verb} ${resource}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** The most that came within one second. */
export function mostInASecond(requests: readonly Asked[]): number {
  const times = requests.map((each) => each.at).sort((one, other) => one - other);
  let [first, most] = [0, 0];
  for (const [last, time] of times.entries()) {
    while ((times[first] ?? time) < time - 1_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}
