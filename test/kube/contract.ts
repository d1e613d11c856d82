import assert from 'node:assert/strict';
import { after, before, suite, type TestContext, test } from 'node:test';
import { type ClientOptions, createClient, type KubeClient } from '../../kube/client.ts';
import { Informer, type InformerTiming } from '../../kube/informer.ts';
import { podLookup } from '../../kube/pods.ts';
import { governReviewer } from '../../kube/reviews.ts';
import { fieldsOf, own, text } from '../../policy/json.ts';
import { clusterPolicySource } from '../../source/cluster.ts';
import { type PassThrough, startPassThrough } from '../cluster/pass-through.ts';

/** What a cluster must do for the suite; the fake and the real API server each have one of these. */
export interface ContractCluster extends AsyncDisposable {
  readonly port: number;
  /** Path of an administrator's kubeconfig whose API server is at that port. */
  kubeconfig(port: number): Promise<string>;
  /** @returns its uid */
  createPod(namespace: string, name: string, annotations?: Readonly<Record<string, string>>): Promise<string>;
  deletePod(namespace: string, name: string): Promise<void>;
  /** Creates or replaces a policy resource. */
  putPolicy(namespace: string, name: string, spec: object): Promise<void>;
  deletePolicy(namespace: string, name: string): Promise<void>;
  /** Gives a group the verb `govern`. */
  grantGovern(group: string): Promise<void>;
}

const POLICIES = '/apis/criu.org/v1/checkpointrestoreoperators';
const NAMESPACE = 'contract';
const PATIENCE = { interval: 10, timeout: 8_000 };
const TIMING: Partial<InformerTiming> = {
  pageSize: 2,
  watchMs: 1_000,
  idleMs: 400,
  freshMs: 5_000,
  lostMs: 100,
  leastWatchMs: 50,
  leastBackoffMs: 20,
  mostBackoffMs: 100,
};

/** One suite over the fake and over the real API server. The namespace `contract` must be there. */
export function contractSuite(name: string, start: () => Promise<ContractCluster>): void {
  suite(name, () => {
    let cluster: ContractCluster;
    let way: PassThrough;

    before(async () => {
      cluster = await start();
      way = await startPassThrough(cluster.port);
    });
    after(async () => {
      await way.close();
      await cluster[Symbol.asyncDispose]();
    });

    /** A client that reaches the cluster over a way that can be cut. */
    const connect = async (t: TestContext, options: ClientOptions = {}): Promise<KubeClient> => {
      const kubeconfig = await cluster.kubeconfig(way.port);
      const client = await createClient({ kubeconfig, timeoutMs: 400, ...options });
      t.after(() => client.close());
      t.after(() => way.restore());
      return client;
    };

    suite('PodLookup', () => {
      test('a pod that is there, a static one too', async (t) => {
        const pods = podLookup(await connect(t, { timeoutMs: 5_000 }));
        const uid = await cluster.createPod(NAMESPACE, 'cart.v1');
        assert.deepEqual(await pods.get(NAMESPACE, 'cart.v1'), { uid, configHash: null });
        const hash = { 'kubernetes.io/config.hash': '0123abc' };
        const mirror = await cluster.createPod(NAMESPACE, 'etcd-node1', hash);
        assert.deepEqual(await pods.get(NAMESPACE, 'etcd-node1'), { uid: mirror, configHash: '0123abc' });
      });

      test('null for a pod that is not there, or whose namespace is not', async (t) => {
        const pods = podLookup(await connect(t, { timeoutMs: 5_000 }));
        assert.equal(await pods.get(NAMESPACE, 'nobody'), null);
        assert.equal(await pods.get('no-such-namespace', 'nobody'), null);
      });

      test('null once a pod is deleted, another uid once it is made anew', async (t) => {
        const pods = podLookup(await connect(t, { timeoutMs: 5_000 }));
        const uid = await cluster.createPod(NAMESPACE, 'again');
        await cluster.deletePod(NAMESPACE, 'again');
        assert.equal(await pods.get(NAMESPACE, 'again'), null);
        assert.notEqual(await cluster.createPod(NAMESPACE, 'again'), uid);
        assert.notEqual((await pods.get(NAMESPACE, 'again'))?.uid, uid);
      });

      test('a way that is cut or silent rejects; when it is back, the same client goes on', async (t) => {
        const pods = podLookup(await connect(t));
        await t.waitFor(() => pods.get(NAMESPACE, 'nobody'), PATIENCE);
        way.cut();
        await assert.rejects(pods.get(NAMESPACE, 'nobody'), { name: 'KubeError', status: null });
        way.stall();
        await assert.rejects(pods.get(NAMESPACE, 'nobody'), {
          name: 'KubeError',
          message: /no answer for 0.4 s/,
        });
        way.restore();
        await t.waitFor(async () => assert.equal(await pods.get(NAMESPACE, 'nobody'), null), PATIENCE);
      });

      test('names that no pod can have reject and are not asked for', async (t) => {
        const pods = podLookup(await connect(t));
        for (const [namespace, pod] of [
          [NAMESPACE, ''],
          [NAMESPACE, '..'],
          [NAMESPACE, '../../nodes'],
          [NAMESPACE, 'a/b'],
          [NAMESPACE, 'cart?limit=1'],
          [NAMESPACE, 'Cart'],
          ['', 'cart'],
          ['a.b', 'cart'],
        ] as const) {
          await assert.rejects(pods.get(namespace, pod), { message: /^no pod can be called "/ });
        }
      });
    });

    suite('Reviewer', () => {
      test('by user, groups and extra; a right that is given is felt as soon as a denial is forgotten', async (t) => {
        let now = 0;
        const reviewer = governReviewer(await connect(t, { timeoutMs: 5_000 }), { now: () => now });
        const user = {
          username: 'jane',
          uid: '7',
          groups: ['contract-governors'],
          extra: { 'example.org/scope': ['a'] },
        };
        assert.equal(await reviewer.mayGovern(user), false);
        await cluster.grantGovern('contract-governors');
        await t.waitFor(async () => {
          now += 1_000;
          assert.equal(await reviewer.mayGovern(user), true);
        }, PATIENCE);
        assert.equal(await reviewer.mayGovern({ ...user, groups: [] }), false);
        assert.equal(await reviewer.mayGovern({ username: 'jane' }), false);
      });

      test('no answer is no yes', async (t) => {
        const reviewer = governReviewer(await connect(t));
        way.cut();
        await assert.rejects(reviewer.mayGovern({ username: 'x' }), { name: 'KubeError' });
        way.stall();
        await assert.rejects(reviewer.mayGovern({ username: 'x' }), { name: 'KubeError' });
      });
    });

    suite('Informer', () => {
      const spec = (maxCheckpoints: number) => ({
        namespacePolicies: [{ namespace: NAMESPACE, maxCheckpoints }],
      });

      interface Watched {
        readonly informer: Informer<string>;
        /** How many objects were parsed. */
        readonly parsed: () => number;
        /** Waits until the objects, as `name=count`, are these. */
        readonly shows: (...expected: readonly string[]) => Promise<void>;
      }

      const watched = async (
        t: TestContext,
        client: KubeClient,
        timing: Partial<InformerTiming> = {},
      ): Promise<Watched> => {
        let parsed = 0;
        const informer = new Informer({
          client,
          path: POLICIES,
          timing: { ...TIMING, ...timing },
          parse: (object) => {
            parsed += 1;
            const name = text(own(fieldsOf(own(object, 'metadata')), 'name'));
            const list = own(fieldsOf(own(object, 'spec')), 'namespacePolicies');
            return `${name}=${Array.isArray(list) ? own(fieldsOf(list[0]), 'maxCheckpoints') : '-'}`;
          },
        });
        t.after(() => informer.stop());
        await informer.start();
        const shows = async (...expected: readonly string[]) => {
          await t.waitFor(() => assert.deepEqual([...informer.values()].sort(), expected), PATIENCE);
        };
        return { informer, parsed: () => parsed, shows };
      };

      const clear = async (...names: readonly string[]) => {
        for (const each of names) await cluster.deletePolicy(NAMESPACE, each);
      };

      test('lists in pages, and sees what is made, changed and deleted; tells of it', async (t) => {
        const names = ['a', 'b', 'c', 'd', 'e'];
        for (const each of names) await cluster.putPolicy(NAMESPACE, each, spec(1));
        const { informer, parsed, shows } = await watched(t, await connect(t, { timeoutMs: 5_000 }));
        await shows('a=1', 'b=1', 'c=1', 'd=1', 'e=1');
        assert.equal(parsed(), 5);
        assert.equal(informer.isFresh(), true);
        let told = 0;
        informer.onChange(() => {
          told += 1;
        });
        await cluster.putPolicy(NAMESPACE, 'f', spec(2));
        await shows('a=1', 'b=1', 'c=1', 'd=1', 'e=1', 'f=2');
        await cluster.putPolicy(NAMESPACE, 'a', spec(3));
        await shows('a=3', 'b=1', 'c=1', 'd=1', 'e=1', 'f=2');
        await clear(...names);
        await shows('f=2');
        await clear('f');
        await shows();
        assert.ok(told >= 3, String(told));
        assert.equal(parsed(), 7, 'each version once, a deletion not at all');
      });

      test('a watch that the server ends is made again, nothing is lost and nothing listed anew', async (t) => {
        const { informer, shows } = await watched(t, await connect(t), { idleMs: 5_000 });
        await t.waitFor(() => assert.ok(informer.counts.watches >= 2), PATIENCE);
        assert.equal(informer.isFresh(), true);
        await cluster.putPolicy(NAMESPACE, 'g', spec(1));
        await shows('g=1');
        await clear('g');
        await shows();
        assert.deepEqual({ ...informer.counts, watches: 0 }, { lists: 1, watches: 0, failures: 0 });
      });

      test('a way that is cut makes it stale; what happened meanwhile is seen when it is back', async (t) => {
        await cluster.putPolicy(NAMESPACE, 'h', spec(1));
        const { informer, shows } = await watched(t, await connect(t));
        await shows('h=1');
        way.cut();
        await t.waitFor(() => assert.equal(informer.isFresh(), false), PATIENCE);
        assert.deepEqual([...informer.values()], ['h=1']);
        await cluster.putPolicy(NAMESPACE, 'h', spec(2));
        await cluster.putPolicy(NAMESPACE, 'i', spec(1));
        way.restore();
        await shows('h=2', 'i=1');
        assert.equal(informer.isFresh(), true);
        await clear('h', 'i');
        await shows();
      });

      test('a connection that falls silent is noticed', async (t) => {
        await cluster.putPolicy(NAMESPACE, 'j', spec(1));
        const { informer, shows } = await watched(t, await connect(t));
        await shows('j=1');
        way.stall();
        await t.waitFor(() => assert.equal(informer.isFresh(), false), PATIENCE);
        await cluster.putPolicy(NAMESPACE, 'j', spec(2));
        assert.deepEqual([...informer.values()], ['j=1']);
        way.restore();
        await shows('j=2');
        await t.waitFor(() => assert.equal(informer.isFresh(), true), PATIENCE);
        await clear('j');
      });

      test('a version that has expired leads to a new list, in which what is gone is missing', async (t) => {
        await cluster.putPolicy(NAMESPACE, 'k', spec(1));
        await cluster.putPolicy(NAMESPACE, 'l', spec(1));
        const client = await connect(t, { timeoutMs: 5_000 });
        let expire = false;
        const aging: KubeClient = {
          ...client,
          server: client.server,
          request: (request) => client.request(request),
          stream: (request) => {
            const query = expire ? { ...request.query, resourceVersion: '1' } : request.query;
            expire = false;
            return client.stream({ ...request, ...(query && { query }) });
          },
          close: () => client.close(),
        };
        const { informer, parsed, shows } = await watched(t, aging);
        await shows('k=1', 'l=1');
        way.cut();
        await t.waitFor(() => assert.ok(informer.counts.failures > 0), PATIENCE);
        await clear('k');
        expire = true;
        way.restore();
        await shows('l=1');
        assert.equal(informer.counts.lists, 2);
        assert.equal(parsed(), 2, 'the same version is not parsed again');
        await clear('l');
      });

      test('a start without a way gives up with the reason, in time', async (t) => {
        const client = await connect(t);
        way.cut();
        const informer = new Informer({
          client,
          path: POLICIES,
          parse: String,
          timing: { ...TIMING, startMs: 300 },
        });
        await assert.rejects(informer.start(), { message: /^GET https:.* had no answer: / });
        assert.equal(informer.isFresh(), false);
        assert.equal(informer.staleness(), Number.POSITIVE_INFINITY);
      });

      test('a collection that is not known is not waited for in vain', async (t) => {
        const client = await connect(t, { timeoutMs: 5_000 });
        const path = '/apis/criu.org/v1/nothings';
        const informer = new Informer({ client, path, parse: String, timing: { ...TIMING, startMs: 300 } });
        t.after(() => informer.stop());
        await assert.rejects(informer.start(), { name: 'KubeError', status: 404 });
      });
    });

    suite('policies of the cluster', () => {
      test('an edit that is not sound leaves the last good version in force', async (t) => {
        await cluster.putPolicy(NAMESPACE, 'quotas', {
          namespacePolicies: [{ namespace: NAMESPACE, maxCheckpoints: 4 }],
        });
        const logged: string[] = [];
        const log = {
          info: () => {},
          warn: () => {},
          error: (_: object, message: string) => logged.push(message),
        };
        const client = await connect(t, { timeoutMs: 5_000 });
        const source = clusterPolicySource({ client, log, timing: TIMING });
        t.after(() => source.stop());
        await source.start();
        const count = () => source.resources().map(({ rules }) => rules[0]?.buckets[0]?.maxCount);
        assert.deepEqual(count(), [4]);
        assert.deepEqual(source.problems(), []);

        await cluster.putPolicy(NAMESPACE, 'quotas', {
          namespacePolicies: [{ namespace: NAMESPACE, maxChekpoints: 9 }],
        });
        await t.waitFor(() => assert.equal(source.problems()[0]?.finding.code, 'unknownField'), PATIENCE);
        assert.deepEqual(count(), [4]);
        assert.equal(source.problems()[0]?.resource, 'contract/quotas');
        assert.match(
          logged.join('\n'),
          /did you mean maxCheckpoints\?.*; the last good version stays in force$/,
        );

        const late = clusterPolicySource({ client, timing: TIMING });
        t.after(() => late.stop());
        await late.start();
        assert.deepEqual(
          late.resources().map(({ sound }) => sound),
          [false],
        );

        await cluster.putPolicy(NAMESPACE, 'quotas', {
          namespacePolicies: [{ namespace: NAMESPACE, maxCheckpoints: 5 }],
        });
        await t.waitFor(() => assert.deepEqual(count(), [5]), PATIENCE);
        await cluster.deletePolicy(NAMESPACE, 'quotas');
        await t.waitFor(() => assert.deepEqual(source.resources(), []), PATIENCE);
      });
    });
  });
}
