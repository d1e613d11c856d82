import { CHECKPOINT_API } from '../policy/checkpoint-object.ts';

export interface ApiServiceOptions {
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number };
  /** PEM; absent where something else fills it in. */
  readonly caBundle?: string;
}

/**
 * The registration of the aggregated API. While it stands and nobody serves it, no namespace of the cluster can be
 * deleted, so it is applied last and removed first.
 */
export function apiService({ service, caBundle }: ApiServiceOptions): object {
  const { group, version } = CHECKPOINT_API;
  return {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: `${version}.${group}`, labels: { 'app.kubernetes.io/name': 'checkpoint-warden' } },
    spec: {
      ...{ group, version, service },
      // Behind whatever else is called so: no name of ours stands in for another's.
      groupPriorityMinimum: 100,
      versionPriority: 10,
      ...(caBundle && { caBundle: Buffer.from(caBundle).toString('base64') }),
    },
  };
}
