import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../cluster/eventually.ts';
import { archiveName } from '../../fixtures/make-archive.ts';
import { type Site, startSite, writeArchive } from './site.ts';

/** Milliseconds: collectors and replicas take up to ten seconds and four. */
const SOON = 60_000;
const ARCHIVES = 150;

let site: Site;

before(async () => {
  site = await startSite();
  await site.startReplica();
  await site.startReplica();
  await Promise.all(['node-a', 'node-b'].map((name) => site.startNode(name, ARCHIVES)));
});
after(() => site[Symbol.asyncDispose]());

const spec = (fields: string, more = '') =>
  `{checkpointDirectory: ${site.directory}, applyPoliciesImmediately: true, namespacePolicies: [{namespace: shop, ${fields}}]${more}}`;

const row = async (name: string) => (await site.rows('cro', '-A')).find(({ NAME }) => NAME === name);
const statusWrites = () =>
  site.calls().filter(({ resource }) => resource === 'checkpointrestoreoperators/status');
const writes = () => site.calls().filter(({ verb }) => !['get', 'list'].includes(verb));

suite('what kubectl get shows of policies and nodes', () => {
  test('a policy is accepted, and in force when all nodes say so', async () => {
    await site.apply('shop', 'quotas', spec('maxCheckpoints: 500'));
    await eventually(async () => {
      const { NAMESPACE, AGE, ...shown } = (await row('quotas')) ?? {};
      assert.deepEqual(
        [NAMESPACE, shown],
        [
          'shop',
          {
            ...{
              NAME: 'quotas',
              ACCEPTED: 'True',
              CONFLICTED: 'False',
              ENFORCED: 'True',
              CONFIRMING: 'False',
            },
            ...{ ARCHIVES: '300', SIZE: shown.SIZE },
          },
        ],
      );
      assert.match(shown.SIZE ?? '', /^\d+(\.\d)?Mi$/);
      assert.match(AGE ?? '', /^\d+m?\d*s$/);
    }, SOON);
    const enforced = await site.condition('shop/quotas', 'Enforced');
    assert.equal(enforced.message, 'on 2 nodes');
    const [wide] = await site.rows('cro', '-n', 'shop', 'quotas', '-o', 'wide');
    assert.equal(wide?.NODES, '2/2');
    assert.equal(wide?.DIRECTORY, site.directory);
  });

  test('while nothing happens, nobody writes anything', async () => {
    // Whatever was under way comes to rest.
    await sleep(12_000);
    const before = writes().length;
    await sleep(15_000);
    assert.deepEqual(writes().slice(before), []);
  });

  test('of two replicas one has written, and a third that starts finds nothing to write', async () => {
    const all = statusWrites();
    assert.ok(
      all.every(({ status }) => status === 200 || status === 409),
      JSON.stringify(all),
    );
    // Accepted, then enforced, and the figures at most.
    const written = all.filter(({ status }) => status === 200);
    assert.ok(written.length >= 1 && written.length <= 4, JSON.stringify(all));
    const third = await site.startReplica();
    await sleep(8_000);
    assert.equal(statusWrites().length, all.length);
    await third.stop();
  });

  test('a new version is followed, and a condition that stays keeps its time', async () => {
    const before = await site.condition('shop/quotas', 'Accepted');
    await site.apply('shop', 'quotas', spec('maxCheckpoints: 400'));
    await eventually(async () => {
      const observed = await site.kubectl(
        'get',
        'cro',
        '-n',
        'shop',
        'quotas',
        '-o',
        'jsonpath={.metadata.generation} {.status.observedGeneration} {.status.conditions[*].observedGeneration}',
      );
      const [generation = ''] = observed.split(' ');
      assert.deepEqual(observed.split(' '), Array(6).fill(generation));
      assert.equal((await row('quotas'))?.ENFORCED, 'True');
    }, SOON);
    assert.deepEqual(await site.condition('shop/quotas', 'Accepted'), before);
  });

  test('what others write over is put right again, and no collector asks or says anything for it', async () => {
    const asked = site.calls().filter(({ account }) => account === 'collector').length;
    await site.kubectl(
      'patch',
      'cro',
      'quotas',
      '-n',
      'shop',
      '--subresource=status',
      '--type=merge',
      '-p',
      '{"status":{"archives":1}}',
    );
    // What others have written over is put right again.
    await eventually(async () => assert.equal((await row('quotas'))?.ARCHIVES, '300'), SOON);
    assert.equal(site.calls().filter(({ account }) => account === 'collector').length, asked);
  });

  test('kubectl get ckn', async () => {
    const rows = await site.rows('ckn');
    assert.deepEqual(
      rows.map(({ NAME, ARCHIVES: count, WAITING }) => [NAME, count, WAITING]),
      [
        ['node-a', '150', '0'],
        ['node-b', '150', '0'],
      ],
    );
  });
});

suite('what is not as it should be', () => {
  test('two for the same archives: the younger one says which is older', async () => {
    // In no webhook's way: nobody has registered one here.
    await site.apply('shop', 'later', spec('maxCheckpoints: 3'));
    await eventually(async () => assert.equal((await row('later'))?.CONFLICTED, 'True'), SOON);
    const { message, reason } = await site.condition('shop/later', 'Conflicted');
    assert.equal(reason, 'OlderResource');
    assert.equal(
      message,
      'namespace shop is governed by shop/quotas, which is older (spec.namespacePolicies[0])',
    );
    assert.equal((await row('quotas'))?.CONFLICTED, 'False');
    await site.kubectl('delete', 'cro', '-n', 'shop', 'later');
  });

  test('an unsound version is not accepted, and the last good one stays in force', async () => {
    await site.apply('shop', 'quotas', spec('maxCheckpoints: 400, maxChekpoints: 3'));
    await eventually(async () => assert.equal((await row('quotas'))?.ACCEPTED, 'False'), SOON);
    const { message } = await site.condition('shop/quotas', 'Accepted');
    assert.match(
      message,
      /^version 3 has 1 error, and version 2 stays in force: .*did you mean maxCheckpoints\?/,
    );
    assert.equal((await site.condition('shop/quotas', 'Enforced')).reason, 'NotAccepted');
  });

  test('what waits for confirmation says how many, and what to type; typed, it is carried out', async () => {
    await site.apply('shop', 'quotas', spec('maxCheckpoints: 10'));
    await eventually(async () => {
      assert.equal((await row('quotas'))?.CONFIRMING, 'True');
      assert.match((await site.condition('shop/quotas', 'Confirming')).message, /on 2 nodes/);
    }, SOON);
    const { message, reason } = await site.condition('shop/quotas', 'Confirming');
    assert.equal(reason, 'WaitsForConfirmation');
    assert.match(
      message,
      /^would delete 280 of 300 archives \(\S+\) at once on 2 nodes \(node-a, node-b\); mend the policy, or let it: kubectl annotate cro /,
    );
    assert.equal((await site.condition('shop/quotas', 'Enforced')).reason, 'WaitsForConfirmation');
    assert.deepEqual(
      (await site.rows('ckn')).map(({ WAITING }) => WAITING),
      ['1', '1'],
    );

    const [, command = ''] = message.split('or let it: kubectl ');
    await site.kubectl(...command.split(' '));
    await eventually(async () => {
      const { ENFORCED, CONFIRMING, ARCHIVES: left } = (await row('quotas')) ?? {};
      assert.deepEqual([ENFORCED, CONFIRMING, left], ['True', 'False', '20']);
    }, SOON);
    assert.equal(
      await site.kubectl('get', 'cro', '-n', 'shop', 'quotas', '-o', 'jsonpath={.status.confirming}'),
      '',
    );
  });

  test('the command for many nodes takes the digests out of the status', async () => {
    const digests = `{.status.confirming.digests}`;
    const read = `kubectl get cro -n shop quotas -o jsonpath='${digests}'`;
    const shell = `"$KUBECTL" annotate cro -n shop quotas --dry-run=client -o name --overwrite checkpoint.criu.org/confirm="$(${read.replace('kubectl', '"$KUBECTL"')})"`;
    const { execFile } = await import('node:child_process');
    const { promisify } = await import('node:util');
    const env = { ...process.env, KUBECTL: site.plane.kubectlProgram, KUBECONFIG: site.plane.kubeconfig };
    const { stdout } = await promisify(execFile)('sh', ['-c', shell], { env });
    assert.match(stdout, /quotas/);
  });
});

suite('what kubectl get events and kubectl describe show', () => {
  test('what has become of policies, once, whichever replica saw it', async () => {
    const events = (await site.events('shop')).filter((each) => / (Policy|Confirm)/.test(each));
    const shown = events.map((each) => each.split(':')[0]);
    assert.deepEqual(shown.sort(), [
      'CheckpointRestoreOperator/later Warning PolicyConflicted 1',
      'CheckpointRestoreOperator/quotas Warning ConfirmationNeeded 1',
      'CheckpointRestoreOperator/quotas Warning PolicyInvalid 1',
    ]);
  });

  test('280 deletions on two nodes are two events of the policy and two of the pod', async () => {
    await eventually(async () => {
      const events = (await site.events('shop')).filter((each) => / CheckpointDeleted 140: /.test(each));
      assert.deepEqual(events.sort(), [
        'CheckpointRestoreOperator/quotas Normal CheckpointDeleted 140: on node node-a archives were deleted: there were more than the policy keeps (policy namespace/shop)',
        'CheckpointRestoreOperator/quotas Normal CheckpointDeleted 140: on node node-b archives were deleted: there were more than the policy keeps (policy namespace/shop)',
        ...Array(2).fill(
          'Pod/cart Normal CheckpointDeleted 140: an archive of container main was deleted: there were more than the policy keeps (policy namespace/shop of shop/quotas)',
        ),
      ]);
    }, SOON);
  });

  test('a tainted archive and a limit that pins hold are told; describe shows it', async () => {
    await site.kubectl('run', 'till', '-n', 'shop', '--image=none');
    const uid = await site.kubectl('get', 'pod', 'till', '-n', 'shop', '-o', 'jsonpath={.metadata.uid}');
    const directory = site.directoryOf('node-a');
    for (let number = 0; number < 11; number += 1) {
      // Pinned before it is there, so that nothing is quicker.
      const name = archiveName(
        { namespace: 'shop', pod: 'till' },
        new Date(Date.UTC(2026, 10, 21, 1, 0, number)),
      );
      writeFileSync(join(directory, `${name}.keep`), '');
    }
    for (let number = 0; number < 11; number += 1)
      writeArchive(directory, 3_600 + number, 'till', uid, number === 0 ? 512 : 0);
    await eventually(async () => {
      assert.match(
        await site.kubectl('describe', 'pod', 'till', '-n', 'shop'),
        /Warning +CheckpointTainted .* an archive of container main has bytes of another checkpoint/,
      );
      const policy = await site.kubectl('describe', 'cro', 'quotas', '-n', 'shop');
      assert.match(
        policy,
        /Warning +LimitBlocked .*on node node-a: namespace shop has 1\d archives, 10 allowed .*pinned/,
      );
    }, SOON);
    const said = (await site.events('shop')).join('\n');
    assert.ok(!said.includes(site.directory) && !said.includes('/var/'), said);
  });

  test('the rights to events are used, and no call was refused', () => {
    const calls = site.calls().filter(({ resource }) => resource === 'events');
    const used = new Set(calls.map(({ account, verb }) => `${account} ${verb}`));
    assert.deepEqual([...used].sort(), ['collector create', 'collector patch', 'webhook create']);
    assert.deepEqual(
      site.calls().filter(({ status }) => status === 403),
      [],
    );
    // 280 deletions, and a burst is twenty a node.
    assert.ok(calls.length < 30, String(calls.length));
  });
});

test('the status is beside the webhook: with none that answers it is written, and a policy is not', async () => {
  const { webhookConfigurations } = await import('../../../manifests/objects.ts');
  const nowhere = { url: 'https://127.0.0.1:1', caBundle: site.plane.ca };
  for (const configuration of webhookConfigurations({ clientConfig: nowhere }))
    await site.plane.apply(JSON.stringify(configuration));
  const patch = (...args: string[]) =>
    site.plane.kubectl(['patch', 'cro', 'quotas', '-n', 'shop', '--type=merge', '--dry-run=server', ...args]);
  await eventually(async () => {
    assert.match((await patch('-p', '{"spec":{"tainted":"Delete"}}')).stderr, /failed calling webhook/);
  });
  const { status, stderr } = await patch('--subresource=status', '-p', '{"status":{"archives":7}}');
  assert.equal(status, 0, stderr);
});
