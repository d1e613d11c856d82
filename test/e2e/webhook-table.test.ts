import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { formatFinding } from '../../policy/findings.ts';
import { warningsOf } from '../../webhook/words.ts';
import { type PolicyCluster, startPolicyCluster } from './policies/cluster.ts';
import { judgeOffline } from './policies/offline.ts';
import { POLICIES } from './policies/table.ts';

test('the table has at least sixty policies, each with a name of its own', () => {
  assert.ok(POLICIES.length >= 60);
  assert.equal(new Set(POLICIES.map(({ name }) => name)).size, POLICIES.length);
});

suite('checkpoint-warden validate', () => {
  for (const row of POLICIES) {
    test(row.name, async () => {
      const { findings, code, told } = await judgeOffline(row);
      const of = (severity: string) =>
        findings.filter((each) => each.severity === severity).map((each) => `${each.code} ${each.field}`);
      assert.deepEqual(
        { errors: of('error'), warnings: of('warning') },
        { errors: row.errors, warnings: row.warnings },
      );
      assert.deepEqual([...told].sort(), [...row.errors, ...row.warnings].sort());
      assert.equal(code, row.errors.length > 0 ? 1 : 0);
      if (row.says !== undefined) {
        assert.ok(findings.some((each) => formatFinding(each).includes(row.says ?? '')));
      }
    });
  }
});

suite('kubectl apply', () => {
  let cluster: PolicyCluster;
  before(async () => {
    cluster = await startPolicyCluster();
  });
  after(() => cluster[Symbol.asyncDispose]());

  for (const row of POLICIES) {
    test(row.name, async (t) => {
      t.after(() => cluster.clear());
      const there: string[] = [];
      for (const document of [...(row.before ?? []), ...(row.former ? [row.former] : [])]) {
        const { accepted, stdout, stderr } = await cluster.apply(document);
        assert.ok(accepted, stderr);
        there.push(stdout);
      }
      await cluster.known(there.map((line) => keyOf(line, row)));

      const applied = await cluster.apply(row.document);
      if (row.atApply === 'accepted') {
        assert.ok(applied.accepted, applied.stderr);
        return;
      }
      const { findings } = await judgeOffline(row);
      const errors = findings.filter(({ severity }) => severity === 'error').map(formatFinding);
      const warnings = findings.filter(({ severity }) => severity === 'warning');
      assert.equal(applied.accepted, row.errors.length === 0, applied.stderr);
      assert.deepEqual([...applied.warnings].sort(), warningsOf(warnings).sort());
      if (applied.accepted) return;
      const [summary, ...lines] = applied.lines;
      const count = errors.length === 1 ? '1 error' : `${errors.length} errors`;
      assert.equal(summary, `${count} in checkpointrestoreoperator team-a/quotas:`);
      assert.deepEqual(lines.sort(), errors.sort());
    });
  }
});

/** kubectl prints no namespace: of the rows' resources only the document itself is in team-a. */
function keyOf(line: string, { former }: { readonly former?: string }): string {
  const name = /criu\.org\/(\S+) created/.exec(line)?.[1] ?? line;
  return former !== undefined && name === 'quotas' ? `team-a/${name}` : `ops/${name}`;
}
