import type { Program } from '../program.ts';

/** `kubectl checkpoint`: archives of the whole cluster, through the aggregated API. */
export const PLUGIN: Program = {
  name: 'kubectl checkpoint',
  description: 'Container checkpoints of all nodes: take, list, explain and hold them.',
  usual: ['--help'],
  errorPrefix: 'error',
  commands: [
    {
      name: 'create',
      summary: 'take a checkpoint of a running container',
      load: () => import('./create.ts'),
    },
    { name: 'ls', summary: 'list the archives of all nodes', load: () => import('./ls.ts') },
    {
      name: 'plan',
      summary: 'show what the collectors would delete now, and why; changes nothing',
      load: () => import('./plan.ts'),
    },
    {
      name: 'explain',
      summary: 'tell which policy governs an archive, and what becomes of it',
      load: () => import('./explain.ts'),
    },
    { name: 'pin', summary: 'hold archives: no policy deletes them', load: () => import('./pin.ts') },
    { name: 'unpin', summary: 'let archives go again', load: () => import('./unpin.ts') },
    {
      name: 'top',
      summary: 'show whose archives take the most room: by namespace, pod, container or node',
      load: () => import('./top.ts'),
    },
    {
      name: 'doctor',
      summary: 'examine an installation: what is wrong, and what to do about it',
      load: () => import('../doctor.ts'),
    },
  ],
  about: `
Archives are objects of the API checkpoint.criu.org/v1alpha1, which manifests/overlays/api serves and
manifests/registration registers; kubectl get, describe, delete and explain know them as well (checkpoints, ckpt).

Exit codes: 0 done, 1 refused or failed, 2 wrong call.`,
};
