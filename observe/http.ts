/**
 * Node's own `http`, by the way that loads no more than that: `import … from 'node:http'` evaluates all that it
 * exports, and one of those is another HTTP client: 4 MB of what a process then has resident.
 */
export const { createServer, request, STATUS_CODES } = process.getBuiltinModule('node:http');
