#!/usr/bin/env node
import { constants } from 'node:os';
import { launch } from './launcher.js';

// As PID 1, in a container, a process has no default action: a signal that comes before the program has a handler of
// its own would be lost. This one stands in until then, and steps back when the program listens.
if (process.pid === 1) {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal]);
    });
  }
}

launch('checkpoint-warden', 'main');
