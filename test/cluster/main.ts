import { once } from 'node:events';
import { startControlPlane } from './control-plane.ts';
import { findPrograms } from './programs.ts';
import { controlPlaneRecipe } from './recipe.ts';

// `node test/cluster/main.ts` runs a control plane until Ctrl-C; `… main.ts build` only builds its programs.
if (process.argv[2] === 'build') {
  console.log(await findPrograms(controlPlaneRecipe));
} else {
  const plane = await startControlPlane({ audit: true, aggregation: true });
  console.log(`export KUBECONFIG=${plane.kubeconfig}`);
  console.log(`alias kubectl=${plane.kubectlProgram}`);
  console.error(`Logs in ${plane.directory}. Ctrl-C ends it.`);
  const alive = setInterval(() => {}, 60_000);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  clearInterval(alive);
  await plane.stop();
}
