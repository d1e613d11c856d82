import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import type { KubeClient } from '../../../kube/client.ts';
import { CASES, SEED } from '../../policy/cases.ts';
import { silence } from './memory-api.ts';
import {
  AUTHORITY,
  CONNECT,
  DAY,
  DOOR,
  LEAF,
  MINUTE,
  MUTATING,
  VALIDATING,
  World,
  wellLooked,
} from './world.ts';

let founded: World;
before(async () => {
  founded = new World();
  wellLooked(await founded.keeper().look());
});

/** A replica whose every call waits, before it is sent and before its answer comes, until it is let go. */
class Replica {
  readonly #world: World;
  #waiting: (() => void)[] = [];
  #ended = false;
  isPaused = false;
  /** What it shows, PEM. */
  served: string | null = null;
  looks = 0;

  constructor(world: World) {
    this.#world = world;
    void this.#run();
  }

  /** One call goes one way. */
  step(): void {
    if (!this.isPaused) this.#waiting.shift()?.();
  }

  /** Ended in the middle of whatever it does; what it has sent may have arrived. */
  kill(): void {
    this.#ended = true;
    this.served = null;
  }

  async #run(): Promise<void> {
    const keeper = this.#world.keeper({ client: this.#gated(this.#world.api.client()) });
    while (!this.#ended) {
      const look = await keeper.look();
      if (this.#ended) return;
      this.served = look.serving?.inspected.certificate.certificate ?? this.served;
      this.looks += 1;
      await this.#gate();
    }
  }

  #gated(client: KubeClient): KubeClient {
    return {
      ...client,
      request: async (request) => {
        await this.#gate();
        // A killed one sends nothing any more.
        if (this.#ended) return new Promise(() => {});
        const answer = await client.request(request).catch((error: unknown) => error);
        await this.#gate();
        if (answer instanceof Error) throw answer;
        return answer;
      },
    };
  }

  #gate(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    return promise;
  }
}

function assertTrusted(world: World, replicas: readonly Replica[]): void {
  for (const [index, { served }] of replicas.entries()) {
    if (served === null) continue;
    const leaf = new X509Certificate(served);
    if (Date.parse(leaf.validTo) <= world.now) continue;
    for (const path of [MUTATING, VALIDATING, CONNECT]) {
      const trusts = world.authorities(path).some((ca) => leaf.checkIssued(ca) && leaf.verify(ca.publicKey));
      assert.ok(trusts, `replica ${index} shows what ${path.split('/').at(-1)} does not trust`);
    }
  }
}

/** Whatever befalls a cluster, the likelier the oftener it stands here. */
const EVENTS = {
  step: 60,
  pause: 2,
  kill: 1,
  deleteAuthority: 1,
  deleteLeaf: 1,
  spoilKey: 1,
  rotate: 1,
  loseAnswer: 1,
  minutes: 2,
  days: 2,
} as const;
type Event = keyof typeof EVENTS;
const NAMES = Object.keys(EVENTS).filter((name): name is Event => name in EVENTS);

const events = fc.array(
  fc.record({
    event: fc.oneof(...NAMES.map((name) => ({ weight: EVENTS[name], arbitrary: fc.constant(name) }))),
    who: fc.nat(2),
    times: fc.integer({ min: 1, max: 12 }),
  }),
  { minLength: 150, maxLength: 250, size: 'max' },
);

test('whatever the order, nobody shows a certificate that the API server does not trust', async () => {
  const property = fc.asyncProperty(events, async (story) => {
    const world = founded.copy();
    const replicas = [new Replica(world), new Replica(world), new Replica(world)];
    let lost = 0;
    world.api.lose = ({ method = 'GET', query }) => {
      if (lost === 0 || method === 'GET' || query?.dryRun !== undefined) return undefined;
      lost -= 1;
      return silence();
    };
    const happen = (event: Event, who: number, times: number) => {
      const replica = replicas[who];
      if (replica === undefined) return;
      if (event === 'pause') replica.isPaused = !replica.isPaused;
      if (event === 'kill') {
        replica.kill();
        replicas[who] = new Replica(world);
      }
      // Never both at once: then there is nobody whom one could ask.
      if (event === 'deleteAuthority' && world.api.get(LEAF)) world.api.remove(AUTHORITY);
      if (event === 'deleteLeaf' && world.api.get(AUTHORITY)) world.api.remove(LEAF);
      if (event === 'spoilKey' && world.api.get(AUTHORITY)) {
        world.api.edit(AUTHORITY, { 'ca.key': world.api.secret(DOOR, 'tls.key') });
      }
      if (event === 'rotate' && world.api.get(AUTHORITY))
        world.annotate(AUTHORITY, { 'checkpoint.criu.org/rotate': 'x' });
      if (event === 'loseAnswer') lost += 1;
      if (event === 'minutes') world.now += times * MINUTE;
      if (event === 'days') world.now += (times * DAY) / 4;
    };
    try {
      for (const { event, who, times } of story) {
        if (event !== 'step') happen(event, who, times);
        for (let left = event === 'step' ? times : 0; left > 0; left -= 1) {
          replicas[who]?.step();
          await turn();
          await turn();
          assertTrusted(world, replicas);
        }
      }
    } finally {
      for (const replica of replicas) replica.kill();
    }
  });
  // To make a story of hundreds of events smaller takes longer than to read it.
  await fc.assert(property, { numRuns: Math.ceil(CASES / 3_000), seed: SEED, endOnFailure: true });
});
