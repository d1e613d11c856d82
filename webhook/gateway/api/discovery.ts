import { CHECKPOINT_API } from '../../../policy/checkpoint-object.ts';

const { group, version, groupVersion, kind, plural, singular, shortName } = CHECKPOINT_API;

/**
 * What discovery tells. `delete` is served, and RBAC asks for it, but it is not told: the namespace controller would
 * delete all archives of a namespace with it, and hang on those that are pinned; the garbage collector and quotas of
 * the controller manager, which take every resource with delete, list and watch, would watch all nodes for good and
 * wait for whichever does not answer. No client asks discovery before it deletes. See ADR 14.
 */
const VERBS = ['create', 'get', 'list', 'patch', 'watch'] as const;

export function groupList(): object {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: [groupObject()] };
}

export function groupObject(): object {
  const only = { groupVersion, version };
  return { kind: 'APIGroup', apiVersion: 'v1', name: group, versions: [only], preferredVersion: only };
}

export function resourceList(): object {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: [
      {
        ...{ name: plural, singularName: singular, namespaced: true, kind },
        ...{ verbs: VERBS, shortNames: [shortName], categories: ['checkpoint-warden'] },
      },
      { name: 'pods/checkpoint', singularName: '', namespaced: true, kind, verbs: ['create'] },
    ],
  };
}

/** The same in one document, as the API server asks for it first. */
export function aggregatedDiscovery(apiVersion: string): object {
  const responseKind = { group, version, kind };
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${apiVersion}`,
    metadata: {},
    items: [
      {
        metadata: { name: group },
        versions: [
          {
            version,
            freshness: 'Current',
            resources: [
              {
                ...{ resource: plural, responseKind, scope: 'Namespaced', singularResource: singular },
                ...{ verbs: VERBS, shortNames: [shortName], categories: ['checkpoint-warden'] },
              },
              // A parent without verbs of its own: pods are not served here.
              {
                ...{ resource: 'pods', responseKind: { group: '', version: '', kind: '' } },
                ...{ scope: 'Namespaced', singularResource: '', verbs: [] },
                subresources: [{ subresource: 'checkpoint', responseKind, verbs: ['create'] }],
              },
            ],
          },
        ],
      },
    ],
  };
}
