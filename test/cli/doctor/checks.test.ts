import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { judgeVersion } from '../../../cli/doctor/api-server.ts';
import type { Verdict } from '../../../cli/doctor/check.ts';
import { checkConnect } from '../../../cli/doctor/connect.ts';
import { isGateOpen, judgeGates } from '../../../cli/doctor/kubelets.ts';
import { judgeDisks, judgeRuntimes, type NodeFacts } from '../../../cli/doctor/nodes.ts';
import { renderChecks } from '../../../cli/doctor/render.ts';
import { NEEDED_RIGHTS } from '../../../cli/doctor/rights.ts';
import { judgeRefusal } from '../../../cli/doctor/webhook.ts';
import { KubeError } from '../../../kube/error.ts';
import { textsAt } from '../../../kube/objects.ts';
import { grants } from '../../../kube/role-bindings.ts';
import { clientOf } from '../../kube/scripted-client.ts';
import { ROOT } from '../call.ts';

const error = (message: string, status: number | null = 500) => new KubeError(message, { status });

const VERSIONS: readonly (readonly [version: object, verdict: Verdict])[] = [
  [{ major: '1', minor: '36', gitVersion: 'v1.36.3' }, 'ok'],
  [{ major: '1', minor: '30+', gitVersion: 'v1.30.9-eks' }, 'ok'],
  [{ major: '1', minor: '29', gitVersion: 'v1.29.1' }, 'fail'],
  [{}, 'unknown'],
];

suite('the version of the API server', () => {
  for (const [version, verdict] of VERSIONS) {
    test(JSON.stringify(version), () => assert.equal(judgeVersion(version).verdict, verdict));
  }
});

const GATES: readonly (readonly [gates: unknown, kubelet: string, isOpen: boolean])[] = [
  [undefined, 'v1.36.3', true],
  [{ Other: false }, 'v1.30.0', true],
  [undefined, 'v1.29.9', false],
  [{ ContainerCheckpoint: true }, 'v1.26.0', true],
  [{ ContainerCheckpoint: false }, 'v1.36.3', false],
  [{ AllBeta: false }, 'v1.36.3', false],
  [{ AllBeta: false, ContainerCheckpoint: true }, 'v1.36.3', true],
  [{ AllAlpha: true }, 'v1.28.0', true],
  [{ AllAlpha: true }, 'v1.24.0', false],
  [{ ContainerCheckpoint: true }, 'rubbish', false],
];

suite("the kubelet's feature gate", () => {
  for (const [gates, kubelet, isOpen] of GATES) {
    test(`${JSON.stringify(gates)} of ${kubelet}`, () => assert.equal(isGateOpen(gates, kubelet), isOpen));
  }

  test('one closed gate outweighs those that are open and those that do not answer', () => {
    const node = (name: string): NodeFacts => ({ name, kubelet: 'v1.36.3', runtime: '', isReady: true });
    const answers = [
      { node: node('a'), isOpen: true },
      { node: node('b'), isOpen: error('x had no answer', null) },
    ];
    assert.equal(judgeGates(answers, 2).verdict, 'warn');
    assert.equal(judgeGates([...answers, { node: node('c'), isOpen: false }], 3).verdict, 'fail');
    assert.equal(judgeGates(answers.slice(1), 1).verdict, 'unknown');
    assert.equal(judgeGates([], 0).verdict, 'unknown');
    assert.match(judgeGates(answers.slice(0, 1), 90).message, /\(1 of 90 nodes were asked\)$/);
  });
});

const RUNTIMES: readonly (readonly [runtime: string, verdict: Verdict])[] = [
  ['containerd://2.1.9', 'ok'],
  ['containerd://2.0.0-rc.1', 'ok'],
  ['containerd://1.7.27', 'fail'],
  ['cri-o://1.25.0', 'ok'],
  ['cri-o://1.24.6', 'fail'],
  ['docker://27.0.1', 'fail'],
  ['', 'fail'],
];

suite('the runtime', () => {
  for (const [runtime, verdict] of RUNTIMES) {
    test(runtime, () => {
      const check = judgeRuntimes([{ name: 'a', kubelet: '', runtime, isReady: true }]);
      assert.equal(check.verdict, verdict);
    });
  }
});

const DISKS: readonly (readonly [free: number, verdict: Verdict])[] = [
  [0.5, 'ok'],
  [0.2, 'ok'],
  [0.19, 'warn'],
  [0.1, 'warn'],
  [0.09, 'fail'],
  [0, 'fail'],
];

suite('the disk', () => {
  for (const [free, verdict] of DISKS) {
    test(`${free} free`, () => {
      const facts = { node: 'a', lookedAt: 0, totalBytes: 1000, freeBytes: free * 1000, complaints: [] };
      assert.equal(judgeDisks([facts]).verdict, verdict);
    });
  }
  test('of which nobody tells', () => assert.equal(judgeDisks([]).verdict, 'unknown'));
});

const REFUSALS: readonly (readonly [
  message: string,
  status: number | null,
  verdict: Verdict,
  told: RegExp,
])[] = [
  ['admission webhook "checkpoint-warden-mutate.criu.org" denied the request: spec…', 403, 'ok', /answers/],
  ['admission webhook "other.example" denied the request: no', 403, 'unknown', /right to create/],
  ['cro is forbidden: User "jane" cannot create resource', 403, 'unknown', /right to create/],
  [
    'Internal error occurred: failed calling webhook "checkpoint-warden-mutate.criu.org": failed to call webhook: Post "https://x": dial tcp 10.0.0.1:443: connect: connection refused',
    500,
    'fail',
    /cannot be reached .*: Post .*refused$/,
  ],
  ['404 page not found', 404, 'fail', /there are no checkpointrestoreoperators/],
  ['POST https://x had no answer for 30 s', null, 'unknown', /^cannot be told: had no answer for 30 s$/],
];

suite('what a refusal of the unsound policy says of the webhook', () => {
  for (const [message, status, verdict, told] of REFUSALS) {
    test(message, () => {
      const check = judgeRefusal(error(message, status), 'checkpoint-warden');
      assert.equal(check.verdict, verdict);
      assert.match(check.message, told);
      if (verdict !== 'ok') assert.ok(check.remedy);
    });
  }
});

const TRIED: readonly (readonly [answer: KubeError | null, verdict: Verdict])[] = [
  [error("ValidatingAdmissionPolicy 'checkpoint-warden-connect' … denied request: no", 403), 'ok'],
  [error('admission webhook "checkpoint-warden-connect.criu.org" denied the request: no', 403), 'ok'],
  [error('failed calling webhook "checkpoint-warden-connect.criu.org"', 500), 'warn'],
  [error('nodes "checkpoint-warden-doctor.invalid" not found', 404), 'fail'],
  [error('had no answer', null), 'unknown'],
  [null, 'fail'],
];

suite('what a checkpoint through nodes/proxy says of its guard', () => {
  for (const [answer, verdict] of TRIED) {
    test(answer?.message ?? 'let through', async () => {
      const client = clientOf(() => (answer === null ? Promise.resolve({}) : Promise.reject(answer)));
      const check = await checkConnect({ client, namespace: 'checkpoint-warden', now: 0 });
      assert.equal(check.verdict, verdict);
    });
  }
});

test('every right that the doctor asks for is one of the manifests', () => {
  const rules = readdirSync(join(ROOT, 'manifests/base')).flatMap((name) =>
    parseAllDocuments(readFileSync(join(ROOT, 'manifests/base', name), 'utf8')).flatMap((document) => {
      const { kind, metadata, rules: all } = document.toJS();
      const found: readonly unknown[] = Array.isArray(all) ? all : [];
      return kind === 'ClusterRole' ? [[String(metadata.name), found] as const] : [];
    }),
  );
  for (const { account, group, resource, verbs } of NEEDED_RIGHTS) {
    const [, own = []] = rules.find(([name]) => name === `checkpoint-warden-${account}`) ?? [];
    for (const verb of verbs) {
      const isGranted = own.some((each) =>
        grants(
          {
            // Rules are of the core group here.
            apiGroups: textsAt(each, 'apiGroups').includes(group) ? [''] : [],
            resources: textsAt(each, 'resources'),
            verbs: textsAt(each, 'verbs'),
            resourceNames: [],
          },
          resource,
          verb,
        ),
      );
      assert.ok(isGranted, `${account} ${verb} ${resource}.${group}`);
    }
  }
});

test('wide names what is counted', () => {
  const check = { name: 'x', verdict: 'ok', message: 'm', remedy: null, details: ['one', 'two'] } as const;
  const output = { write: () => {}, isTerminal: false, hasColour: false, width: null };
  assert.doesNotMatch(renderChecks([check], output), /one/);
  assert.match(renderChecks([check], output, true), /\n\nx\n {2}one\n {2}two\n\n1 ok\n$/);
});

test('names from the cluster cannot move the cursor', () => {
  const check = { name: 'x', verdict: 'fail', message: 'a\u001b[2Jb', remedy: 'c\rd', details: [] } as const;
  const output = { write: () => {}, isTerminal: false, hasColour: false, width: null };
  assert.match(renderChecks([check], output), /a\\x1b\[2Jb\n(?:.|\n)*c\\rd\n/);
});
