import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { backoffMs, due, jitterOf } from '../../../policy/schedule/due.ts';
import type { History, Schedule } from '../../../policy/schedule/types.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../build.ts';
import { holds } from '../cases.ts';
import { schedule, scheduleSpec } from './build.ts';

const CREATED = Date.parse('2026-11-20T10:20:00Z');
const container = { namespace: 'shop', pod: 'cart-0', container: 'main' };
const at = (time: string) => Date.parse(`2026-11-21T${time}Z`);
const history = (more: Partial<History> = {}): History => ({
  since: CREATED,
  lastSlot: null,
  notBefore: null,
  ...more,
});

function made(more = {}, metadata = {}): Schedule {
  return schedule(scheduleSpec(more), {
    creationTimestamp: new Date(CREATED).toISOString(),
    uid: 'u1',
    ...metadata,
  });
}

describe('by interval', () => {
  const hourly = made();
  test('the first comes one interval after the schedule was made', () => {
    assert.deepEqual(due(hourly, container, history(), CREATED + HOUR - 1), {
      now: false,
      next: CREATED + HOUR,
    });
    assert.deepEqual(due(hourly, container, history(), CREATED + HOUR), {
      now: true,
      trigger: 'interval',
      slot: CREATED + HOUR,
      next: CREATED + 2 * HOUR,
    });
  });
  test('what was taken is not taken again after a restart', () => {
    const taken = history({ lastSlot: at('11:20:00') });
    assert.deepEqual(due(hourly, container, taken, at('11:50:00')), { now: false, next: at('12:20:00') });
  });
  test('of many missed runs the last is made up, once', () => {
    const missed = due(hourly, container, history({ lastSlot: at('01:20:00') }), at('11:50:00'));
    assert(missed.now && missed.slot === at('11:20:00'));
    const after = due(hourly, container, history({ lastSlot: missed.slot }), at('11:50:01'));
    assert.deepEqual(after, { now: false, next: at('12:20:00') });
  });
  test('a container that began later owes no run from before', () => {
    const answer = due(hourly, container, history({ since: at('11:30:00') }), at('11:50:00'));
    assert.deepEqual(answer, { now: false, next: at('12:20:00') });
  });
  test('one that failed is left alone, and then tried for the same run', () => {
    const failed = history({ notBefore: at('11:25:00') });
    assert.deepEqual(due(hourly, container, failed, at('11:21:00')), { now: false, next: at('11:25:00') });
    const again = due(hourly, container, failed, at('11:25:00'));
    assert(again.now && again.slot === at('11:20:00'));
  });
  test('a run past its deadline is dropped and told', () => {
    const strict = made({ startingDeadline: '5m' });
    const late = due(strict, container, history(), at('11:25:01'));
    assert.deepEqual(late, { now: false, next: at('12:20:00'), dropped: at('11:20:00') });
    assert.equal(due(strict, container, history(), at('11:25:00')).now, true);
    const told = due(strict, container, history({ lastSlot: at('11:20:00') }), at('11:25:01'));
    assert.deepEqual(told, { now: false, next: at('12:20:00') });
  });
  test('paused, or with errors, none is due', () => {
    assert.deepEqual(due(made({ paused: true }), container, history(), at('11:20:00')), {
      now: false,
      next: null,
    });
    assert.deepEqual(due({ ...hourly, sound: false }, container, history(), at('11:20:00')), {
      now: false,
      next: null,
    });
  });
  test('without a clock none is due', () => {
    const asked = made({ triggers: { onAnnotation: true } });
    assert.deepEqual(due(asked, container, history(), at('11:20:00')), { now: false, next: null });
  });
});

test('cron and interval together: each run is one', () => {
  const both = made({ triggers: { interval: '1h', cron: '0 12 * * *' } });
  const noon = due(both, container, history({ lastSlot: at('11:20:00') }), at('12:00:00'));
  assert.deepEqual(noon, { now: true, trigger: 'cron', slot: at('12:00:00'), next: at('12:20:00') });
});

test('jitter is the container’s own, stays the same, and fills its span', () => {
  const spread = made({ jitter: '10m' });
  const offsets = Array.from({ length: 500 }, (_, index) =>
    jitterOf(spread, { ...container, pod: `cart-${index}` }),
  );
  assert(offsets.every((each) => each >= 0 && each < 10 * MINUTE));
  const perMinute = Array.from(
    { length: 10 },
    (_, minute) => offsets.filter((each) => Math.floor(each / MINUTE) === minute).length,
  );
  assert(
    perMinute.every((count) => count > 25 && count < 80),
    perMinute.join(),
  );
  assert.equal(jitterOf(spread, container), jitterOf(made({ jitter: '10m' }), { ...container }));
  assert.notEqual(jitterOf(spread, container), jitterOf(made({ jitter: '10m' }, { uid: 'u2' }), container));
  assert.equal(jitterOf(made(), container), 0);
});

test('a failing container is left alone for longer each time, up to an hour', () => {
  assert.deepEqual(
    [1, 2, 3, 7, 8, 50].map(backoffMs),
    [30, 60, 120, 1_920, 3_600, 3_600].map((each) => each * SECOND),
  );
});

const worlds = fc.record({
  spec: fc.record({
    triggers: fc.constantFrom(
      { interval: '7m' },
      { interval: '1h' },
      { cron: '*/20 * * * *' },
      { cron: '30 2 * * *', timeZone: 'Europe/Berlin' },
      { interval: '50m', cron: '0 */2 * * *', timeZone: 'America/New_York' },
    ),
    jitter: fc.constantFrom('0', '30s', '6m'),
    startingDeadline: fc.constantFrom('2m', '1h'),
  }),
  steps: fc.array(fc.integer({ min: 1, max: 3 * HOUR }), { minLength: 1, maxLength: 40 }),
  pod: fc.string({ minLength: 1, maxLength: 8 }),
});

holds(
  'no run is taken twice or before its time, and who sleeps until `next` misses none',
  worlds,
  ({ spec, steps, pod }) => {
    const each = made(spec);
    const who = { ...container, pod };
    let lastSlot: number | null = null;
    let now = CREATED;
    for (const step of steps) {
      const answer = due(each, who, history({ lastSlot }), now);
      const next = answer.next ?? assert.fail('a clock always goes on');
      assert(next > now);
      if (answer.now || answer.dropped !== undefined) {
        const slot = answer.now ? answer.slot : (answer.dropped ?? assert.fail());
        assert(slot <= now && slot > (lastSlot ?? 0));
        lastSlot = slot;
      } else {
        // Nothing falls due between now and then.
        const before = due(each, who, history({ lastSlot }), Math.max(now, next - 1));
        assert.equal(before.now, false);
        assert.equal(due(each, who, history({ lastSlot }), next).now, true);
      }
      now += step;
      assert(now < CREATED + 10 * DAY);
    }
  },
);
