import { processContext } from '../context.ts';
import { complete } from './complete.ts';

const context = processContext();
context.out.write(await complete(process.argv.slice(2)));
context.end(0);
