import type { KubeClient, KubeRequest, WatchRequest } from '../../kube/client.ts';

/** A client whose answers are a test's own functions. */
export function clientOf(
  request: (request: KubeRequest) => Promise<unknown>,
  stream: (request: WatchRequest) => Promise<AsyncIterable<unknown>> = () =>
    Promise.reject(new Error('no watch')),
): KubeClient {
  return { server: 'https://scripted', request, stream, close: () => {} };
}
