#!/usr/bin/env node
// kubectl finds a plugin by its name on the PATH: `kubectl checkpoint …`.
import { launch } from './launcher.js';

launch('kubectl-checkpoint', 'kubectl/main');
