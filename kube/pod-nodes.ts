import { isIP } from 'node:net';
import { isSubdomain } from '../policy/fields.ts';
import { fieldsOf, isObject, type JsonObject, own, text } from '../policy/json.ts';
import type { KubeClient } from './client.ts';
import { Informer, type InformerOptions } from './informer.ts';
import { type PlacedPodLookup, placedPodLookup } from './placed-pods.ts';
import { isOwnNotFound } from './pods.ts';
import type { Log } from './types.ts';

/** Where a pod's node is to be reached, or why it is not. */
export type PodPlace =
  | { readonly kind: 'there'; readonly node: string; readonly address: string }
  | { readonly kind: 'noPod' }
  | { readonly kind: 'unbound' }
  | { readonly kind: 'noNode'; readonly node: string }
  | { readonly kind: 'noAddress'; readonly node: string };

/** Finds the node of a pod. */
export interface PodNodes {
  /**
   * @param fresh true: past what is remembered of the pod, which may lag.
   * Rejects when the API server does not answer, which proves nothing.
   */
  find(namespace: string, pod: string, fresh?: boolean): Promise<PodPlace>;
}

/** Finds the node of a pod by a GET of the pod and one of the node. */
export function podNodeLookup(client: KubeClient): PodNodes {
  const pods = placedPodLookup(client);
  return {
    async find(namespace, name) {
      const pod = await pods.get(namespace, name);
      if (pod === null) return { kind: 'noPod' };
      return pod.node === '' ? { kind: 'unbound' } : placeOn(pod.node, await addressOf(client, pod.node));
    },
  };
}

export interface PodNodeInformersOptions extends Pick<InformerOptions<unknown>, 'now' | 'random' | 'timing'> {
  readonly client: KubeClient;
  readonly log: Log;
  /** Waits so many milliseconds; resolves early when the signal says so. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Between attempts to list anew, in milliseconds. */
const AGAIN_MS = 5_000;

/**
 * All pods and nodes of the cluster, by list and watch, reduced to where they are. What an informer does not show
 * (yet) is looked up by a GET before anybody is told that it is not there.
 */
export class PodNodeInformers implements PodNodes {
  readonly #options: PodNodeInformersOptions;
  readonly #lookup: PlacedPodLookup;
  readonly #ending = new AbortController();
  readonly #running: Promise<unknown>;
  /** Node names by pod; empty for one that is not bound. */
  #pods: Informer<string> | null = null;
  /** Internal addresses by node; empty where there is none. */
  #nodes: Informer<string> | null = null;

  /** Begins at once, and tries on until `stop`. */
  constructor(options: PodNodeInformersOptions) {
    this.#options = options;
    this.#lookup = placedPodLookup(options.client);
    // One string for each node, not for each pod.
    const names = new Map<string, string>();
    const nameOf = (pod: JsonObject) => {
      const name = text(own(fieldsOf(own(pod, 'spec')), 'nodeName'));
      const known = names.get(name) ?? name;
      names.set(name, known);
      return known;
    };
    this.#running = Promise.all([
      this.#keep('/api/v1/pods', nameOf, (informer) => {
        this.#pods = informer;
      }),
      this.#keep('/api/v1/nodes', internalAddress, (informer) => {
        this.#nodes = informer;
      }),
    ]);
  }

  /** False until both lists have been had once. */
  get synced(): boolean {
    return this.#pods !== null && this.#nodes !== null;
  }

  /** Pods and nodes that are known, for gauges. */
  get sizes(): { readonly pods: number; readonly nodes: number } {
    return { pods: this.#pods?.size ?? 0, nodes: this.#nodes?.size ?? 0 };
  }

  /** All nodes with their internal addresses, empty where one has none. */
  nodes(): readonly { readonly node: string; readonly address: string }[] {
    return Array.from(this.#nodes?.entries() ?? [], ([key, address]) => ({ node: key.slice(1), address }));
  }

  async find(namespace: string, pod: string, fresh = false): Promise<PodPlace> {
    const known = fresh ? undefined : this.#pods?.get(`${namespace}/${pod}`);
    const node = known || (await this.#nodeOf(namespace, pod));
    if (node === null) return { kind: 'noPod' };
    if (node === '') return { kind: 'unbound' };
    const address = this.#nodes?.get(`/${node}`);
    return placeOn(node, address || (await addressOf(this.#options.client, node)));
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await Promise.all([this.#pods?.stop(), this.#nodes?.stop(), this.#running]);
  }

  async #nodeOf(namespace: string, pod: string): Promise<string | null> {
    const found = await this.#lookup.get(namespace, pod);
    return found === null ? null : found.node;
  }

  async #keep(
    path: string,
    parse: (object: JsonObject) => string,
    onSynced: (informer: Informer<string>) => void,
  ): Promise<void> {
    const { pause, log, client, now, random, timing } = this.#options;
    const { signal } = this.#ending;
    let failing = false;
    while (!signal.aborted) {
      const informer = new Informer({
        ...{ client, log, path, parse },
        ...(now && { now }),
        ...(random && { random }),
        ...(timing && { timing }),
      });
      const stop = () => void informer.stop();
      signal.addEventListener('abort', stop, { once: true });
      try {
        await informer.start();
        if (failing) log.info({ path }, 'pods and nodes can be listed');
        return onSynced(informer);
      } catch (err) {
        signal.removeEventListener('abort', stop);
        if (signal.aborted) return;
        if (!failing)
          log.error({ err, path }, 'pods or nodes cannot be listed; the gateway needs that right');
        failing = true;
        await pause(AGAIN_MS, signal);
      }
    }
  }
}

function placeOn(node: string, address: string | null): PodPlace {
  if (address === null) return { kind: 'noNode', node };
  return address === '' ? { kind: 'noAddress', node } : { kind: 'there', node, address };
}

/** Null for the API server's own 404 alone. */
async function addressOf(client: KubeClient, node: string): Promise<string | null> {
  if (!isSubdomain(node)) throw new Error(`no node can be called ${JSON.stringify(node)}`);
  try {
    const found = await client.request({ path: `/api/v1/nodes/${node}` });
    return internalAddress(fieldsOf(found));
  } catch (error) {
    if (isOwnNotFound(error, node, 'nodes')) return null;
    throw error;
  }
}

/** The first `InternalIP` of a node's status; empty without one. */
function internalAddress(node: JsonObject): string {
  const addresses = own(fieldsOf(own(node, 'status')), 'addresses');
  const all = Array.isArray(addresses) ? addresses.filter(isObject) : [];
  const internal = all.filter((each) => own(each, 'type') === 'InternalIP');
  return internal.map((each) => text(own(each, 'address'))).find((each) => isIP(each) !== 0) ?? '';
}
