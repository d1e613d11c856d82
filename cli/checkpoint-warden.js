#!/usr/bin/env node
// Plain JavaScript that old versions of Node can parse: it has to be able to say that they are too old.
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// As PID 1, in a container, a process has no default action: a signal that comes before the program has a handler of
// its own would be lost. This one stands in until then, and steps back when the program listens.
if (process.pid === 1) {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal]);
    });
  }
}

const NEEDED = 24;
const here = dirname(fileURLToPath(import.meta.url));
// Node runs no TypeScript below node_modules, so an installed package runs what was built.
const source = join(here, 'main.ts');
const built = join(here, '..', 'dist', 'cli', 'main.js');
const isCheckout = existsSync(source) && !/[\\/]node_modules[\\/]/.test(here);

if (Number(process.versions.node.split('.')[0]) < NEEDED) {
  give(
    `needs Node.js ${NEEDED} or later, this is ${process.versions.node}; start it with npm start, which brings its own`,
  );
} else if (isCheckout) {
  import(source);
} else if (existsSync(built)) {
  import(built);
} else {
  give('was installed without its build; run npm run build in the project and install it again');
}

function give(sentence) {
  process.stderr.write(`checkpoint-warden ${sentence}\n`);
  process.exitCode = 2;
}
