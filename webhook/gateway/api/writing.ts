import type { PodNodes } from '../../../kube/pod-nodes.ts';
import type { Log } from '../../../kube/types.ts';
import { CHECKPOINT_API, type Checkpoint } from '../../../policy/checkpoint-object.ts';
import { fieldsOf, own, text } from '../../../policy/json.ts';
import { checkpointOf, listedArchiveIn } from '../../../policy/listed-archive.ts';
import { notThere, waitSecondsOf } from '../gateway.ts';
import { ApiError } from './api-error.ts';
import { type ApiCall, answer, warnings } from './call.ts';
import { groundsIn, type NodeAnswer, type NodeArchives, type NodePlace } from './node-archives.ts';
import { pinIn } from './patch.ts';
import type { Located, Reading } from './reading.ts';
import { type Wanted, wantedIn } from './wanted.ts';

export interface WritingOptions {
  readonly nodes: Pick<NodeArchives, 'ask'>;
  readonly places: PodNodes;
  readonly reading: Pick<Reading, 'find'>;
  readonly log: Log;
}

const WRITE_MS = 10_000;

/** Takes checkpoints, deletes archives and pins them, in the name of whom the API server has let through. */
export class Writing {
  readonly #options: WritingOptions;

  constructor(options: WritingOptions) {
    this.#options = options;
  }

  /** @param pod of `pods/checkpoint`; null where the body names it. */
  async create(call: ApiCall, namespace: string, pod: string | null): Promise<void> {
    const wanted = wantedIn(await call.body(), namespace, pod);
    const isDry = isDryRun(call.query.getAll('dryRun'));
    const place = await this.#find(wanted, false);
    const [at, { value, headers }] = await this.#take(call, wanted, place, isDry);
    if (isDry) {
      const grounds = groundsIn(value);
      if (grounds instanceof ApiError) throw grounds;
      answer(call, 201, planned(wanted, at.node), warnings([`a checkpoint would be taken: ${grounds}`]));
      return;
    }
    const archive = listedArchiveIn(value);
    if (archive === null) {
      throw new ApiError(500, 'the checkpoint was taken, and its archive is gone already', { cause: value });
    }
    this.#tell(call, 'took a checkpoint through the API', checkpointOf(archive, at.node));
    const grounds = headers['checkpoint-warden-expected'];
    answer(call, 201, checkpointOf(archive, at.node), {
      ...(grounds !== undefined && { 'checkpoint-warden-expected': grounds }),
    });
  }

  async delete(call: ApiCall, namespace: string, name: string): Promise<void> {
    const options = fieldsOf(await call.body());
    const inBody = own(options, 'dryRun');
    const isDry = isDryRun([
      ...call.query.getAll('dryRun'),
      ...(Array.isArray(inBody) ? inBody.map(String) : []),
    ]);
    const located = await this.#options.reading.find(namespace, name, call.signal);
    const { checkpoint } = located;
    requireSame(checkpoint, fieldsOf(own(options, 'preconditions')));
    if (checkpoint.status.pinned) {
      const remedy = 'take the label checkpoint.criu.org/pinned away first';
      throw new ApiError(409, `checkpoint "${name}" is pinned; ${remedy}`, { name });
    }
    if (!isDry) {
      await this.#ask(call, located, 'delete');
      this.#tell(call, 'deleted an archive through the API', checkpoint);
    }
    const { uid } = checkpoint.metadata;
    const details = { name, group: CHECKPOINT_API.group, kind: CHECKPOINT_API.plural, uid };
    answer(call, 200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details });
  }

  async patch(call: ApiCall, namespace: string, name: string): Promise<void> {
    const patch = await call.body();
    const isDry = isDryRun(call.query.getAll('dryRun'));
    const located = await this.#options.reading.find(namespace, name, call.signal);
    const pin = pinIn(located.checkpoint, call.contentType, patch);
    if (pin === null || isDry) return answer(call, 200, located.checkpoint);
    const { value } = await this.#ask(call, located, pin ? 'pin' : 'unpin');
    const archive = listedArchiveIn(value);
    if (archive === null) throw new ApiError(502, `node ${located.place.node} gave an answer that is none`);
    this.#tell(call, `${pin ? 'pinned' : 'unpinned'} an archive through the API`, located.checkpoint);
    answer(call, 200, checkpointOf(archive, located.place.node));
  }

  async #ask(
    call: ApiCall,
    { place, checkpoint }: Located,
    kind: 'delete' | 'pin' | 'unpin',
  ): Promise<NodeAnswer> {
    const { name, namespace } = checkpoint.metadata;
    try {
      const route = { kind, namespace, name };
      return await this.#options.nodes.ask(place, route, call.user, WRITE_MS, call.signal);
    } catch (error) {
      if (error instanceof ApiError && error.fields.code === 'noArchive') throw ApiError.notFound(name);
      throw error;
    }
  }

  async #take(
    call: ApiCall,
    wanted: Wanted,
    place: NodePlace,
    isDry: boolean,
  ): Promise<readonly [NodePlace, NodeAnswer]> {
    const { nodes } = this.#options;
    const ask = (at: NodePlace) => {
      const kind = isDry ? ('verdict' as const) : ('create' as const);
      return nodes.ask(at, { kind, ...wanted }, call.user, waitSecondsOf(wanted) * 1_000, call.signal);
    };
    try {
      return [place, await ask(place)];
    } catch (error) {
      if (!(error instanceof ApiError && error.fields.code === 'elsewhere')) throw error;
      // The door did nothing; what is remembered of the pod was old.
      const again = await this.#find(wanted, true);
      if (again.node === place.node) throw error;
      return [again, await ask(again)];
    }
  }

  async #find({ namespace, pod }: Wanted, fresh: boolean): Promise<NodePlace> {
    const place = await this.#options.places.find(namespace, pod, fresh).catch((cause: unknown) => {
      throw new ApiError(503, `the API server does not say where pod ${namespace}/${pod} is`, { cause });
    });
    if (place.kind === 'there') return place;
    const { status, message, code } = notThere(`${namespace}/${pod}`, place);
    throw new ApiError(status, message, { code });
  }

  #tell({ user }: ApiCall, what: string, { metadata, spec, status }: Checkpoint): void {
    const { namespace, name } = metadata;
    const { podName: pod, containerName: container, nodeName: node } = spec;
    const fields = { namespace, name, pod, container, node, archive: status.archive };
    this.#options.log.info({ ...fields, user: user.username }, what);
  }
}

/** @throws ApiError 400 */
function isDryRun(values: readonly string[]): boolean {
  const other = values.find((each) => each !== 'All');
  if (other === undefined) return values.length > 0;
  throw new ApiError(400, `dryRun=${JSON.stringify(other)} is none; All is the only one`);
}

/** @throws ApiError 409 */
function requireSame({ metadata }: Checkpoint, preconditions: object): void {
  const fields = fieldsOf(preconditions);
  for (const key of ['uid', 'resourceVersion'] as const) {
    const wanted = text(own(fields, key));
    if (wanted === '' || wanted === metadata[key]) continue;
    const message = `the ${key} in the precondition is ${wanted}, and that of the checkpoint ${metadata[key]}`;
    throw new ApiError(409, message, { name: metadata.name, uid: metadata.uid });
  }
}

/** What a dry run shows: the name is made of what is not there yet. */
function planned({ namespace, pod, container, timeoutSeconds }: Wanted, nodeName: string): object {
  const { groupVersion: apiVersion, kind } = CHECKPOINT_API;
  return {
    ...{ apiVersion, kind },
    metadata: { name: `${pod}-${container}`, namespace },
    spec: {
      ...{ podName: pod, containerName: container, nodeName },
      ...(timeoutSeconds !== undefined && { timeoutSeconds }),
    },
  };
}
