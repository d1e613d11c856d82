import { processContext } from '../context.ts';
import { run, tellUnforeseen } from '../program.ts';
import { PLUGIN } from './program.ts';

const context = processContext();
process.on('uncaughtException', (error) => {
  process.exit(tellUnforeseen(error, context));
});

context.end(await run(process.argv.slice(2), context, PLUGIN));
