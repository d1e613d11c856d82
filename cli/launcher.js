// Plain JavaScript that old versions of Node can parse: it has to be able to say that they are too old.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NEEDED = 24;

/**
 * Runs one of the programs of this package.
 *
 * @param name what a person calls it
 * @param main its module in this folder, without the ending: `kubectl/main`
 */
export function launch(name, main) {
  const here = dirname(fileURLToPath(import.meta.url));
  // Node runs no TypeScript below node_modules, so an installed package runs what was built.
  const source = join(here, `${main}.ts`);
  const built = join(here, '..', 'dist', 'cli', `${main}.js`);
  const isCheckout = existsSync(source) && !/[\\/]node_modules[\\/]/.test(here);
  if (Number(process.versions.node.split('.')[0]) < NEEDED) {
    give(
      `${name} needs Node.js ${NEEDED} or later, this is ${process.versions.node}; start it with npm start, which brings its own`,
    );
  } else if (isCheckout) {
    import(source);
  } else if (existsSync(built)) {
    import(built);
  } else {
    give(`${name} was installed without its build; run npm run build in the project and install it again`);
  }
}

function give(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exitCode = 2;
}
