import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import type { Pod } from './pod.ts';
import { until } from './until.ts';

/** The name by which the API server dials the webhook. */
export const HOST = 'webhook.checkpoint-warden.svc';

/** The serial number of the certificate that a URL's server shows to one who trusts `ca`; rejects where it is no good. */
export async function servedAt(url: string, ca: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options = { host: hostname, port: Number(port), servername: HOST, ca };
  const socket = connect(options, () => {
    resolve(socket.getPeerX509Certificate()?.serialNumber ?? '');
    socket.end();
  });
  socket.once('error', reject);
  return promise;
}

/** Resolves when admission and gateway of a pod show this certificate (PEM). */
export async function untilServed(pod: Pod, certificate: string, ca: string): Promise<void> {
  const { serialNumber } = new X509Certificate(certificate);
  for (const url of [pod.url, ...(pod.gatewayUrl === undefined ? [] : [pod.gatewayUrl])]) {
    const isServed = async () => (await servedAt(url, ca)) === serialNumber;
    await until(isServed, `${pod.name} serves ${serialNumber} at ${url}`);
  }
}
