import type { KubeClient } from '../kube/client.ts';
import { Informer, type InformerOptions } from '../kube/informer.ts';
import type { Log } from '../kube/types.ts';
import { formatFinding } from '../policy/findings.ts';
import { resourceKey } from '../policy/govern.ts';
import type { JsonObject } from '../policy/json.ts';
import { readResource } from '../policy/read.ts';
import { API_VERSION, PLURAL } from '../policy/schema.ts';
import type { Finding, PolicyResource } from '../policy/types.ts';
import type { PolicySource, Problem } from './source.ts';

export interface ClusterPolicySourceOptions
  extends Pick<InformerOptions<unknown>, 'now' | 'random' | 'sleep' | 'timing'> {
  readonly client: KubeClient;
  readonly log?: Log;
}

/** A policy source that knows how old its word is. */
export interface ClusterPolicySource extends PolicySource {
  /** Milliseconds since the resources were last known to be the server's, for a gauge. */
  staleness(): number;
}

interface Read {
  readonly resource: PolicyResource | null;
  readonly findings: readonly Finding[];
}

/** The policies of a cluster, by list and watch. */
export function clusterPolicySource(options: ClusterPolicySourceOptions): ClusterPolicySource {
  return new InformedSource(options);
}

class InformedSource implements ClusterPolicySource {
  readonly #log: Log | undefined;
  readonly #informer: Informer<Read>;
  /** The last version of each resource without errors, by uid. */
  readonly #lastGood = new Map<string, PolicyResource>();
  #resources: readonly PolicyResource[] | null = null;

  constructor({ client, log, ...rest }: ClusterPolicySourceOptions) {
    this.#log = log;
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
    return this.#informer.onChange(listener);
  }

  stop(): Promise<void> {
    return this.#informer.stop();
  }

  #changed(): void {
    this.#resources = null;
    const there = new Set<string>();
    for (const { resource } of this.#informer.values())
      if (resource?.reference.uid) there.add(resource.reference.uid);
    for (const uid of this.#lastGood.keys()) if (!there.has(uid)) this.#lastGood.delete(uid);
  }

  /**
   * Stored resources have passed the webhook, but for those written while it was not registered. An edit that is
   * not sound leaves the last good version of the same object in force.
   */
  #read(object: JsonObject): Read {
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
