/** What a request through `nodes/proxy` asks of the kubelet, as far as its path tells. */
export type ProxyTarget =
  /** Not the checkpoint API. */
  | { readonly kind: 'elsewhere' }
  /** `/checkpoint/{namespace}/{pod}/{container}`. The names are the caller's: they may hold anything but a slash. */
  | {
      readonly kind: 'container';
      readonly namespace: string;
      readonly pod: string;
      readonly container: string;
    }
  /** Below `/checkpoint`, but not one container: today's kubelets know nothing there, others may. */
  | { readonly kind: 'unclear' };

/**
 * What the kubelet is asked for when the API server's proxy handler passes this path on. Admission sees the path
 * decoded once and as it was typed; the handler then cleans it as Go's `path.Join` does (empty and `.` segments go,
 * `..` takes the one before it along, never beyond the root), keeps a slash at the end, and decodes nothing more.
 *
 * @param path `object.path` of NodeProxyOptions, with or without a slash in front
 */
export function checkpointOf(path: string): ProxyTarget {
  const [first, namespace, pod, container, ...more] = cleanSegments(path);
  // The kubelet's routes are case-sensitive.
  if (first !== 'checkpoint') return { kind: 'elsewhere' };
  if (namespace === undefined || pod === undefined || container === undefined || more.length > 0) {
    return { kind: 'unclear' };
  }
  return { kind: 'container', namespace, pod, container };
}

function cleanSegments(path: string): readonly string[] {
  const clean: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') clean.pop();
    else clean.push(segment);
  }
  return clean;
}

/** The name in a node id as callers may type it: `node1`, `node1:10250`, `https:node1:10250`; else null. */
export function nodeOf(id: string): string | null {
  const parts = id.split(':');
  const [name, scheme] = parts.length === 3 ? [parts[1], parts[0]] : [parts[0], ''];
  const isKnown = scheme === '' || scheme === 'http' || scheme === 'https';
  return parts.length <= 3 && isKnown && name ? name : null;
}
