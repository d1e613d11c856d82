import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Cron } from '../../../policy/schedule/cron.ts';
import { CronFault } from '../../../policy/schedule/cron-fields.ts';
import { Zone } from '../../../policy/schedule/zone.ts';
import { DAY, HOUR, MINUTE } from '../build.ts';

function cron(expression: string, timeZone = 'UTC'): Cron {
  const zone = Zone.of(timeZone);
  assert(zone, timeZone);
  return new Cron(expression, zone);
}

function runs(each: Cron, from: string, count: number): string[] {
  const found: string[] = [];
  let at: number | null = Date.parse(from);
  while (found.length < count) {
    at = each.next(at);
    if (at === null) break;
    found.push(new Date(at).toISOString().slice(0, 16));
  }
  return found;
}

describe('runs of an expression', () => {
  const table: readonly (readonly [string, string, string, string, readonly string[]])[] = [
    ['every night', '0 3 * * *', 'UTC', '2026-11-21T03:00Z', ['2026-11-22T03:00', '2026-11-23T03:00']],
    [
      'every quarter of an hour',
      '*/15 * * * *',
      'UTC',
      '2026-11-21T03:50Z',
      ['2026-11-21T04:00', '2026-11-21T04:15'],
    ],
    [
      'on weekdays, by name',
      '0 9 * * mon-FRI',
      'UTC',
      '2026-11-20T09:00Z',
      ['2026-11-23T09:00', '2026-11-24T09:00'],
    ],
    ['seven is Sunday', '0 9 * * 7', 'UTC', '2026-11-20T09:00Z', ['2026-11-22T09:00', '2026-11-29T09:00']],
    [
      'Friday to Sunday',
      '0 9 * * 5-7',
      'UTC',
      '2026-11-20T08:00Z',
      ['2026-11-20T09:00', '2026-11-21T09:00', '2026-11-22T09:00', '2026-11-27T09:00'],
    ],
    [
      'both days restrict: either is enough',
      '0 0 13 * 5',
      'UTC',
      '2026-11-10T00:00Z',
      [
        '2026-11-13T00:00',
        '2026-11-20T00:00',
        '2026-11-27T00:00',
        '2026-12-04T00:00',
        '2026-12-11T00:00',
        '2026-12-13T00:00',
      ],
    ],
    [
      'from a value on by steps',
      '5/25 0 * * *',
      'UTC',
      '2026-11-20T00:00Z',
      ['2026-11-20T00:05', '2026-11-20T00:30', '2026-11-20T00:55', '2026-11-21T00:05'],
    ],
    ['a leap day', '0 0 29 2 *', 'UTC', '2096-03-01T00:00Z', ['2104-02-29T00:00']],
    ['a question mark is an asterisk', '0 0 ? * ?', 'UTC', '2026-11-20T00:00Z', ['2026-11-21T00:00']],
    ['@weekly', '@weekly', 'UTC', '2026-11-20T00:00Z', ['2026-11-22T00:00']],
    ['in Berlin', '0 3 * * *', 'Europe/Berlin', '2026-07-01T03:00Z', ['2026-07-02T01:00']],
    [
      'an hour that is left out: at its end',
      '30 2 * * *',
      'Europe/Berlin',
      '2026-03-28T02:00Z',
      ['2026-03-29T01:00', '2026-03-30T00:30'],
    ],
    [
      'several that are left out: once',
      '*/10 2 * * *',
      'Europe/Berlin',
      '2026-03-28T02:00Z',
      ['2026-03-29T01:00', '2026-03-30T00:00'],
    ],
    [
      'an hour that comes twice: once',
      '30 2 * * *',
      'Europe/Berlin',
      '2026-10-24T02:00Z',
      ['2026-10-25T00:30', '2026-10-26T01:30'],
    ],
    [
      'every hour goes by elapsed time, forwards',
      '0 * * * *',
      'Europe/Berlin',
      '2026-03-28T23:30Z',
      ['2026-03-29T00:00', '2026-03-29T01:00', '2026-03-29T02:00'],
    ],
    [
      'every hour goes by elapsed time, back',
      '0 * * * *',
      'Europe/Berlin',
      '2026-10-24T23:30Z',
      ['2026-10-25T00:00', '2026-10-25T01:00', '2026-10-25T02:00'],
    ],
    [
      'a midnight that is not there',
      '0 0 * * *',
      'Africa/Cairo',
      '2026-04-23T00:00Z',
      ['2026-04-23T22:00', '2026-04-24T21:00'],
    ],
    [
      'midnight twice',
      '0,30 * * * *',
      'America/St_Johns',
      '2010-11-07T02:20Z',
      ['2010-11-07T02:30', '2010-11-07T03:00', '2010-11-07T03:30'],
    ],
    [
      'a clock set back over midnight',
      '15 * * * *',
      'America/St_Johns',
      '2010-11-07T02:30:30Z',
      ['2010-11-07T02:45', '2010-11-07T03:45'],
    ],
    ['a day that was not', '0 3 30 12 *', 'Pacific/Apia', '2011-12-01T00:00Z', ['2011-12-30T10:00']],
  ];
  for (const [name, expression, zone, from, expected] of table) {
    test(name, () => assert.deepEqual(runs(cron(expression, zone), from, expected.length), expected));
  }
});

describe('what is no expression', () => {
  const table: readonly (readonly [string, RegExp, RegExp])[] = [
    ['', /is empty/, /0 3 \* \* \*/],
    ['0 3 * *', /has 4 fields, not five/, /every night/],
    ['0 0 3 * * *', /has 6 fields/, /minute, hour/],
    ['60 3 * * *', /has "60" in its field minute/, /0 to 59/],
    ['0 24 * * *', /has "24" in its field hour/, /0 to 23/],
    ['0 3 0 * *', /has "0" in its field day of month/, /1 to 31/],
    ['0 3 * 13 *', /has "13" in its field month/, /1 to 12 or jan to dec/],
    ['0 3 * * 8', /has "8" in its field day of week/, /0 to 7 or sun to sat/],
    ['0 3 * * foo', /has "foo"/, /sun to sat/],
    ['0 22-4 * * *', /ends before it begins/, /22-23,0-4/],
    ['*/0 * * * *', /has the step 0/, /1 or more/],
    ['*-5 * * * *', /has "\*-5"/, /lists/],
    ['1,,2 * * * *', /has "" in its field minute/, /lists/],
    ['-1 * * * *', /has "-1"/, /0 to 59/],
    ['0 0 31 2 *', /never comes/, /months has/],
    ['0 0 31 4,6,9,11 *', /never comes/, /months has/],
    ['@reboot', /no name of a cron expression/, /@daily/],
    ['@constructor', /no name of a cron expression/, /@daily/],
    ['TZ=Europe/Berlin 0 3 * * *', /names a time zone/, /triggers\.timeZone/],
    [`${'1,'.repeat(200)}1 * * * *`, /too long/, /every night/],
  ];
  for (const [expression, message, remedy] of table) {
    test(expression.slice(0, 40) || 'nothing', () => {
      assert.throws(
        () => cron(expression),
        (error) => {
          assert(error instanceof CronFault);
          assert.match(error.message, message);
          assert.match(error.remedy, remedy);
          return true;
        },
      );
    });
  }
});

test('the shortest time between two runs', () => {
  const table: readonly (readonly [string, number])[] = [
    ['* * * * *', MINUTE],
    ['0,50 * * * *', 10 * MINUTE],
    ['0 3 * * *', DAY],
    ['0 3 1 * *', DAY],
    ['0 0,6,23 * * *', HOUR],
    ['30 23,0 * * *', HOUR],
  ];
  for (const [expression, gap] of table) assert.equal(cron(expression).shortestGapMs, gap, expression);
});

test('what Intl does not know is no zone', () => {
  for (const name of ['Europe/Berlyn', '+02:00', '', 'x'.repeat(100), 'Europe/Berlin\n']) {
    assert.equal(Zone.of(name), undefined, name);
  }
  assert.equal(Zone.of('Etc/GMT-2')?.offset(0), 2 * HOUR);
});
