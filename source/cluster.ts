import type { KubeClient } from '../kube/client.ts';
import { Informer, type InformerOptions } from '../kube/informer.ts';
import type { Log } from '../kube/types.ts';
import { formatFinding } from '../policy/findings.ts';
import { resourceKey } from '../policy/govern.ts';
import { fieldsOf, type JsonObject, own, text } from '../policy/json.ts';
import { readResource } from '../policy/read.ts';
import { API_VERSION, AUTHORITY_ANNOTATION, CONFIRM_ANNOTATION, PLURAL } from '../policy/schema.ts';
import type { Finding, PolicyResource } from '../policy/types.ts';
import type { PolicySource, Problem, StoredPolicy } from './source.ts';

export interface ClusterPolicySourceOptions
  extends Pick<InformerOptions<unknown>, 'now' | 'random' | 'sleep' | 'timing'> {
  readonly client: KubeClient;
  readonly log?: Log;
  /** Whether the status of each object is kept, for who writes it; default false. */
  readonly keepsStatus?: boolean;
}

/** A policy source that knows how old its word is. */
export interface ClusterPolicySource extends PolicySource {
  /** Milliseconds since the resources were last known to be the server's, for a gauge. */
  staleness(): number;
  /** All objects; with their status where that is kept. */
  stored(): Iterable<StoredPolicy>;
  /** Calls back after each change, also one of a status that is kept. @returns a function that ends it. */
  onStored(listener: () => void): () => void;
}

interface Read extends StoredPolicy {
  /** Those annotations that say something, as one text. */
  readonly annotations: string;
}

/** The policies of a cluster, by list and watch. */
export function clusterPolicySource(options: ClusterPolicySourceOptions): ClusterPolicySource {
  return new InformedSource(options);
}

class InformedSource implements ClusterPolicySource {
  readonly #log: Log | undefined;
  readonly #keepsStatus: boolean;
  readonly #informer: Informer<Read>;
  readonly #listeners = new Set<() => void>();
  /** The last version of each resource without errors, by uid. */
  readonly #lastGood = new Map<string, PolicyResource>();
  #resources: readonly PolicyResource[] | null = null;
  /** What listeners were told of. */
  #told: readonly Read[] = [];

  constructor({ client, log, keepsStatus = false, ...rest }: ClusterPolicySourceOptions) {
    this.#log = log;
    this.#keepsStatus = keepsStatus;
    this.#informer = new Informer<Read>({
      client,
      path: `/apis/${API_VERSION}/${PLURAL}`,
      parse: (object) => this.#read(object),
      ...(log && { log }),
      ...rest,
    });
    this.#informer.onChange(() => this.#changed());
  }

  start(): Promise<void> {
    return this.#informer.start().catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`the policies cannot be read from the API server: ${why}`, { cause });
    });
  }

  resources(): readonly PolicyResource[] {
    this.#resources ??= [...this.#informer.values()].flatMap(({ resource }) => resource ?? []);
    return this.#resources;
  }

  stored(): Iterable<StoredPolicy> {
    return this.#informer.values();
  }

  problems(): readonly Problem[] {
    return [...this.#informer.values()].flatMap(({ resource, findings }) =>
      findings.map((finding) => ({ resource: resource ? resourceKey(resource.reference) : '', finding })),
    );
  }

  isFresh(): boolean {
    return this.#informer.isFresh();
  }

  staleness(): number {
    return this.#informer.staleness();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onStored(listener: () => void): () => void {
    return this.#informer.onChange(listener);
  }

  stop(): Promise<void> {
    return this.#informer.stop();
  }

  #changed(): void {
    const reads = [...this.#informer.values()];
    const isSame =
      reads.length === this.#told.length &&
      reads.every((each, index) => saysTheSame(each, this.#told[index]));
    this.#told = reads;
    if (isSame) return;
    this.#resources = null;
    const there = new Set<string>();
    for (const { uid } of reads) if (uid !== '') there.add(uid);
    for (const uid of this.#lastGood.keys()) if (!there.has(uid)) this.#lastGood.delete(uid);
    for (const listener of this.#listeners) listener();
  }

  /**
   * A status that was written changes nothing of what a resource says: then what was read of it stays, and where
   * nobody keeps statuses, the whole. So five thousand collectors do not plan anew for a figure in it.
   */
  #read(object: JsonObject): Read {
    const metadata = fieldsOf(own(object, 'metadata'));
    const [namespace, name] = [text(own(metadata, 'namespace')), text(own(metadata, 'name'))];
    const [uid, counted] = [text(own(metadata, 'uid')), own(metadata, 'generation')];
    const generation = typeof counted === 'number' ? counted : 0;
    const annotations = wordsOf(metadata);
    const resourceVersion = text(own(metadata, 'resourceVersion'));
    const status = this.#keepsStatus ? fieldsOf(own(object, 'status')) : {};
    const former = this.#informer.get(`${namespace}/${name}`);
    const isFormer = uid !== '' && generation > 0 && former?.uid === uid && former.generation === generation;
    if (isFormer && former.annotations === annotations) {
      return this.#keepsStatus ? { ...former, resourceVersion, status } : former;
    }
    const { resource, findings } = this.#inForce(object);
    return { namespace, name, uid, generation, resourceVersion, resource, findings, status, annotations };
  }

  /**
   * Stored resources have passed the webhook, but for those written while it was not registered. An edit that is
   * not sound leaves the last good version of the same object in force.
   */
  #inForce(object: JsonObject): {
    readonly resource: PolicyResource | null;
    readonly findings: readonly Finding[];
  } {
    const { resource, findings } = readResource(object);
    if (resource === null) return { resource, findings };
    // It stays for long: its text takes a tenth of the objects that it is worked out of.
    void resource.canonicalSpec;
    const { uid = '' } = resource.reference;
    if (resource.sound) {
      this.#lastGood.set(uid, resource);
      return { resource, findings };
    }
    const good = this.#lastGood.get(uid);
    for (const each of findings) {
      if (each.severity !== 'error') continue;
      const fields = { resource: resourceKey(resource.reference), code: each.code, field: each.field };
      const fate = good ? 'the last good version stays in force' : 'until it is mended its targets are held';
      this.#log?.error(fields, `${formatFinding(each)}; ${fate}`);
    }
    return { resource: good ?? resource, findings };
  }
}

function saysTheSame(one: Read, other: Read | undefined): boolean {
  return one.resource === other?.resource && one.findings === other.findings;
}

/** Who stands behind it, and what was confirmed: all that metadata says of a policy. */
function wordsOf(metadata: JsonObject): string {
  const annotations = fieldsOf(own(metadata, 'annotations'));
  return JSON.stringify([AUTHORITY_ANNOTATION, CONFIRM_ANNOTATION].map((key) => text(own(annotations, key))));
}
