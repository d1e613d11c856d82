import assert from 'node:assert/strict';
import fc from 'fast-check';
import { admit } from '../../policy/admit.ts';
import { PolicySet } from '../../policy/govern.ts';
import { plan } from '../../policy/plan.ts';
import type {
  Archive,
  CheckpointRequest,
  Decision,
  PolicyResource,
  Reservation,
  Rule,
  WhenFull,
} from '../../policy/types.ts';
import { holds } from './cases.ts';
import { Dice, roll } from './dice.ts';
import { bucketOf, sum } from './reference.ts';
import { Tally } from './tally.ts';
import { NOW, worlds } from './worlds.ts';

/** A request beside archives, checkpoints under way and policies. */
interface Asking {
  readonly resources: readonly PolicyResource[];
  readonly archives: readonly Archive[];
  readonly reservations: readonly Reservation[];
  readonly request: CheckpointRequest;
}

const askings = fc
  .tuple(worlds({ withoutDisk: true }), roll)
  .map(([{ resources, inventory }, number]): Asking => {
    const dice = new Dice(number);
    // A request falls where archives are; none of them comes from the future, so the newcomer is the newest.
    const archives = inventory.archives
      .filter((each) => each.state !== 'reserved')
      .map((each) => ({ ...each, modifiedAt: Math.min(each.modifiedAt, NOW - 1) }));
    const identities = archives.flatMap((each) => each.identity ?? []);
    const whose = () =>
      identities[dice.roll(8) % Math.max(1, identities.length)] ?? {
        namespace: 'a',
        pod: 'p',
        container: 'c',
      };
    const reservations = Array.from({ length: dice.roll(3) }, (_, index): Reservation => {
      const { namespace, pod, container } = whose();
      return {
        id: `${index}`,
        namespace,
        pod,
        container,
        bytes: (1 + dice.roll(4)) * 1024,
        since: NOW - index,
      };
    });
    const { namespace, pod, container } = whose();
    const request = { namespace, pod, container, expectedBytes: (1 + dice.roll(6)) * 1024 };
    return { resources, archives, reservations, request };
  });

function saying(whenFull: WhenFull, resource: PolicyResource): PolicyResource {
  const rules: Rule[] = [];
  const copy = { ...resource, rules };
  for (const each of resource.rules) rules.push({ ...each, whenFull, resource: copy });
  return copy;
}

function come(
  { namespace, pod, container }: Pick<Reservation, 'namespace' | 'pod' | 'container'>,
  bytes: number,
  name: string,
  state: Archive['state'],
): Archive {
  return {
    file: `checkpoint-${name}.tar`,
    bytes,
    allocatedBytes: bytes,
    modifiedAt: NOW,
    state,
    pinned: false,
    identity: { namespace, pod, container, podUid: null },
    staleTailBytes: 0,
    orphan: null,
  };
}

function deletions(archives: readonly Archive[], policies: PolicySet): Decision[] {
  return plan({ archives }, policies, NOW).decisions.filter((each) => each.action === 'delete');
}

function full(decisions: readonly Decision[]): Decision[] {
  return decisions.filter((each) => each.rule === 'count' || each.rule === 'total');
}

const rejecting = new Tally();
holds(
  'what admit lets in under RejectNew, no plan deletes for count or total, and nothing else for it',
  askings,
  ({ resources, archives, reservations, request }) => {
    const policies = new PolicySet(resources.map((each) => saying('RejectNew', each)));
    const verdict = admit(request, { archives, reservations }, policies, NOW);
    if (!verdict.admitted) {
      rejecting.add(`refused ${verdict.because}`);
      return;
    }
    rejecting.add('admitted');
    if (policies.governing(request).administrator?.buckets.some((each) => each.maxCount !== undefined)) {
      rejecting.add('admitted below a count');
    }
    if (verdict.evict.length > 0) rejecting.add('admitted with room made');
    const gone = new Set(verdict.evict.map((each) => each.archive));
    const left = archives.filter((each) => !gone.has(each));
    for (const state of ['reserved', 'complete'] as const) {
      const others = [...left, ...reservations.map((each) => come(each, each.bytes, `y${each.id}`, state))];
      const newcomer = come(request, request.expectedBytes, 'z', state);
      const before = new Set(deletions(others, policies).map((each) => each.archive));
      for (const each of full(deletions([...others, newcomer], policies))) {
        assert.notEqual(each.archive, newcomer, `${each.reason} (${state})`);
        assert.ok(before.has(each.archive), `${each.archive.file} goes for it: ${each.reason} (${state})`);
      }
    }
  },
  {
    afterwards: (cases) =>
      rejecting.expect(cases, {
        'refused count': 0.03,
        'refused total': 0.03,
        'refused size': 0.02,
        admitted: 0.2,
        'admitted below a count': 0.05,
        'admitted with room made': 0.01,
      }),
  },
);

const evicting = new Tally();
holds(
  'what admit lets in stays when it comes, and what goes for it is what the plan deletes',
  askings,
  ({ resources, archives, reservations, request }) => {
    const policies = new PolicySet(resources);
    const verdict = admit(request, { archives, reservations }, policies, NOW);
    if (!verdict.admitted) return;
    const promises = [
      ...reservations.map((each) => come(each, each.bytes, `y${each.id}`, 'reserved')),
      come(request, request.expectedBytes, 'z', 'reserved'),
    ];
    const planned = new Set(deletions([...archives, ...promises], policies).map((each) => each.archive));
    for (const { archive, reason } of verdict.evict) {
      assert.ok(planned.has(archive), `${archive.file} would stay: ${reason}`);
      assert.equal(archive.identity?.namespace, request.namespace);
      evicting.add('evicted');
    }
    const gone = new Set(verdict.evict.map((each) => each.archive));
    const newcomer = come(request, request.expectedBytes, 'z', 'complete');
    const left = archives.filter((each) => !gone.has(each));
    const arrived = [
      ...left,
      ...reservations.map((each) => come(each, each.bytes, `y${each.id}`, 'complete')),
      newcomer,
    ];
    const fate = deletions(arrived, policies).find((each) => each.archive === newcomer);
    assert.equal(fate?.reason, undefined);
    evicting.add('stays');
  },
  { afterwards: (cases) => evicting.expect(cases, { evicted: 0.05, stays: 0.3 }) },
);

const refusing = new Tally();
holds(
  'what admit refuses for count or total would be over that very limit',
  askings,
  ({ resources, archives, reservations, request }) => {
    const policies = new PolicySet(resources);
    const verdict = admit(request, { archives, reservations }, policies, NOW);
    if (verdict.admitted) return;
    assert.ok(
      verdict.policy && verdict.field && verdict.message.includes(verdict.policy.resource.reference.name),
    );
    assert.equal(verdict.status, 507);
    const { policy, field, because } = verdict;
    if (because === 'size') {
      assert.ok(BigInt(request.expectedBytes) > (policy.maxArchiveBytes ?? 0n));
      return;
    }
    const limits = policy.buckets.find((each) =>
      [each.countField, each.totalField].some((name) => field.endsWith(name)),
    );
    assert.ok(limits);
    const newcomer = come(request, request.expectedBytes, 'z', 'complete');
    const governed = (each: Archive) => {
      const { administrator, tenant } = policies.governing(each.identity ?? request);
      return each.identity !== null && (administrator === policy || tenant === policy);
    };
    const promises = reservations.map((each) => come(each, each.bytes, `y${each.id}`, 'complete'));
    const together = [...archives, ...promises, newcomer].filter(
      (each) =>
        governed(each) &&
        each.state !== 'growing' &&
        bucketOf(each, limits.level) === bucketOf(newcomer, limits.level),
    );
    assert.ok(together.includes(newcomer));
    if (because === 'count') assert.ok(together.length > (limits.maxCount ?? Number.POSITIVE_INFINITY));
    else assert.ok(limits.maxTotalBytes !== undefined && sum(together) > limits.maxTotalBytes);
    refusing.add(because);
  },
  { afterwards: (cases) => refusing.expect(cases, { count: 0.02, total: 0.02 }) },
);
