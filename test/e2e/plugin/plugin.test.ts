import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { ROOT } from '../../cli/call.ts';
import { eventually } from '../../cluster/eventually.ts';
import { archiveOf, fileOf } from '../../gc/door/archives/node.ts';
import { type PluginCluster, POLICY, startPluginCluster } from './kit.ts';

let kit: PluginCluster;

before(async () => {
  kit = await startPluginCluster();
});
after(() => kit?.stop());

const ESCAPE = '\u001b';

function rows(text: string): string[][] {
  const [, ...lines] = text.trimEnd().split('\n');
  return lines.map((line) => line.split(/ {2,}/));
}

suite('kubectl checkpoint, by a real kubectl', { concurrency: false }, () => {
  test('kubectl finds it, without a warning', async () => {
    const { stdout, stderr } = await kit.start(['plugin', 'list', '--name-only']).done;
    assert.match(stdout, /^kubectl-checkpoint$/m);
    assert.doesNotMatch(stderr, /checkpoint.*(?:not executable|overshadowed)/);
    assert.match(await kit.shown('--help'), /^Usage: kubectl checkpoint /);
  });

  test('without the API it says what to install', async () => {
    const { status, stderr, stdout } = await kit.plugin('ls', '-A');
    assert.deepEqual([status, stdout], [1, '']);
    assert.equal(
      stderr.split('\n')[0],
      'error: the API checkpoint.criu.org/v1alpha1 is not installed in this cluster; install it: kubectl apply -k manifests/overlays/api, then kubectl apply -k manifests/registration',
    );
    await kit.cluster.register();
  });

  test('ls lists those of all nodes, in columns', async () => {
    const all = await kit.shown('ls', '-A');
    assert.match(all, /^NAMESPACE +NAME +POD +CONTAINER +NODE +SIZE +AGE +POLICY +VERDICT\n/);
    assert.deepEqual(
      rows(all)
        .map(([namespace, , pod, container, node, , , policy, verdict]) =>
          [namespace, pod, container, node, policy, verdict].join(' '),
        )
        .toSorted(),
      [
        'farm cow-node1 main node1 <none> keep',
        'farm cow-node2 main node2 <none> keep',
        'full tub main node1 namespace/full keep',
        'full tub main node2 namespace/full keep',
        'shop cart main node1 namespace/shop keep',
        'shop cart main node1 namespace/shop keep',
        'shop cart main node2 namespace/shop keep',
        'shop cart main node2 namespace/shop keep',
      ],
    );
    assert.equal(rows(await kit.shown('ls', '-n', 'shop')).length, 4);
    const { stdout, stderr } = await kit.plugin('ls', '-n', 'empty');
    assert.deepEqual([stdout, stderr], ['', 'No checkpoints found in empty namespace.\n']);
  });

  test('ls sorts, selects and goes wide', async () => {
    const sizes = rows(await kit.shown('ls', '-A', '--sort-by', 'size')).map((row) => row[5]);
    assert.deepEqual(sizes.slice(0, 2), [sizes[0], sizes[0]]);
    assert.match(sizes[0] ?? '', /^[23]\d(\.\d)?Ki$/);
    const byField = rows(await kit.shown('ls', '-A', '--sort-by', '{.status.sizeBytes}')).map(
      (row) => row[5],
    );
    assert.deepEqual(byField.slice(-2), sizes.slice(0, 2));
    const selected = ['-A', '--field-selector', 'spec.nodeName=node2,spec.podName=cart'];
    assert.equal(rows(await kit.shown('ls', ...selected)).length, 2);
    assert.match(
      await kit.shown('ls', ...selected, '-o', 'wide'),
      /checkpoint-cart_shop-main-\S+\.tar +containerd/,
    );
    const { status, stderr } = await kit.plugin('ls', '-A', '--field-selector', 'a=b');
    assert.equal(status, 1);
    assert.match(stderr, /^error: the field selector "a=b" is none that is supported/);
  });

  test('ls has forms for programs, which kubectl itself can read', async () => {
    const list: unknown = JSON.parse(await kit.shown('ls', '-n', 'shop', '-o', 'json'));
    assert.deepEqual(parse(await kit.shown('ls', '-n', 'shop', '-o', 'yaml')), list);
    const [name = ''] = await kit.names('-n', 'shop');
    const byKubectl = await kit.cluster.kubectl(
      'get',
      `checkpoint.checkpoint.criu.org/${name}`,
      '-n',
      'shop',
      '-o',
      'name',
    );
    assert.equal(byKubectl.trim(), `checkpoint.checkpoint.criu.org/${name}`);
  });

  test('create takes one, and says what it is', async () => {
    const before = await kit.names('-n', 'shop');
    const dry = await kit.plugin('create', 'cart', '-n', 'shop', '--dry-run');
    assert.equal(dry.status, 0, dry.stderr);
    assert.match(dry.stdout, /created \(server dry run\)$/m);
    assert.match(dry.stderr, /^Warning: a checkpoint would be taken: /);
    assert.deepEqual(await kit.names('-n', 'shop'), before);
    const made = await kit.shown('create', 'pod/cart', '-n', 'shop', '--timeout', '1m');
    assert.match(made, /^checkpoint\.checkpoint\.criu\.org\/\S+ created \(\S+ on node1, \S+\)$/m);
    const now = await eventually(async () => {
      const there = await kit.names('-n', 'shop');
      assert.equal(there.filter((each) => !before.includes(each)).length, 1);
      return there;
    });
    assert.ok(now.includes(made.split(/[/ ]/)[1] ?? ''));
  });

  const REFUSED: readonly (readonly [args: string, status: number, told: RegExp])[] = [
    ['create tub -n full', 1, /^error: .*full/],
    ['create nobody -n shop', 1, /^error: there is no pod nobody in namespace shop; kubectl get pods -A/],
    ['create cart -n shop -c other', 1, /^error: .*other/],
    ['create cart -n shop --timeout soon', 2, /Write a duration with its unit/],
    ['create -n shop', 2, /missing required argument/],
    [
      'explain nobody -n shop',
      1,
      /^error: checkpoints\.checkpoint\.criu\.org "nobody" not found; kubectl checkpoint ls/,
    ],
    ['pin', 2, /missing required argument/],
    ['pin pod/cart', 2, /^error: pod\/cart names no checkpoint; write NAME or checkpoint\/NAME/],
    ['ls --sort-by colour', 2, /Write name, namespace, .*or a field such as \.status\.sizeBytes/],
    ['ls -n Shop', 2, /Write the name of a namespace/],
    ['lst', 2, /^error: unknown command 'lst'; did you mean ls\? See kubectl checkpoint --help/],
    ['ls --context nowhere', 2, /^error: kubeconfig .* has no context "nowhere"/],
    ['ls --kubeconfig /nowhere', 2, /^error: kubeconfig \/nowhere cannot be used: it does not exist/],
  ];
  for (const [args, status, told] of REFUSED) {
    test(`in one sentence: ${args}`, async (t) => {
      const outcome = await kit.plugin(...args.split(' '));
      t.diagnostic(outcome.stderr.trim());
      assert.match(outcome.stderr, told);
      assert.deepEqual([outcome.status, outcome.stdout], [status, '']);
      // Beside our sentence kubectl says nothing, or the status.
      assert.ok(outcome.stderr.trimEnd().split('\n').length <= 2, outcome.stderr);
    });
  }

  test('pin holds, unpin lets go, each of several', async () => {
    const [one = '', two = ''] = await kit.names('-n', 'shop');
    const held = await kit.shown('pin', one, `checkpoint/${two}`, '-n', 'shop');
    assert.equal(held.match(/ pinned$/gm)?.length, 2);
    const selector = ['-n', 'shop', '-l', 'checkpoint.criu.org/pinned=true'];
    assert.deepEqual((await kit.names(...selector)).toSorted(), [one, two].toSorted());
    assert.match(await kit.shown('ls', ...selector), /keep, pinned/);
    const mixed = await kit.plugin('unpin', one, 'nobody', '-n', 'shop', '-o', 'name');
    assert.equal(mixed.status, 1);
    assert.equal(mixed.stdout, `checkpoint.checkpoint.criu.org/${one}\n`);
    assert.match(mixed.stderr, /"nobody" not found/);
    await kit.shown('unpin', two, '-n', 'shop');
    assert.deepEqual(await kit.names(...selector), []);
  });

  test('plan tells what would go, with rule and reason, and can be piped into pin', async () => {
    assert.match(await kit.shown('plan', '-n', 'farm'), /^nothing would be deleted of 2 archives/);
    // Its collector waits for confirmation, so that its plan can be looked at.
    const spec = {
      circuitBreaker: { maxShare: '1%', minArchives: 1 },
      namespacePolicies: [{ namespace: 'brim', maxCheckpoints: 1 }],
    };
    const archives = [1, 2, 3].map((each) => ['brim', 'cup', each] as const);
    await kit.addCollector('brimful', '127.0.0.5', spec, archives);
    await kit.cluster.kubectl('create', 'namespace', 'brim');
    const text = await eventually(async () => {
      const plan = await kit.shown('plan', '-n', 'brim');
      assert.match(plan, /\n2 of 3 archives \(\S+\) would be deleted, which frees \S+\n$/);
      return plan;
    });
    assert.match(text, /^NAMESPACE +NAME +NODE +SIZE +AGE +RULE +POLICY +REASON\n/);
    assert.match(
      text,
      /\nbrim +cup\S+ +brimful +\S+ +\S+ +count +namespace\/brim +namespace brim has 3 archives/,
    );
    const { decisions, totals } = JSON.parse(await kit.shown('plan', '-A', '-o', 'json'));
    assert.deepEqual([totals.deletions, totals.withoutVerdict], [2, 0]);
    assert.equal(decisions.length, totals.archives);
    assert.deepEqual(Object.keys(decisions[0]), [
      ...[
        'name',
        'archive',
        'node',
        'action',
        'rule',
        'policy',
        'reason',
        'bytes',
        'namespace',
        'pod',
        'container',
      ],
    ]);
    const named = (await kit.shown('plan', '-n', 'brim', '-o', 'name')).trim().split('\n');
    assert.match(
      await kit.shown('explain', named[0] ?? '', '-n', 'brim'),
      /\nVerdict: +delete \(count\)\nReason: +namespace brim/,
    );
    await kit.shown('pin', ...named, '-n', 'brim');
    // What is held still counts: now the newest one has to go.
    assert.match(
      await kit.shown('plan', '-n', 'brim'),
      /\n1 of 3 archives \(\S+\) would be deleted, .*; 2 pinned\n$/,
    );
  });

  test('explain tells policy, limits, reason and siblings', async () => {
    const name = 'quotas';
    await kit.cluster.kubectl('apply', '-f', join(ROOT, 'manifests/base/crd.yaml'));
    await kit.cluster.kubectl(
      'wait',
      '--for=condition=Established',
      'crd/checkpointrestoreoperators.criu.org',
    );
    const annotations = { 'checkpoint.criu.org/authority': 'administrator' };
    await kit.cluster.plane.apply(
      stringify({
        ...{ apiVersion: 'criu.org/v1', kind: 'CheckpointRestoreOperator' },
        metadata: { name, namespace: 'checkpoint-warden', annotations },
        spec: { namespacePolicies: [POLICY] },
      }),
    );
    const [first = ''] = await kit.names('-n', 'shop');
    const text = await kit.shown('explain', first, '-n', 'shop');
    assert.match(
      text,
      new RegExp(`^Name: +${first}\nContainer: +shop/cart/main\nArchive: +checkpoint-cart_shop-main-`),
    );
    assert.match(
      text,
      /Policy: +namespace\/shop\n +CheckpointRestoreOperator checkpoint-warden\/quotas, spec\.namespacePolicies\[0\]: maxCheckpoints 3\n/,
    );
    assert.match(text, /\nVerdict: +keep\nReason: +\S.*\n/);
    assert.match(text, new RegExp(`\nSiblings, the newest first:\n +NAME .*\n(?:.*\n)*\\* +${first} `));
    assert.match(text, new RegExp(`kubectl checkpoint pin ${first} -n shop\n$`));
    const { policies, siblings } = JSON.parse(await kit.shown('explain', first, '-n', 'shop', '-o', 'json'));
    assert.equal(policies[0].resource, 'checkpoint-warden/quotas');
    assert.ok(siblings.length >= 4);
  });

  test('top sums up, the most first', async () => {
    const lines = rows(await kit.shown('top', '-A'));
    assert.deepEqual(lines.map(([name]) => name).toSorted(), ['brim', 'farm', 'full', 'shop']);
    assert.equal(lines[0]?.[0], 'shop');
    const shares = lines.map((line) => Number.parseInt(line[3] ?? '', 10));
    assert.ok(Math.abs(shares.reduce((sum, each) => sum + each, 0) - 100) <= 2, String(shares));
    const byNode = rows(await kit.shown('top', '-A', '--by', 'node')).map(([name]) => name);
    assert.deepEqual(byNode.toSorted(), ['brimful', 'node1', 'node2']);
    const { totals } = JSON.parse(await kit.shown('top', '-n', 'shop', '--by', 'container', '-o', 'json'));
    assert.ok(totals.archives >= 5);
  });

  test('a node that does not answer is named, the others are shown', async () => {
    await kit.cluster.addNode('node3', '127.0.0.4');
    const { status, stdout, stderr } = await kit.plugin('ls', '-A');
    assert.equal(status, 0);
    assert.match(stderr, /^Warning: node node3 does not answer: its checkpoints are not shown\n$/);
    assert.ok(rows(stdout).length >= 9);
    await kit.cluster.kubectl('delete', 'node', 'node3');
  });

  test('ls --watch prints what comes and what goes', async () => {
    const watching = kit.start(['checkpoint', 'ls', '-n', 'farm', '--watch']);
    await eventually(async () => assert.equal(rows(watching.outcome.stdout).length, 2));
    kit.nodes[1]?.put(fileOf('farm', 'calf', 7), archiveOf('farm', 'calf'));
    await eventually(
      async () => assert.match(watching.outcome.stdout, /\n\S*calf\S* +calf +main +node2 /),
      20_000,
    );
    const [name = ''] = (await kit.names('-n', 'farm')).filter((each) => each.includes('calf'));
    await kit.cluster.kubectl('delete', 'checkpoint', name, '-n', 'farm');
    await eventually(async () => assert.match(watching.outcome.stdout, /calf .*delete \(gone\)/), 20_000);
    watching.stop();
    assert.equal((await watching.done).status, 0);
    assert.equal(watching.outcome.stdout.match(/NAME +POD/g)?.length, 1);
  });

  test('top --watch shows the sums anew, ls --watch has forms for programs', async () => {
    const top = kit.start(['checkpoint', 'top', '-n', 'farm', '--by', 'pod', '--watch']);
    const ls = kit.start(['checkpoint', 'ls', '-n', 'farm', '--watch', '-o', 'name']);
    await eventually(async () => {
      assert.match(top.outcome.stdout, /farm\/cow-node1/);
      assert.match(ls.outcome.stdout, /cow-node2/);
    });
    kit.nodes[0]?.put(fileOf('farm', 'pig', 8), archiveOf('farm', 'pig'));
    await eventually(async () => {
      assert.match(top.outcome.stdout, /farm\/pig +1 /);
      assert.match(ls.outcome.stdout, /\ncheckpoint\.checkpoint\.criu\.org\/pig-main-\S+\n$/);
    }, 20_000);
    for (const each of [top, ls]) each.stop();
    assert.deepEqual([(await top.done).status, (await ls.done).status], [0, 0]);
  });

  test('somebody without rights is told by whom and which', async () => {
    const jane = await kit.cluster.plane.asUser('jane');
    const { status, stderr } = await kit.start(['checkpoint', 'ls', '-n', 'shop'], kit.environment(jane))
      .done;
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^error: .*User "jane" cannot list resource "checkpoints" .*; ask whoever administers/,
    );
    const as = await kit.plugin('ls', '-n', 'shop', '--as', 'jane');
    assert.match(as.stderr, /User "jane" cannot list resource/);
    const anonymous = await kit.start(['checkpoint', 'ls', '-n', 'shop'], kit.environment('/nowhere/config'))
      .done;
    assert.match(anonymous.stderr, /^error: kubeconfig \/nowhere\/config cannot be used: it does not exist/);
  });

  test('a tenant sees his own namespace, and explain does without what he may not read', async () => {
    await kit.cluster.kubectl(
      'create',
      'role',
      'archives',
      '-n',
      'shop',
      '--verb=get,list,watch',
      '--resource=checkpoints.checkpoint.criu.org',
    );
    await kit.cluster.kubectl(
      'create',
      'rolebinding',
      'archives',
      '-n',
      'shop',
      '--role=archives',
      '--user=tim',
    );
    const tim = kit.environment(await kit.cluster.plane.asUser('tim'));
    const listed = await eventually(async () => {
      const outcome = await kit.start(['checkpoint', 'ls', '-n', 'shop', '-o', 'name'], tim).done;
      assert.equal(outcome.status, 0, outcome.stderr);
      return outcome.stdout;
    });
    const [first = ''] = listed.split('\n');
    const text = (await kit.start(['checkpoint', 'explain', first, '-n', 'shop'], tim).done).stdout;
    assert.match(text, /Policy: +namespace\/shop \(what it limits may not be read\)\n/);
    assert.equal((await kit.start(['checkpoint', 'ls', '-n', 'farm'], tim).done).status, 1);
    const denied = await kit.start(['checkpoint', 'create', 'cart', '-n', 'shop'], tim).done;
    assert.match(denied.stderr, /cannot be seen without the right to get it; name one with -c/);
  });

  test('the doctor is the same one', async () => {
    const { checks } = JSON.parse((await kit.plugin('doctor', '-o', 'json')).stdout);
    const byName = new Map(checks.map((each: { name: string }) => [each.name, each]));
    assert.match(JSON.stringify(byName.get('aggregated-api')), /v1alpha1 answers/);
  });

  test('on no terminal there is neither colour nor progress', async () => {
    const { stdout, stderr } = await kit.plugin('create', 'cart', '-n', 'shop');
    assert.ok(!/…/.test(stdout + stderr) && !(stdout + stderr).includes(ESCAPE));
  });

  test('on a terminal there are both', { skip: !existsSync('/usr/bin/script') }, async () => {
    const { plane } = kit.cluster;
    const call = `${plane.kubectlProgram} checkpoint create cart -n shop; ${plane.kubectlProgram} checkpoint ls -A`;
    const child = spawn('script', ['-qec', call, '/dev/null'], {
      env: { ...kit.environment(), TERM: 'xterm-256color', COLUMNS: '200' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    await once(child, 'close');
    assert.match(text, /checkpointing shop\/cart\/main … 0 s/);
    assert.ok(text.includes(`${ESCAPE}[1mNAMESPACE${ESCAPE}[22m`), text);
  });
});
