import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type CommandResult, runCommand } from '../../cluster/nodes/command.ts';
import { put, tars } from '../faults/archives.ts';
import { type Mounts, makeMounts } from '../faults/mounts.ts';
import { type Site, startSite } from '../faults/site.ts';
import { resource } from '../policies/row.ts';

const ROOT = join(import.meta.dirname, '../../..');
const GUIDE = readFileSync(join(ROOT, 'docs/guide/public-operator.md'), 'utf8');
/** Every line of every shell block, in their order. */
const COMMANDS = [...GUIDE.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) =>
  block.trim().split('\n'),
);
const DIRECTORY = '/var/lib/kubelet/checkpoints';

let site: Site;
let node: Mounts;
let directory: string;
let deployed: string;

before(async () => {
  site = await startSite(['shop']);
  // A node of its own: its /var/lib is nobody else's.
  node = await makeMounts();
  for (const path of ['/var/lib', '/run']) await node.run('mount', '-t', 'tmpfs', 'tmpfs', path);
  directory = node.outside(DIRECTORY);
  mkdirSync(directory, { recursive: true });
  const programs = join(node.scratch, 'bin');
  mkdirSync(programs);
  symlinkSync(site.cluster.plane.kubectlProgram, join(programs, 'kubectl'));
  const warden = join(programs, 'checkpoint-warden');
  writeFileSync(warden, `#!/bin/sh\nexec '${process.execPath}' '${ROOT}/cli/checkpoint-warden.js' "$@"\n`);
  chmodSync(warden, 0o755);
  deployed = `export PATH='${programs}':"$PATH" KUBECONFIG='${site.cluster.plane.kubeconfig}' NAMESPACE=shop DEPLOYMENT=operator; cd '${node.scratch}'`;
  const labels = { app: 'operator' };
  const containers = [{ name: 'manager', image: 'none' }];
  const template = { metadata: { labels }, spec: { containers } };
  const metadata = { namespace: 'shop', name: 'operator' };
  const spec = { replicas: 1, selector: { matchLabels: labels }, template };
  await site.cluster.plane.apply(
    JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec }),
  );
});

after(async () => {
  await node?.end();
  await site?.[Symbol.asyncDispose]();
});

async function shell(line: string): Promise<CommandResult> {
  const [program = '', ...args] = [...node.enter, 'sh', '-c', `${deployed}\n${line}`];
  return await runCommand(program, args);
}

test('every command of the page does what the page says of it', async () => {
  const uid = await site.pod('shop', 'cart');
  const made = { namespace: 'shop', memory: 512 };
  const names = [4, 3, 2, 1].map((hours) =>
    put(directory, { ...made, pod: 'cart', podUid: uid }, hours * 3_600),
  );
  const orphan = put(directory, { ...made, pod: 'gone', podUid: 'uid' }, 1_800);
  const spec = 'globalPolicy: {maxCheckpointsPerPod: 3, retainOrphan: false}';
  await site.cluster.plane.apply(resource(spec, 'ops/theirs'));
  assert.equal(COMMANDS.length, 7, COMMANDS.join('\n'));
  const said: string[] = [];
  for (const command of COMMANDS) {
    const { status, stdout, stderr } = await shell(command);
    assert.equal(status, 0, `${command}\n${stdout}${stderr}`);
    said.push(stdout);
    if (!command.endsWith('--once'))
      assert.equal(tars(directory).length, 5, `${command} has deleted something`);
  }
  const [, , sound = '', plan = '', , dry = '', real = ''] = said;
  assert.match(sound, /ops\/theirs is sound/);
  assert.match(plan, new RegExp(`^${names[0]} .* delete +count +global `, 'm'));
  assert.match(plan, new RegExp(`^${orphan} .* delete +orphan +global `, 'm'));
  assert.match(plan, /: delete 2, /);
  // The collector lets the grace period of the orphan pass first.
  assert.match(dry, /^would delete 1; there are 5 archives/m);
  assert.match(real, /^deleted 1, /m);
  assert.deepEqual(tars(directory), [...names.slice(1), orphan].sort());
  const replicas = ['get', 'deployment', 'operator', '-n', 'shop', '-o', 'jsonpath={.spec.replicas}'];
  assert.equal(await site.cluster.kubectl(...replicas), '0');
});
