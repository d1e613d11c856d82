import http from 'node:http';
import https from 'node:https';

const timeoutMilliseconds = 2_000;

/** Whether `url` answers 200. No answer of any kind is an error: the caller asks again. */
export function probe(url: string, tls: { ca?: string; cert?: string; key?: string } = {}): Promise<boolean> {
  const { get } = url.startsWith('https:') ? https : http;
  return new Promise((resolve) => {
    const options = { ...tls, agent: false, timeout: timeoutMilliseconds } as const;
    const request = get(url, options, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
      response.once('error', () => resolve(false));
    });
    request.once('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
