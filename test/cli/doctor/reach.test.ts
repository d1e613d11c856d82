import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { holders, judgeCheckpoint, judgeProxy } from '../../../cli/doctor/reach.ts';
import { bindingOf, grants, type Rule, rolesIn } from '../../../kube/role-bindings.ts';

function rule(apiGroups: string[], resources: string[], verbs: string[], resourceNames: string[] = []): Rule {
  return { apiGroups, resources, verbs, resourceNames };
}

const MATCHES: readonly (readonly [name: string, rule: Rule, isGranted: boolean])[] = [
  ['the right itself', rule([''], ['nodes/checkpoint'], ['create']), true],
  ['any verb', rule([''], ['nodes/checkpoint'], ['*']), true],
  ['any group', rule(['*'], ['nodes/checkpoint'], ['create']), true],
  ['any resource', rule([''], ['*'], ['create']), true],
  ['that subresource of any resource', rule([''], ['*/checkpoint'], ['create']), true],
  ['another verb', rule([''], ['nodes/checkpoint'], ['get', 'list']), false],
  ['the resource without its subresource', rule([''], ['nodes'], ['*']), false],
  ['a wildcard that RBAC does not know', rule([''], ['nodes/*'], ['*']), false],
  ['another group', rule(['apps'], ['*'], ['*']), false],
  ['no group', rule([], ['*'], ['*']), false],
];

suite('what a rule grants', () => {
  for (const [name, each, isGranted] of MATCHES) {
    test(name, () => assert.equal(grants(each, 'nodes/checkpoint', 'create'), isGranted));
  }
});

const role = (name: string, rules: readonly object[], more: object = {}) => ({
  metadata: { name, ...('labels' in more && { labels: more.labels }) },
  rules,
  ...more,
});
const binding = (name: string, roleName: string, subjects: readonly object[], labels: object = {}) =>
  bindingOf({ metadata: { name, labels }, roleRef: { kind: 'ClusterRole', name: roleName }, subjects });

const USER = { kind: 'User', name: 'jane' };
const BOT = { kind: 'ServiceAccount', namespace: 'shop', name: 'bot' };
const MASTERS = { kind: 'Group', name: 'system:masters' };
const BUILT_IN = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
const ALL = { apiGroups: ['*'], resources: ['*'], verbs: ['*'] };
const PROXY = { apiGroups: [''], resources: ['nodes/proxy'], verbs: ['get'] };

suite('who holds a way', () => {
  test('through an aggregated role, whoever has filled it in', () => {
    const selectors = [
      { matchLabels: { part: 'yes' } },
      { matchExpressions: [{ key: 'part', operator: 'In', values: ['also'] }] },
    ];
    const roles = rolesIn([
      role('sum', [], { aggregationRule: { clusterRoleSelectors: selectors } }),
      role('one', [PROXY], { labels: { part: 'yes' } }),
      role('two', [{ ...PROXY, resources: ['nodes/checkpoint'], verbs: ['create'] }], {
        labels: { part: 'also' },
      }),
      role('none', [ALL], { labels: { part: 'no' } }),
    ]);
    const bindings = [binding('b', 'sum', [USER, BOT])];
    assert.deepEqual(
      holders(roles, bindings, 'nodes/proxy').map(({ subject, verbs }) => [subject, ...verbs]),
      [
        ['user jane', 'get'],
        ['service account shop/bot', 'get'],
      ],
    );
    assert.equal(holders(roles, bindings, 'nodes/checkpoint').length, 2);
  });

  test('on some nodes only, which are named', () => {
    const roles = rolesIn([role('r', [{ ...PROXY, resourceNames: ['alpha'] }])]);
    const [holder] = holders(roles, [binding('b', 'r', [USER])], 'nodes/proxy');
    assert.deepEqual(holder?.nodes, ['alpha']);
    assert.match(judgeProxy(holder ? [holder] : [], true).details[0] ?? '', /^user jane: get on alpha by /);
  });

  test("the API server's own bindings are told from those to which somebody was added", () => {
    const roles = rolesIn([role('cluster-admin', [ALL])]);
    const kinds = (subjects: object[]) =>
      holders(roles, [binding('cluster-admin', 'cluster-admin', subjects, BUILT_IN)], 'nodes/proxy').map(
        ({ kind }) => kind,
      );
    assert.deepEqual(kinds([MASTERS]), ['system']);
    assert.deepEqual(kinds([MASTERS, USER]), ['administrator', 'administrator']);
  });

  test('whoever passes for a part of the cluster is told', () => {
    const roles = rolesIn([role('r', [{ ...PROXY, verbs: ['*'] }])]);
    const kind = (subject: object, labels: object = {}) =>
      holders(roles, [binding('b', 'r', [subject], labels)], 'nodes/proxy')[0]?.kind;
    assert.equal(kind({ kind: 'Group', name: 'system:authenticated' }, BUILT_IN), 'other');
    assert.equal(kind(MASTERS), 'other');
    assert.equal(kind({ kind: 'User', name: 'kube-apiserver-kubelet-client' }), 'system');
    assert.equal(kind({ kind: 'Group', name: 'kubeadm:cluster-admins' }), 'system');
    assert.equal(kind({ kind: 'ServiceAccount', namespace: 'kube-system', name: 'x' }), 'other');
  });

  test('a role that is not there grants nothing', () => {
    assert.deepEqual(holders([], [binding('b', 'gone', [USER])], 'nodes/proxy'), []);
  });
});

suite('what is said of it', () => {
  const roles = rolesIn([role('all', [ALL]), role('proxy', [PROXY])]);
  const administrator = holders(roles, [binding('boss', 'all', [USER])], 'nodes/proxy');
  const scraper = holders(roles, [binding('scrape', 'proxy', [BOT])], 'nodes/proxy');

  test('administrators are a warning of one way, and no news of a guarded one', () => {
    assert.equal(judgeCheckpoint(administrator).verdict, 'warn');
    assert.equal(judgeProxy(administrator, true).verdict, 'ok');
    assert.equal(judgeProxy(administrator, false).verdict, 'fail');
  });

  test('a scraper is warned of, with what would be enough for it', () => {
    const { verdict, message, remedy } = judgeProxy([...administrator, ...scraper], true);
    assert.equal(verdict, 'warn');
    assert.match(message, /^service account shop\/bot may use nodes\/proxy/);
    assert.match(remedy ?? '', /nodes\/metrics is enough.*kubectl describe clusterrolebinding scrape$/);
    assert.equal(judgeProxy(scraper, false).verdict, 'warn');
  });

  test('whom no rule shows is said', () => {
    assert.match(judgeCheckpoint([]).message, /who is in the groups system:masters .* cannot be seen/);
  });
});
