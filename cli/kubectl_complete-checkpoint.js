#!/usr/bin/env node
// kubectl asks this program, by its name on the PATH, what may follow `kubectl checkpoint …`.
import { launch } from './launcher.js';

launch('kubectl_complete-checkpoint', 'kubectl/complete-main');
