import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, suite, test } from 'node:test';
import { createClient, type KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { CRD_FILE } from '../../manifests/generate.ts';
import { PolicyCatalog } from '../../policy/catalog.ts';
import { defaultsPatch } from '../../policy/defaults.ts';
import { hasErrors } from '../../policy/findings.ts';
import { fieldsOf, isObject, type JsonObject, own } from '../../policy/json.ts';
import { readResource } from '../../policy/read.ts';
import { SPEC } from '../../policy/schema.ts';
import { judge } from '../../policy/validate.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';

let plane: ControlPlane;
let client: KubeClient;

before(async () => {
  plane = await startControlPlane();
  await plane.apply(await readFile(CRD_FILE, 'utf8'));
  await kubectl('wait', '--for=condition=Established', 'crd/checkpointrestoreoperators.criu.org');
  await kubectl('create', 'namespace', 'team');
  client = await createClient({ kubeconfig: plane.kubeconfig });
});
after(async () => {
  client.close();
  await plane.stop();
});

async function kubectl(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await plane.kubectl(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

function resource(spec: unknown, name = 'quotas'): JsonObject {
  const metadata = { name, namespace: 'team' };
  return { apiVersion: 'criu.org/v1', kind: 'CheckpointRestoreOperator', metadata, spec };
}

/** What the API server would store, asked as kubectl asks; nothing is. */
async function dryRun(body: JsonObject): Promise<{ refusal: string; stored: JsonObject }> {
  const query = { dryRun: 'All', fieldValidation: 'Strict' };
  const path = '/apis/criu.org/v1/namespaces/team/checkpointrestoreoperators';
  try {
    return { refusal: '', stored: fieldsOf(await client.request({ method: 'POST', path, query, body })) };
  } catch (error) {
    assert.ok(error instanceof KubeError && error.status !== null && error.status < 500, String(error));
    return { refusal: error.message, stored: {} };
  }
}

const namespaces = (...entries: readonly object[]) => ({ namespacePolicies: entries });

suite('without a webhook, schema and CEL refuse', () => {
  const rows: readonly (readonly [name: string, spec: unknown, message: RegExp])[] = [
    ['a text for a count', namespaces({ namespace: 'a', maxCheckpoints: '3' }), /must be of type integer/],
    ['a fraction for a count', { globalPolicy: { maxCheckpointsPerPod: 1.5 } }, /must be of type integer/],
    ['a negative count', { globalPolicy: { maxCheckpointsPerPod: -1 } }, /greater than or equal to 0/],
    ['a count beyond 2^31', { globalPolicy: { keepLast: 2 ** 31 } }, /less than or equal to 2147483647/],
    ['text for a boolean', { applyPoliciesImmediately: 'yes' }, /must be of type boolean/],
    ['a mapping for a list', { podPolicies: { namespace: 'a' } }, /must be of type array|unknown field/],
    ['a list for a mapping', { globalPolicy: [] }, /must be of type object/],
    ['null for a limit', { globalPolicy: { timeThreshold: null, keepLast: -1 } }, /keepLast/],
    [
      'a size of bytes that were meant as MB',
      { globalPolicy: { maxCheckpointSize: 10 } },
      /did you mean 10Mi\?/,
    ],
    ['a size of 1023', namespaces({ namespace: 'a', maxTotalSize: '1023' }), /at least 1Ki/],
    ['a fraction of a byte', { globalPolicy: { maxCheckpointSize: '100m' } }, /at least 1Ki/],
    ['a negative size', { globalPolicy: { maxTotalSizePerPod: '-5Gi' } }, /at least 1Ki/],
    ['a size in MB', { globalPolicy: { maxCheckpointSize: '10MB' } }, /should match/],
    [
      'a size that is a boolean',
      { globalPolicy: { maxCheckpointSize: true } },
      /must be of type integer,string/,
    ],
    ['a size for the unidentified', { unidentified: { maxTotalSize: 1 } }, /at least 1Ki/],
    ['a size in the budget', { deletionBudget: { maxBytesPerPass: 1 } }, /at least 1Ki/],
    ['a budget of none', { deletionBudget: { maxArchivesPerPass: 0 } }, /greater than or equal to 1/],
    [
      'a duration without unit',
      { globalPolicy: { timeThreshold: '40' } },
      /timeThreshold in body should match/,
    ],
    ['a duration that is a number', { orphanGracePeriod: 10 }, /must be of type string/],
    ['a share above all', { globalPolicy: { diskPressure: { highWatermark: '185%' } } }, /should match/],
    ['a share without sign', { circuitBreaker: { maxShare: '50' } }, /should match/],
    ['an amount that is none', { globalPolicy: { diskPressure: { minFree: 'much' } } }, /should match/],
    ['another word', { tainted: 'Maybe' }, /Unsupported value: "Maybe": supported values: "Keep", "Delete"/],
    ['a word in other letters', namespaces({ namespace: 'a', whenFull: 'rejectnew' }), /Unsupported value/],
    [
      'spellings that disagree',
      { globalPolicy: { retainOrphan: true, deleteOrphanedCheckpoint: true } },
      /retainOrphan and deleteOrphanedCheckpoint say opposite things/,
    ],
    [
      'spellings that disagree, of a pod',
      { podPolicies: [{ namespace: 'a', pod: 'b', retainOrphan: false, deleteOrphanedCheckpoint: false }] },
      /say opposite things/,
    ],
    [
      'an archive over the total',
      namespaces({ namespace: 'a', maxCheckpointSize: '2Gi', maxTotalSize: '1G' }),
      /maxCheckpointSize is larger than maxTotalSize/,
    ],
    [
      'an archive over the total of a pod',
      { globalPolicy: { maxCheckpointSize: '1Gi', maxTotalSizePerPod: '1023Mi' } },
      /maxCheckpointSize is larger than maxTotalSizePerPod/,
    ],
    [
      'keepLast over the count',
      { containerPolicies: [{ namespace: 'a', pod: 'b', container: 'c', keepLast: 4, maxCheckpoints: 3 }] },
      /keepLast keeps more than maxCheckpoints allows/,
    ],
    [
      'keepLast over the count of a container',
      { globalPolicy: { keepLast: 4, maxCheckpointsPerContainer: 3 } },
      /keepLast keeps more than maxCheckpointsPerContainer/,
    ],
    [
      'a namespace twice',
      namespaces({ namespace: 'a' }, { namespace: 'a' }),
      /Duplicate value: {"namespace":"a"}/,
    ],
    [
      'a container twice',
      { containerPolicies: Array(2).fill({ namespace: 'a', pod: 'b', container: 'c' }) },
      /Duplicate value/,
    ],
    ['no namespace', namespaces({ maxCheckpoints: 3 }), /namespacePolicies\[0\].namespace: Required value/],
    ['no pod', { podPolicies: [{ namespace: 'a' }] }, /podPolicies\[0\].pod: Required value/],
    ['no container', { containerPolicies: [{ namespace: 'a', pod: 'b' }] }, /container: Required value/],
    ['an empty namespace', namespaces({ namespace: '' }), /namespacePolicies\[0\].namespace/],
    ['a pattern as a namespace', namespaces({ namespace: 'team-*' }), /should match/],
    ['a pod name with a slash', { podPolicies: [{ namespace: 'a', pod: 'b/c' }] }, /should match/],
    ['a name that is too long', namespaces({ namespace: 'a'.repeat(64) }), /may not be more than 63 bytes/],
  ];
  for (const [name, spec, message] of rows) {
    test(name, async () => {
      const { refusal } = await dryRun(resource(spec));
      assert.match(refusal, message);
      const { findings } = judge(resource(spec), new PolicyCatalog());
      assert.ok(hasErrors(findings), `offline it is let in: ${JSON.stringify(findings)}`);
    });
  }
});

suite('what only the webhook can refuse', () => {
  const rows: readonly (readonly [name: string, spec: unknown])[] = [
    ['a negative duration', namespaces({ namespace: 'a', minInterval: '-5m' })],
    [
      'watermarks the wrong way round',
      { globalPolicy: { diskPressure: { highWatermark: '50%', lowWatermark: '60%' } } },
    ],
    ['a relative directory', { checkpointDirectory: 'checkpoints' }],
    ['a duration of a thousand years', { globalPolicy: { timeThreshold: '365000d' } }],
  ];
  for (const [name, spec] of rows) {
    test(name, async () => {
      const { refusal, stored } = await dryRun(resource(spec));
      assert.equal(refusal, '');
      assert.ok(hasErrors(judge(stored, new PolicyCatalog()).findings));
    });
  }
});

suite('lets in', () => {
  const upstream = {
    checkpointDirectory: '/var/lib/kubelet/checkpoints',
    applyPoliciesImmediately: false,
    globalPolicy: {
      retainOrphan: true,
      maxCheckpointsPerNamespace: 50,
      maxCheckpointsPerPod: 30,
      maxCheckpointsPerContainer: 10,
      maxCheckpointSize: '10Mi',
      maxTotalSizePerNamespace: '1000Mi',
      maxTotalSizePerPod: '500Mi',
      maxTotalSizePerContainer: '100Mi',
    },
    containerPolicies: [
      {
        namespace: 'a',
        pod: 'b.c',
        container: 'd',
        retainOrphan: false,
        maxCheckpoints: 5,
        maxCheckpointSize: '10Mi',
        maxTotalSize: '100Mi',
      },
    ],
    podPolicies: [
      { namespace: 'a', pod: 'b', maxCheckpoints: 10, maxCheckpointSize: '10M', maxTotalSize: '1e9' },
    ],
    namespacePolicies: [
      { namespace: 'a', maxCheckpoints: 15, maxCheckpointSize: 10485760, maxTotalSize: '2Ti' },
    ],
  };
  const proposal = {
    globalPolicy: {
      checkpointDirectory: '/var/lib/kubelet/checkpoints',
      deleteOrphanedCheckpoint: true,
      timeThreshold: '40d',
    },
    containerPolicies: [{ namespace: 'a', pod: 'b', container: 'c', timeThreshold: '30d12h' }],
    podPolicies: [{ namespace: 'a', pod: 'b', timeThreshold: '90m' }],
    namespacePolicies: [
      { namespace: 'a', deleteOrphanedCheckpoint: false, retainOrphan: true, timeThreshold: '1w' },
    ],
  };
  const own1 = {
    orphanGracePeriod: '1h30m',
    tainted: 'Delete',
    unidentified: { timeThreshold: '7d', maxTotalSize: '1Gi' },
    deletionBudget: { maxArchivesPerPass: 50, maxBytesPerPass: '100Gi' },
    circuitBreaker: { maxShare: '100%', minArchives: 0 },
    globalPolicy: {
      keepLast: 1,
      whenFull: 'RejectNew',
      minInterval: '0.5s',
      maxConcurrent: 2,
      checkpointing: 'Deny',
      diskPressure: { highWatermark: '92.5%', lowWatermark: '0%', minFree: '10%', minFreeInodes: 5000 },
    },
  };
  const rows: readonly (readonly [name: string, spec: unknown])[] = [
    ["every field of the public operator's", upstream],
    ["every field of the proposal's", proposal],
    ['every other field', own1],
    ['nothing at all', {}],
    [
      'counts of zero, which the webhook warns about',
      { globalPolicy: { maxCheckpointsPerPod: 0, keepLast: 5 } },
    ],
    ['sizes beyond 2^63', { globalPolicy: { maxCheckpointSize: '1e30', maxTotalSizePerPod: '1e40' } }],
  ];
  for (const [name, spec] of rows) {
    test(name, async () => {
      const { refusal, stored } = await dryRun(resource(spec));
      assert.equal(refusal, '');
      const { resource: read } = readResource(stored);
      assert.equal(read?.sound, true);
    });
  }

  test('no field of the schema is missing in these', () => {
    const used = new Set<string>();
    const walk = (value: unknown): void => {
      if (Array.isArray(value)) value.forEach(walk);
      else if (isObject(value)) {
        for (const [key, child] of Object.entries(value)) {
          used.add(key);
          walk(child);
        }
      }
    };
    walk([upstream, proposal, own1]);
    const known = new Set(
      JSON.stringify(SPEC)
        .match(/"(?!x-)[a-zA-Z]+":\{/g)
        ?.map((each) => each.slice(1, -3)),
    );
    for (const each of ['properties', 'items', 'default']) known.delete(each);
    assert.deepEqual(
      [...known].filter((key) => !used.has(key)),
      [],
    );
  });

  test('a misspelt field, and keeps it, so that the webhook can name it', async () => {
    const { stored } = await dryRun(
      resource({ globalPolcy: {}, globalPolicy: { maxCheckpoint: 3, diskPressure: { high: 1 } } }),
    );
    const fields = readResource(stored).findings.filter(({ code }) => code === 'unknownField');
    assert.deepEqual(
      fields.map(({ field }) => field),
      ['spec.globalPolcy', 'spec.globalPolicy.maxCheckpoint', 'spec.globalPolicy.diskPressure.high'],
    );
    const rooted = await dryRun({ ...resource({}), spce: {} });
    assert.equal(own(rooted.stored, 'spce') !== undefined, true);
  });
});

test('the API server sets the defaults that a schema can state; the webhook adds only what depends on others', async () => {
  const entry = { namespace: 'a', pod: 'b', container: 'c' };
  const spec = { globalPolicy: { diskPressure: {} }, containerPolicies: [entry] };
  const { stored } = await dryRun(resource(spec));
  const actions = { whenFull: 'EvictOldest', checkpointing: 'Allow' };
  assert.deepEqual(own(stored, 'spec'), {
    applyPoliciesImmediately: false,
    orphanGracePeriod: '10m',
    tainted: 'Keep',
    circuitBreaker: { maxShare: '50%', minArchives: 100 },
    globalPolicy: { ...actions, diskPressure: { highWatermark: '85%' } },
    containerPolicies: [{ ...entry, ...actions }],
  });
  assert.deepEqual(
    defaultsPatch(stored).map(({ path }) => path),
    ['/spec/checkpointDirectory', '/spec/globalPolicy/diskPressure/lowWatermark'],
  );
});

test('the status is a subresource of its own', async () => {
  await plane.apply(
    JSON.stringify(resource(namespaces({ namespace: 'team', maxCheckpoints: 3 }), 'with-status')),
  );
  const name = ['checkpointrestoreoperator', 'with-status', '-n', 'team'];
  const lastTransitionTime = '2026-11-21T00:00:00Z';
  const conflicted = {
    type: 'Conflicted',
    status: 'True',
    reason: 'Older',
    message: 'x',
    lastTransitionTime,
  };
  const patch = (status: object) => [
    '--type=merge',
    '-p',
    JSON.stringify({ status, spec: { tainted: 'Delete' } }),
  ];
  const status = { observedGeneration: 1, conditions: [conflicted] };
  await kubectl('patch', ...name, '--subresource=status', ...patch(status));
  const stored: unknown = JSON.parse(await kubectl('get', ...name, '-o', 'json'));
  assert.ok(isObject(stored));
  assert.deepEqual(own(stored, 'status'), status);
  assert.match(JSON.stringify(own(stored, 'spec')), /"tainted":"Keep"/);
  const twice = await plane.kubectl([
    'patch',
    ...name,
    '--subresource=status',
    ...patch({ conditions: [conflicted, conflicted] }),
  ]);
  assert.match(twice.stderr, /Duplicate value: {"type":"Conflicted"}/);
});

test('kubectl get shows conditions, totals and age, and wide the directory and limits', async () => {
  const globalPolicy = { maxCheckpointsPerContainer: 10, timeThreshold: '40d' };
  const spec = { checkpointDirectory: '/var/lib/kubelet/checkpoints', globalPolicy };
  await plane.apply(JSON.stringify(resource(spec, 'columns')));
  const shown = ['get', 'cro', 'columns', '-n', 'team'];
  const [header] = (await kubectl(...shown)).split('\n');
  assert.equal(
    header?.trim().replace(/ +/g, ' '),
    'NAME ACCEPTED CONFLICTED ENFORCED CONFIRMING ARCHIVES SIZE AGE',
  );
  const lines = (await kubectl(...shown, '-o', 'wide')).trimEnd().split('\n');
  assert.match(lines[0] ?? '', / AGE +NODES +DIRECTORY +PER-CONTAINER +OLDER-THAN$/);
  assert.match(lines[1] ?? '', /^columns +\d+s +\/var\/lib\/kubelet\/checkpoints +10 +40d$/);
});

test('kubectl explain shows what the fields mean', async () => {
  const top = await kubectl('explain', 'cro.spec');
  assert.match(top, /What may be kept of the checkpoint archives/);
  const text = await kubectl('explain', 'cro.spec.globalPolicy');
  for (const field of ['maxCheckpointsPerContainer', 'timeThreshold', 'diskPressure', 'whenFull']) {
    assert.match(text, new RegExp(`^  ${field}\t<`, 'm'));
  }
  assert.match(text, /enum: EvictOldest, RejectNew/);
  const size = await kubectl('explain', 'cro.spec.namespacePolicies.maxCheckpointSize');
  assert.match(size, /Archives larger than this are deleted\./);
});

suite('ten thousand entries', () => {
  const entries = (count: number) =>
    JSON.stringify(
      resource(
        namespaces(
          ...Array.from({ length: count }, (_, i) => ({ namespace: `n${i}`, maxCheckpointSize: '10Mi' })),
        ),
        'large',
      ),
    );

  test('are stored', async () => {
    const { status, stderr } = await plane.kubectl(['create', '-f', '-'], { input: entries(10_000) });
    assert.equal(status, 0, stderr);
    const stored: unknown = JSON.parse(await kubectl('get', 'cro', 'large', '-n', 'team', '-o', 'json'));
    assert.equal(readResource(stored).resource?.rules.length, 10_000);
  });

  test('one more is refused with a sentence', async () => {
    const { status, stderr } = await plane.kubectl(['create', '-f', '-'], { input: entries(10_001) });
    assert.equal(status, 1);
    assert.match(stderr, /spec.namespacePolicies: Too many: 10001: must have at most 10000 items/);
  });
});
