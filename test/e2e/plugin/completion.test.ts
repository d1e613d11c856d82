import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type PluginCluster, startPluginCluster } from './kit.ts';

let kit: PluginCluster;

before(async () => {
  kit = await startPluginCluster();
  await kit.cluster.register();
});
after(() => kit?.stop());

const COMPLETIONS: readonly (readonly [words: string, told: RegExp, directive: number])[] = [
  ['', /^create\ttake a checkpoint.*\n(?:.*\n)*doctor\t/, 4],
  ['ex', /^explain\t/, 4],
  ['ls --so', /^--sort-by\t/, 4],
  ['ls -o ', /^table\nwide\njson\nyaml\nname\n/, 4],
  ['ls --output=y', /^--output=yaml\n/, 4],
  ['ls -n sh', /^shop\n/, 4],
  ['ls -A --sort-by s', /^size\n/, 4],
  ['ls --context ', /^test\n/, 4],
  ['ls --kubeconfig ', /^:0/, 0],
  ['create -n shop c', /^cart\n/, 4],
  ['create cart -n shop -c ', /^main\n/, 4],
  ['explain -n farm cow-node1', /^cow-node1\S*\tcow-node1\/main on node1\n/, 4],
  ['pin -n full ', /^tub\S*\t.*\ntub\S*\t/, 4],
  ['nonsense ', /^:4/, 4],
  ['ls --context nowhere -n ', /^:4/, 4],
];

suite('completion, by a real kubectl', () => {
  for (const [line, told, directive] of COMPLETIONS) {
    test(`kubectl checkpoint ${line}`, async () => {
      const words = line.split(' ');
      const { stdout } = await kit.start(['__complete', 'checkpoint', ...words]).done;
      assert.match(stdout, told);
      assert.match(stdout, new RegExp(`:${directive}\n`));
    });
  }
});
