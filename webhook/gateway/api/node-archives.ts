import type { UserInfo } from '../../../kube/types.ts';
import { ACTOR_HEADER, type ArchiveRoute, archivePath } from '../../../policy/archive-routes.ts';
import { fieldsOf, own, text } from '../../../policy/json.ts';
import type { DoorClient } from '../door-client.ts';
import { refusalFor } from '../gateway.ts';
import { ApiError } from './api-error.ts';

export interface NodePlace {
  readonly node: string;
  /** Empty where it has none. */
  readonly address: string;
}

export interface NodeArchivesOptions {
  readonly doors: Pick<DoorClient, 'ask'>;
  /** The gateway's own token. */
  readonly token: () => Promise<string>;
  /** All of the cluster. */
  readonly nodes: () => readonly NodePlace[];
}

export interface NodeAnswer {
  /** JSON. */
  readonly value: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

/** A page has at most 512 KiB and one item more; a name in it may have many bytes. */
const MOST_BYTES = 2 * 1024 * 1024;

/** The doors of the nodes, asked in the gateway's own name, and acted through in that of its callers. */
export class NodeArchives {
  readonly #options: NodeArchivesOptions;

  constructor(options: NodeArchivesOptions) {
    this.#options = options;
  }

  /** By name. */
  nodes(): readonly NodePlace[] {
    return [...this.#options.nodes()].sort((one, other) => (one.node < other.node ? -1 : 1));
  }

  /**
   * @param actor in whose name; null for what is read.
   * @throws ApiError the door's refusal, or 503 and the like for a door that gives no answer; the signal's reason
   */
  async ask(
    { node, address }: NodePlace,
    route: ArchiveRoute,
    actor: UserInfo | null,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<NodeAnswer> {
    if (address === '') throw new ApiError(503, `node ${node} has no internal address`);
    const { method, path } = archivePath(route);
    const outcome = await this.#options.doors.ask({
      ...{ address, method, path, waitMs, signal },
      authorization: `Bearer ${await this.#options.token()}`,
      bodyBytes: MOST_BYTES,
      ...(actor !== null && { headers: { [ACTOR_HEADER]: actorText(actor) } }),
    });
    if (outcome.kind !== 'answered') {
      const { status, message, cause } = refusalFor(outcome, node, Math.ceil(waitMs / 1_000));
      throw new ApiError(status, message, { cause });
    }
    const { status, headers, body } = outcome;
    const content = body.toString('utf8');
    if (status === 200) return { value: parsed(content, node), headers };
    throw refusedBy(node, status, headers, content.trim());
  }
}

function actorText({ username, uid }: UserInfo): string {
  const actor = { username, ...(uid !== undefined && { uid }) };
  return Buffer.from(JSON.stringify(actor)).toString('base64url');
}

/** What a door says about the gateway itself is no business of the caller's. */
function refusedBy(
  node: string,
  status: number,
  headers: Readonly<Record<string, string>>,
  message: string,
): ApiError {
  const code = headers['checkpoint-warden-refusal'] ?? '';
  const isOurs = OURS.has(code) || (status === 404 && code === '') || code === 'noSuchPath';
  if (isOurs) {
    const why = `the door of node ${node} does not tell the gateway of its archives`;
    const remedy = "an administrator finds the cause in the gateway's log";
    return new ApiError(503, `${why}; ${remedy}`, { cause: new Error(`${status} ${message}`) });
  }
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  return new ApiError(status, message || `node ${node} refused`, {
    code,
    ...(Number.isFinite(seconds) && { retryAfterSeconds: seconds }),
  });
}

const OURS: ReadonlySet<string> = new Set(['unauthenticated', 'forbidden', 'badArchivePath']);

function parsed(content: string, node: string): unknown {
  try {
    return JSON.parse(content);
  } catch (cause) {
    throw new ApiError(502, `the door of node ${node} gave an answer that is none`, { cause });
  }
}

/** What a verdict of a door says: its grounds, or an error as the checkpoint would have had it. */
export function groundsIn(value: unknown): string | ApiError {
  const fields = fieldsOf(value);
  if (own(fields, 'allowed') === true) return text(own(fields, 'grounds'));
  const [status, seconds] = [own(fields, 'status'), own(fields, 'retryAfterSeconds')];
  return new ApiError(typeof status === 'number' ? status : 500, text(own(fields, 'message')), {
    ...(typeof seconds === 'number' && { retryAfterSeconds: seconds }),
  });
}
