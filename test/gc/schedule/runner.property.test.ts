import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { startOf } from '../../../gc/door/container.ts';
import type { NodePod } from '../../../kube/node-pods.ts';
import { SEED } from '../../policy/cases.ts';
import { type Course, WELL } from '../door/fake-runtime.ts';
import { Place, podOf, scheduleOf } from './place.ts';

const RUNS = Math.max(60, Math.round(Number(process.env.CASES ?? 0) / 50));
const INTERVAL_MS = 60_000;
const MOST = 3;
const PODS = ['a', 'b', 'c', 'd'];

type Step =
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'kill'; readonly downMs: number }
  | { readonly do: 'edit'; readonly paused: boolean }
  | { readonly do: 'annotate'; readonly pod: number; readonly value: string }
  | { readonly do: 'end'; readonly pod: number }
  | { readonly do: 'courses'; readonly courses: readonly Course[] };

/** What a kubelet answers that fails, and no archive comes of it but where nobody knows. */
const courses: fc.Arbitrary<Course> = fc
  .record({
    answer: fc.constantFrom('ok', 'ok', 'failed', 'lost', 'unsent', 'unknown'),
    answerMs: fc.integer({ min: 20, max: 3_000 }),
    comes: fc.boolean(),
    lateMs: fc.integer({ min: 0, max: 1_500 }),
  })
  .map(({ answer, answerMs, comes, lateMs }): Course => {
    const archiveMs = answer === 'ok' ? answerMs - 10 : answer === 'lost' && comes ? answerMs + lateMs : null;
    return { answer, answerMs, archiveMs, bytes: 4_096 };
  });

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 90_000 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('kill' as const), downMs: fc.integer({ min: 0, max: 20_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('edit' as const), paused: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      ...{ do: fc.constant('annotate' as const), pod: fc.nat(PODS.length - 1) },
      value: fc.constantFrom('', 'one', 'two', 'three'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), pod: fc.nat(PODS.length - 1) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('courses' as const),
      courses: fc.array(courses, { minLength: 1, maxLength: 6 }),
    }),
  },
);

/** The world around the collector: it goes on while that is down. */
class World {
  readonly place = new Place();
  pods: NodePod[] = PODS.map((name) => twoContainers(name));
  /** How often a container had a reason to be taken but for the clock. */
  readonly asked = new Map<string, number>();

  async start(): Promise<void> {
    this.place.node.govern({ namespacePolicies: [{ namespace: 'shop', maxConcurrent: MOST }] });
    this.place.cordoned = true;
    await this.place.start();
    this.place.setSchedules(...this.schedules(false));
    this.place.setPods(...this.pods);
  }

  schedules(paused: boolean) {
    return [
      scheduleOf({ triggers: { interval: '1m' }, containerNames: ['main'], paused }, { uid: 's-1' }),
      scheduleOf(
        { triggers: { onAnnotation: true, onKubernetesEvents: ['NodeDrain'] }, containerNames: ['side'] },
        { uid: 's-2', name: 'asked' },
      ),
    ];
  }

  async take(step: Step): Promise<void> {
    const { place } = this;
    switch (step.do) {
      case 'wait':
        await place.clock.advance(step.ms);
        break;
      case 'kill':
        place.kill();
        await place.clock.advance(step.downMs);
        await place.start();
        break;
      case 'edit':
        place.setSchedules(...this.schedules(step.paused));
        break;
      case 'courses':
        place.node.runtime.courses.push(...step.courses);
        break;
      case 'annotate':
        this.#change(step.pod, (pod) => {
          const before = pod.annotations['checkpoint.criu.org/trigger'] ?? '';
          if (step.value !== '' && step.value !== before) this.#ask(pod.name);
          return { ...pod, annotations: { 'checkpoint.criu.org/trigger': step.value } };
        });
        break;
      case 'end':
        this.#change(step.pod, (pod) => {
          this.#ask(pod.name);
          const endsAt = place.clock.now() + 30_000;
          place.clock.after(30_000, () => this.#change(step.pod, () => null));
          return { ...pod, endsAt };
        });
    }
  }

  #change(index: number, change: (pod: NodePod) => NodePod | null): void {
    const pod = this.pods.find(({ name }) => name === PODS[index]);
    if (pod === undefined || pod.endsAt !== null) {
      if (pod !== undefined && change(pod) === null) this.pods = this.pods.filter((each) => each !== pod);
    } else {
      const changed = change(pod);
      this.pods = this.pods.flatMap((each) => (each === pod ? (changed ?? []) : each));
    }
    this.place.setPods(...this.pods);
  }

  #ask(pod: string): void {
    this.asked.set(pod, (this.asked.get(pod) ?? 0) + 1);
  }
}

function twoContainers(name: string): NodePod {
  const pod = podOf(name);
  const [main] = pod.containers;
  return main === undefined ? pod : { ...pod, containers: [main, { ...main, name: 'side' }] };
}

test('whatever fails and whoever is killed: nothing is taken twice, no more at once than may, and all is taken in the end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 30 }), async (path) => {
      const world = new World();
      await world.start();
      const { place } = world;
      for (const step of path) await world.take(step);
      place.node.runtime.courses.length = 0;
      place.node.runtime.standard = WELL;
      place.setSchedules(...world.schedules(false));
      const quietFrom = place.clock.now();
      await place.clock.advance(5 * INTERVAL_MS);

      const taken = [...place.node.runtime.owners].map(([file, { pod, container }]) => {
        return { pod, container, at: startOf(file) ?? 0 };
      });
      for (const pod of PODS) {
        const own = taken.filter((each) => each.pod === pod);
        const slots = own.filter(({ container }) => container === 'main').map(({ at }) => slotOf(at));
        assert.equal(new Set(slots).size, slots.length, `a run of ${pod} was taken twice`);
        const asked = own.filter(({ container }) => container === 'side').length;
        assert.ok(asked <= (world.asked.get(pod) ?? 0), `${pod} was taken ${asked} times by request`);
      }
      for (const { name } of world.pods) {
        const late = taken.filter(
          ({ pod, container, at }) => pod === name && container === 'main' && at >= quietFrom,
        );
        assert.ok(late.length >= 3, `${name} was taken ${late.length} times in five quiet minutes`);
      }
      assert.ok(place.node.runtime.mostUnderWay <= MOST, `${place.node.runtime.mostUnderWay} at once`);
      assert.deepEqual(place.node.runtime.overwritten, []);
    }),
    { numRuns: RUNS, seed: SEED },
  );
});

function slotOf(at: number): number {
  return Math.floor(at / INTERVAL_MS);
}
