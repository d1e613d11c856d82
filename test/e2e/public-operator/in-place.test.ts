import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ControlPlane, startControlPlane } from '../../cluster/control-plane.ts';
import { eventually } from '../../cluster/eventually.ts';
import { writeTokenKubeconfig } from '../../cluster/kubeconfig.ts';
import { tars } from '../faults/archives.ts';
import { type GcProcess, startGc } from '../gc-process.ts';
import { resource } from '../policies/row.ts';
import { folderOf } from '../replicas/manifest.ts';
import { fill, left, SOON } from './kit.ts';
import { theirDefinition } from './their-definition.ts';

const ARCHIVES = 5;

const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-warden-in-place-'));
let plane: ControlPlane;
let gc: GcProcess | undefined;

before(async () => {
  plane = await startControlPlane();
  // A cluster where the public operator has run for a while.
  await plane.apply(theirDefinition());
  await kubectl('wait', '--for=condition=Established', 'crd/checkpointrestoreoperators.criu.org');
  for (const name of ['operator', 'shop', 'team']) await kubectl('create', 'namespace', name);
});
after(async () => {
  await gc?.kill();
  await plane?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

async function kubectl(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await plane.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

const stored = async (name: string) =>
  JSON.parse(await kubectl('get', 'checkpointrestoreoperators', name, '-n', 'operator', '-o', 'json'));

/** What their documentation and their sample have led people to write, and what nothing has kept them from. */
const SOUND = 'namespacePolicies: [{namespace: shop, maxCheckpoints: 3, maxTotalSize: 10Gi}]';
const UNSOUND = 'namespacePolicies: [{namespace: team, maxCheckpoints: -1, maxCheckpointSize: 10}]';

test('their resources stay as they are under our definition', async () => {
  const directory = join(scratch, 'checkpoints');
  const spec = `applyPoliciesImmediately: true\ncheckpointDirectory: ${directory}\n`;
  await plane.apply(resource(spec + SOUND, 'operator/sound'));
  await plane.apply(resource(spec + UNSOUND, 'operator/unsound'));
  const before = [await stored('sound'), await stored('unsound')];
  await kubectl('apply', '-k', folderOf('overlays/self-signed'));
  await eventually(async () => {
    const explained = await kubectl('explain', 'checkpointrestoreoperators.spec.globalPolicy');
    assert.match(explained, /timeThreshold/);
  });
  const after = [await stored('sound'), await stored('unsound')];
  for (const [index, { metadata, spec: kept }] of after.entries()) {
    assert.equal(metadata.uid, before[index].metadata.uid);
    // Beside it stand the defaults of our definition.
    assert.partialDeepStrictEqual(kept, before[index].spec);
  }
});

test('the sound one acts at once, and the one that would delete everything holds what it names', async () => {
  const directory = join(scratch, 'checkpoints');
  mkdirSync(directory);
  const shop = fill(directory, ARCHIVES);
  const team = fill(directory, ARCHIVES, { namespace: 'team' });
  const account = await kubectl('create', 'token', 'collector', '-n', 'checkpoint-warden');
  const kubeconfig = join(scratch, 'kubeconfig');
  await writeTokenKubeconfig(kubeconfig, { url: plane.url, ca: plane.ca, token: account.trim() });
  gc = startGc([
    '--directory',
    directory,
    '--kubeconfig',
    kubeconfig,
    '--state-directory',
    join(scratch, 'state'),
  ]);
  await left(directory, [...shop.slice(-3), ...team]);
  await eventually(async () => assert.ok(gc?.said(/its targets are held/)), SOON);
  assert.equal(tars(directory).length, 3 + ARCHIVES);
});

test('a stored one that is not sound can be mended, and only to what is sound', async () => {
  // Nobody runs the webhook here; the definition judges by itself.
  const kinds = 'mutatingwebhookconfigurations,validatingwebhookconfigurations';
  await kubectl('delete', kinds, '--all');
  const patch = (value: string) =>
    plane.kubectl([
      ...['patch', 'checkpointrestoreoperators', 'unsound', '-n', 'operator', '--type=merge'],
      ...['-p', `{"spec":{"namespacePolicies":[${value}]}}`],
    ]);
  await eventually(async () => {
    const refused = await patch('{"namespace":"team","maxCheckpoints":-2}');
    assert.match(refused.stderr, /greater than or equal to 0/);
  });
  // What is not touched is no obstacle, though it would not be let in today.
  await kubectl('label', 'checkpointrestoreoperators', 'unsound', '-n', 'operator', 'team=ops');
  const mended = await patch('{"namespace":"team","maxCheckpoints":4}');
  assert.equal(mended.status, 0, mended.stderr);
  const directory = join(scratch, 'checkpoints');
  await eventually(async () => assert.equal(tars(directory).length, 3 + 4), SOON);
});
