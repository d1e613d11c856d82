import { createServer } from 'node:https';
import { selfSignedCertificates } from '../../certs/self-signed.ts';
import { createLog } from '../../observe/log.ts';

/** The least that Node can do: take a review over TLS, read it as JSON, answer yes. */
const log = createLog({ level: 'silent' });
const certificates = selfSignedCertificates({ names: ['localhost', '127.0.0.1'], log });
await certificates.start();
const { certificate, key, ca } = certificates.current();
const server = createServer({ cert: certificate, key, keepAliveTimeout: 100_000 }, (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const review = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    const { apiVersion, kind } = review;
    const body = JSON.stringify({ apiVersion, kind, response: { uid: review.request.uid, allowed: true } });
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    });
    response.end(body);
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : 0, ca });
});
process.on('disconnect', () => process.exit());
