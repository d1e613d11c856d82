// A registry in the network of a node, over plain HTTP: containerd asks one on localhost without TLS.
// Arguments: the directory that `image.ts` writes, and the port.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';

const [directory = '', port = ''] = process.argv.slice(2);
const PATH = /^\/v2\/([a-z]+)\/(manifests|blobs)\/([A-Za-z0-9:]+)$/;

createServer(async (request, response) => {
  const [, name = '', kind = '', reference = ''] = PATH.exec((request.url ?? '').split('?')[0]) ?? [];
  try {
    if (request.url === '/v2/') return void response.end();
    const file = kind === 'blobs' ? join('blobs', reference) : join(name, reference);
    const bytes = await readFile(join(directory, file));
    const type = kind === 'blobs' ? 'application/octet-stream' : JSON.parse(bytes.toString()).mediaType;
    response.writeHead(200, { 'content-type': type, 'content-length': bytes.length });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  } catch {
    response.writeHead(404).end();
  }
}).listen(Number(port), '127.0.0.1');
