import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { isObject, type JsonObject, own } from '../../../policy/json.ts';
import type { ControlPlane } from '../../cluster/control-plane.ts';

/** The path of a folder of manifests/. */
export function folderOf(overlay: string): string {
  return fileURLToPath(new URL(`../../../manifests/${overlay}`, import.meta.url));
}

/** A folder of manifests/, as kubectl renders it. */
export async function rendered(plane: ControlPlane, overlay: string): Promise<readonly JsonObject[]> {
  const { status, stdout, stderr } = await plane.kubectl(['kustomize', folderOf(overlay)]);
  assert.equal(status, 0, stderr);
  return parseAllDocuments(stdout).map((document) => object(document.toJS()));
}

/** How often and how the kubelet asks. All in milliseconds but the threshold. */
export interface Probe {
  readonly path: string;
  readonly period: number;
  readonly timeout: number;
  readonly failures: number;
}

/** A Secret in the pod's file system. */
export interface Mount {
  readonly path: string;
  readonly secret: string;
  /** Keys of the Secret that become files; all of them where absent. */
  readonly keys?: readonly string[];
}

/** Of the Deployment what its pods are run from. */
export interface PodTemplate {
  readonly args: readonly string[];
  /** What NODE_OPTIONS says. */
  readonly nodeOptions: readonly string[];
  readonly ports: ReadonlyMap<string, number>;
  readonly mounts: readonly Mount[];
  readonly startup: Probe;
  readonly readiness: Probe;
  /** Milliseconds. */
  readonly grace: number;
}

/** Reads the Deployment `webhook` among rendered manifests. */
export function podTemplate(documents: readonly JsonObject[]): PodTemplate {
  const deployment = documents.find(
    (each) => own(each, 'kind') === 'Deployment' && at(each, 'metadata', 'name') === 'webhook',
  );
  const spec = object(at(deployment, 'spec', 'template', 'spec'));
  const container = object(list(at(spec, 'containers'))[0]);
  const env = list(at(container, 'env')).map((each) => [at(each, 'name'), at(each, 'value')]);
  const nodeOptions = env.find(([name]) => name === 'NODE_OPTIONS')?.[1];
  return {
    // The kubelet fills in $(NAME); of a pod's own fields the only one that is asked for is its namespace.
    args: list(at(container, 'args')).map((each) =>
      String(each).replace('$(POD_NAMESPACE)', String(at(deployment, 'metadata', 'namespace'))),
    ),
    nodeOptions: nodeOptions === undefined ? [] : String(nodeOptions).split(' '),
    ports: new Map(
      list(at(container, 'ports')).map((each) => [
        String(at(each, 'name')),
        Number(at(each, 'containerPort')),
      ]),
    ),
    mounts: list(at(container, 'volumeMounts') ?? []).map((each) => mountOf(each, list(at(spec, 'volumes')))),
    startup: probeOf(at(container, 'startupProbe')),
    readiness: probeOf(at(container, 'readinessProbe')),
    grace: Number(at(spec, 'terminationGracePeriodSeconds')) * 1_000,
  };
}

function mountOf(mount: unknown, volumes: readonly unknown[]): Mount {
  const secret = at(
    volumes.find((each) => at(each, 'name') === at(mount, 'name')),
    'secret',
  );
  const items = at(secret, 'items');
  return {
    path: String(at(mount, 'mountPath')),
    secret: String(at(secret, 'secretName')),
    ...(items !== undefined && { keys: list(items).map((each) => String(at(each, 'key'))) }),
  };
}

function probeOf(probe: unknown): Probe {
  return {
    path: String(at(probe, 'httpGet', 'path')),
    period: Number(at(probe, 'periodSeconds')) * 1_000,
    timeout: Number(at(probe, 'timeoutSeconds')) * 1_000,
    failures: Number(at(probe, 'failureThreshold')),
  };
}

/** A value deep in JSON; undefined where there is none. */
export function at(value: unknown, ...keys: readonly string[]): unknown {
  return keys.reduce<unknown>((each, key) => (isObject(each) ? own(each, key) : undefined), value);
}

export function object(value: unknown): JsonObject {
  assert.ok(isObject(value), `${JSON.stringify(value)} is no object`);
  return value;
}

function list(value: unknown): readonly unknown[] {
  assert.ok(Array.isArray(value), `${JSON.stringify(value)} is no list`);
  return value;
}
