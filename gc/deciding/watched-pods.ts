import type { PolicySet } from '../../policy/govern.ts';
import type { Archive, Rule } from '../../policy/types.ts';
import type { IdentifiedArchive } from './missing-pods.ts';
import type { WatchedPod } from './orphans.ts';

/** The pods whose end would change what becomes of one of these archives; no others are looked up. */
export function watchedPods(archives: Iterable<Archive>, policies: PolicySet): WatchedPod[] {
  const evictsOrphansFirst = policies.global?.resource.pressure !== undefined;
  const pods = new Map<string, { graceMs: number; archives: IdentifiedArchive[] }>();
  for (const archive of archives) {
    if (archive.state !== 'complete' || !isIdentified(archive)) continue;
    const { administrator, tenant } = policies.governing(archive.identity);
    const deletes = [administrator, tenant].filter((rule) => rule !== null && !rule.retainOrphan);
    const rules = evictsOrphansFirst ? [...deletes, administrator] : deletes;
    const graces = rules.flatMap((rule: Rule | null) => rule?.resource.orphanGraceMs ?? []);
    if (graces.length === 0) continue;
    const key = `${archive.identity.namespace}/${archive.identity.pod}`;
    const pod = pods.get(key) ?? { graceMs: Number.POSITIVE_INFINITY, archives: [] };
    pods.set(key, pod);
    pod.graceMs = Math.min(pod.graceMs, ...graces);
    pod.archives.push(archive);
  }
  return Array.from(pods, ([key, pod]) => {
    const [namespace = '', name = ''] = key.split('/');
    return { namespace, pod: name, ...pod };
  });
}

function isIdentified(archive: Archive): archive is IdentifiedArchive {
  return archive.identity !== null;
}
