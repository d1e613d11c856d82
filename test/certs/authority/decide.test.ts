import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { decide, type Leaf, type Seen, type Situation, type Trust } from '../../../certs/authority/decide.ts';
import { settle } from '../../../certs/authority/settle.ts';
import { type AuthorityState, type Ca, casOf, stageOf, steady } from '../../../certs/authority/state.ts';
import { BACKDATED_MS } from '../../../certs/validity.ts';

const DAY = 86_400_000;
const NOW = 1_000 * DAY;
const TERMS = { authorityLife: 300 * DAY, leafLife: 30 * DAY, propagation: DAY };

/** An authority that was made so many days ago. */
function ca(name: string, age: number, key: string | null = 'key'): Ca {
  const made = NOW - age * DAY;
  return {
    certificate: name,
    key,
    fingerprint: name,
    notBefore: made - BACKDATED_MS,
    notAfter: made + 300 * DAY,
  };
}

function leaf(signedBy: string, age: number, more: Partial<Leaf> = {}): Seen<Leaf> {
  const made = NOW - age * DAY;
  const value = {
    signedBy,
    notBefore: made - BACKDATED_MS,
    notAfter: made + 30 * DAY,
    namesAll: true,
    ...more,
  };
  return { kind: 'good', value };
}

const good = <T>(value: T): Seen<T> => ({ kind: 'good', value });
const ABSENT = { kind: 'absent' } as const;
const BAD = { kind: 'bad', why: 'rubbish' } as const;
const UNKNOWN = { kind: 'unknown', why: 'away', status: null } as const;

const OLD = steady(ca('old', 10), 7);
const DUE = steady(ca('old', 201), 7);
const ANNOUNCED: AuthorityState = { ...DUE, next: ca('new', 1) };
const TRUSTED: AuthorityState = { ...ANNOUNCED, trustedSince: NOW - DAY };
const RETIRING: AuthorityState = {
  ...steady(ca('new', 3), 8),
  previous: [ca('old', 203, null)],
  retireAfter: NOW + 5 * DAY,
};

const WELL = new Map<string, Seen<Trust>>([
  ['policies', good('all')],
  ['connect', good('others')],
  ['api', ABSENT],
]);
const FRESH = new Map([['web', leaf('old', 1)]]);

/** Steps in a word or two. */
function told(situation: Partial<Situation> & Pick<Situation, 'state'>): string[] {
  const { steps } = decide({ now: NOW, early: 0, terms: TERMS, leaves: FRESH, trust: WELL, ...situation });
  return steps.map((step) => {
    if (step.kind === 'issue' || step.kind === 'publish') return `${step.kind} ${step.leaf}`;
    if (step.kind === 'trust') return `trust ${step.object}`;
    if (step.kind === 'found') return 'found';
    const { issuer, next, previous, trustedSince, retireAfter } = step.state;
    const days = (at: number | null) => (at === null ? '-' : Math.round((at - NOW) / DAY));
    const name = (each: Ca | null | undefined) =>
      each ? `${each.fingerprint}${each.key === null ? '!' : ''}` : '-';
    const names = [name(issuer), name(next), previous.map(name).join() || '-'];
    return `${step.kind} ${names.join(' ')} since ${days(trustedSince)} until ${days(retireAfter)}`;
  });
}

const trust = (value: Seen<Trust>) => new Map([...WELL, ['policies', value] as const]);
const web = (value: Seen<Leaf>) => new Map([['web', value]]);

const ROWS: readonly (readonly [
  name: string,
  situation: Partial<Situation> & Pick<Situation, 'state'>,
  steps: readonly string[],
])[] = [
  ['nothing is due', { state: OLD }, []],
  ['an object does not trust it', { state: OLD, trust: trust(good('otherwise')) }, ['trust policies']],
  ['an object cannot be read', { state: OLD, trust: trust(UNKNOWN) }, []],
  ['a certificate is not there', { state: OLD, leaves: web(ABSENT) }, ['issue web']],
  ['a certificate is bad', { state: OLD, leaves: web(BAD) }, ['issue web']],
  ['a certificate cannot be read', { state: OLD, leaves: web(UNKNOWN) }, []],
  ['a certificate is not due for another hour', { state: OLD, leaves: web(leaf('old', 19.9)) }, []],
  ['a certificate is due', { state: OLD, leaves: web(leaf('old', 20)) }, ['issue web']],
  [
    'a certificate is due for the early one',
    { state: OLD, early: 0.05, leaves: web(leaf('old', 18.6)) },
    ['issue web'],
  ],
  [
    'a certificate that ends with its authority is not issued again and again',
    { state: DUE, trust: trust(UNKNOWN), leaves: web(leaf('old', 29, { notAfter: DUE.issuer.notAfter })) },
    ['announce old - - since - until -'],
  ],
  [
    'a Secret names others to be trusted',
    { state: OLD, leaves: web(leaf('old', 1, { namesAll: false })) },
    ['publish web'],
  ],
  [
    'everything at once',
    {
      state: OLD,
      trust: trust(good('otherwise')),
      leaves: new Map<string, Seen<Leaf>>([
        ['a', BAD],
        ['b', ABSENT],
      ]),
    },
    ['trust policies', 'issue a', 'issue b'],
  ],
  ['the authority is due', { state: DUE }, ['announce old - - since - until -']],
  ['a rotation was asked for', { state: { ...OLD, rotate: true } }, ['announce old - - since - until -']],
  ['the key is lost', { state: steady(ca('old', 1, null), 1) }, ['announce old! - - since - until -']],
  [
    'the key is lost, and a certificate is bad',
    { state: { ...ANNOUNCED, issuer: ca('old', 1, null) }, leaves: web(BAD), trust: trust(UNKNOWN) },
    [],
  ],
  ['the authority has expired', { state: steady(ca('old', 300), 1) }, ['found']],
  [
    'announced, and not everywhere yet',
    { state: ANNOUNCED, trust: trust(good('otherwise')) },
    ['trust policies'],
  ],
  [
    'announced, and not in a Secret yet',
    { state: ANNOUNCED, leaves: web(leaf('old', 1, { namesAll: false })) },
    ['publish web'],
  ],
  ['announced, and one object cannot be read', { state: ANNOUNCED, trust: trust(UNKNOWN) }, []],
  ['announced everywhere', { state: ANNOUNCED }, ['write old new - since 0 until -']],
  [
    'announced, since tomorrow',
    { state: { ...ANNOUNCED, trustedSince: NOW + DAY } },
    ['write old new - since 0 until -'],
  ],
  ['announced, half the time ago', { state: { ...ANNOUNCED, trustedSince: NOW - DAY / 2 } }, []],
  [
    'announced, and a caBundle was edited since',
    { state: TRUSTED, trust: trust(good('otherwise')) },
    ['write old new - since - until -'],
  ],
  ['announced long enough, but nobody can say', { state: TRUSTED, trust: trust(UNKNOWN) }, []],
  ['announced long enough', { state: TRUSTED }, ['write new - old! since - until 30']],
  [
    'announced long enough, and a certificate of longer life is about',
    { state: TRUSTED, leaves: web(leaf('old', 1, { notAfter: NOW + 50 * DAY })) },
    ['write new - old! since - until 50'],
  ],
  [
    'the former authority ends before its last certificate could',
    { state: { ...TRUSTED, issuer: ca('old', 290) } },
    ['write new - old! since - until 10'],
  ],
  [
    'announced, and the old one has expired meanwhile',
    { state: { ...ANNOUNCED, issuer: ca('old', 301) }, trust: trust(UNKNOWN) },
    ['write new - old! since - until -1'],
  ],
  [
    'announced long enough, but a former one is still there',
    { state: { ...TRUSTED, previous: [ca('older', 250, null)], retireAfter: NOW + DAY } },
    [],
  ],
  [
    'announced long enough, a former one is still there, and the key is lost',
    {
      state: {
        ...TRUSTED,
        issuer: ca('old', 1, null),
        previous: [ca('older', 250, null), ca('oldest', 260, null)],
        retireAfter: NOW + 35 * DAY,
      },
    },
    ['write new - old!,older! since - until 35'],
  ],
  [
    'retiring, with a certificate of the former authority',
    { state: RETIRING, leaves: web(leaf('old', 26)) },
    ['issue web'],
  ],
  [
    'retiring, with one that was signed late',
    { state: RETIRING, leaves: web(leaf('old', 10)) },
    ['write new - old! since - until 20'],
  ],
  ['retiring, all renewed', { state: RETIRING, leaves: web(leaf('new', 1)) }, []],
  [
    'retiring, the last may just have expired',
    { state: { ...RETIRING, retireAfter: NOW - DAY / 2 }, leaves: web(leaf('new', 1)) },
    [],
  ],
  [
    'retiring, the last has expired',
    { state: { ...RETIRING, retireAfter: NOW - DAY }, leaves: web(leaf('new', 1)) },
    ['write new - - since - until -'],
  ],
  [
    'retiring, nobody knows until when',
    { state: { ...RETIRING, retireAfter: null }, leaves: web(leaf('new', 1)) },
    [],
  ],
  ['retired', { state: steady(ca('new', 30), 9), leaves: web(leaf('new', 1)) }, []],
];

suite('what is to be done', () => {
  for (const [name, situation, steps] of ROWS) {
    test(name, () => assert.deepEqual(told(situation), steps));
  }

  test('what comes next is told, the soonest first', () => {
    const { upcoming } = decide({ now: NOW, early: 0, terms: TERMS, state: OLD, leaves: FRESH, trust: WELL });
    assert.deepEqual(
      upcoming.map(({ what, at }) => `${what} ${(at - NOW) / DAY}`),
      ['renewal of web 19', 'rotation of the authority 190'],
    );
  });

  test('stages and the number of those who are trusted', () => {
    assert.deepEqual([OLD, ANNOUNCED, RETIRING].map(stageOf), ['steady', 'announced', 'retiring']);
    assert.deepEqual(
      [OLD, ANNOUNCED, RETIRING].map((state) => casOf(state).length),
      [1, 2, 2],
    );
  });
});

const OTHER = steady(ca('other', 5), 1);
const SETTLED: readonly (readonly [
  name: string,
  seen: Seen<AuthorityState>,
  held: AuthorityState | null,
  leafCa: Ca | null,
  outcome: string,
])[] = [
  ['nothing anywhere', ABSENT, null, null, 'found'],
  ['rubbish, and nothing is known', BAD, null, null, 'found'],
  ['gone, but a certificate is in use', ABSENT, null, ca('old', 1, null), 'announce 0 old!'],
  ['gone, and the certificate in use has expired', ABSENT, null, ca('old', 301, null), 'found'],
  ['gone, but known', ABSENT, OLD, null, 'write 7 old'],
  ['spoilt, but known', BAD, OLD, null, 'write 7 old'],
  ['gone, and what is known has expired', ABSENT, steady(ca('old', 301), 7), null, 'found'],
  ['nobody can say', UNKNOWN, OLD, null, 'unknown'],
  ['good, nothing known', good(OLD), null, ca('other', 1), 'keep 7 old'],
  ['good, and the same', good(OLD), OLD, null, 'keep 7 old'],
  ['a wish for a rotation is no edit', good({ ...OLD, rotate: true }), OLD, null, 'keep 7 old'],
  ['gone on', good({ ...RETIRING, generation: 8 }), DUE, null, 'keep 8 new,old!'],
  ['edited', good({ ...OLD, issuer: ca('old', 10, null) }), OLD, null, 'write 7 old'],
  ['went back', good(DUE), RETIRING, null, 'write 8 new,old!'],
  ['another one', good(OTHER), OLD, null, 'write 7 old,other'],
  ['another one that has expired', good(steady(ca('other', 301), 9)), OLD, null, 'write 9 old'],
  [
    'another one, and what is known has expired',
    good(OTHER),
    steady(ca('old', 301), 7),
    null,
    'keep 1 other',
  ],
];

suite('what to make of the Secret of the authority', () => {
  for (const [name, seen, held, leafCa, outcome] of SETTLED) {
    test(name, () => {
      const settled = settle(seen, held, leafCa, NOW);
      const of = (state: AuthorityState) =>
        `${state.generation} ${casOf(state).map(({ fingerprint, key }) => fingerprint + (key === null ? '!' : ''))}`;
      if (settled.kind === 'unknown') assert.equal(settled.kind, outcome);
      else if (settled.kind === 'keep') assert.equal(`keep ${of(settled.state)}`, outcome);
      else {
        const { step } = settled;
        assert.equal('state' in step ? `${step.kind} ${of(step.state)}` : step.kind, outcome);
      }
    });
  }
});
