import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, suite, test } from 'node:test';
import { readView } from '../../certs/authority/view.ts';
import { createAuthority } from '../../certs/issue.ts';
import type { Dialled } from '../../cli/certs/dial.ts';
import { judge } from '../../cli/certs/judge.ts';
import { renderReport, reportJson } from '../../cli/certs/render.ts';
import type { CertificateReport } from '../../cli/certs/status.ts';
import { secretsOf } from '../../kube/secrets.ts';
import { silence } from '../certs/authority/memory-api.ts';
import {
  AUTHORITY,
  CONNECT,
  DAY,
  DOOR,
  LEAF,
  MINUTE,
  MUTATING,
  NAMESPACE,
  pooledKey,
  TERMS,
  VALIDATING,
  World,
} from '../certs/authority/world.ts';
import { call } from './call.ts';

let founded: World;
before(async () => {
  founded = new World();
  await founded.keeper().look();
});

async function reportOf(world: World, dialled: Dialled | null = null): Promise<CertificateReport> {
  const client = world.api.client();
  const view = await readView(client, secretsOf(client, NAMESPACE));
  return judge({ namespace: NAMESPACE, now: world.now, view, dialled });
}

function served(world: World, path = LEAF): Dialled {
  const certificate = new X509Certificate(world.api.secret(path, 'tls.crt'));
  return { kind: 'shown', address: '127.0.0.1:9443', certificate };
}

function text(report: CertificateReport): string {
  let width = 0;
  const output = { write: () => {}, isTerminal: false, hasColour: false, width: null };
  const shown = renderReport(report, output);
  for (const line of shown.split('\n')) width = Math.max(width, line.length);
  assert.ok(width > 0);
  return shown;
}

suite('certs status', () => {
  test('tells of a well kept authority what is there, and what comes next', async () => {
    const report = await reportOf(founded, served(founded));
    assert.deepEqual(report.findings, []);
    const shown = text(report);
    const ca = founded.fingerprint(AUTHORITY, 'ca.crt').slice(0, 11);
    assert.match(shown, /^CERTIFICATE .*\n127\.0\.0\.1:9443 +.* in 30d +webhook\.checkpoint-warden\.svc, /);
    assert.match(
      shown,
      /Secret webhook-certificate +.* CN=checkpoint-warden [0-9a-f]{8} +in 30d +in 20d +webhook\./,
    );
    assert.match(shown, new RegExp(`${ca} +signs +in 365d +in 243d8h\n`));
    assert.match(
      shown,
      new RegExp(
        `ValidatingWebhookConfiguration checkpoint-warden-policies +webhooks\\[1\\] \\(second\\) +own authority +${ca}\n`,
      ),
    );
    assert.match(shown, /NEXT\n {2}in 20d +renewal of webhook-certificate\n/);
    assert.match(
      shown,
      /kept by the own authority, no rotation under way, in namespace checkpoint-warden: all is well\n$/,
    );
  });

  test('never prints a key', async () => {
    const report = await reportOf(founded, served(founded));
    const all = text(report) + JSON.stringify(reportJson(report));
    assert.doesNotMatch(all, /PRIVATE|BEGIN/);
    const keys = [founded.api.secret(AUTHORITY, 'ca.key'), founded.api.secret(LEAF, 'tls.key')];
    for (const key of keys) assert.ok(!all.includes(key.split('\n')[3] ?? 'none'));
  });

  test('tells how far a rotation is', async () => {
    const world = founded.copy();
    world.annotate(AUTHORITY, { 'checkpoint.criu.org/rotate': 'now' });
    const keeper = world.keeper();
    assert.equal((await reportOf(world)).upcoming[0]?.what, 'it was asked for');
    await keeper.look();
    const announced = await reportOf(world);
    assert.deepEqual(announced.findings, []);
    assert.deepEqual(
      announced.authorities.map(({ role }) => role),
      ['signs', 'next'],
    );
    assert.deepEqual(announced.upcoming[0], {
      what: 'the new authority signs',
      at: world.now + TERMS.propagation,
    });
    world.now += TERMS.propagation;
    await keeper.look();
    const retiring = await reportOf(world, served(world));
    assert.deepEqual(retiring.findings, []);
    assert.match(text(retiring), /in rotation: the former authority is still trusted, in namespace/);
    assert.equal(retiring.authorities[1]?.until, world.now + TERMS.leafLife + TERMS.propagation);
  });

  test('as JSON it has a form that programs can rely on', async () => {
    const report = reportJson(await reportOf(founded));
    assert.deepEqual(Object.keys(Object(report)), [
      ...['apiVersion', 'namespace', 'now', 'managedBy', 'stage', 'certificates', 'authorities', 'trust'],
      ...['upcoming', 'findings'],
    ]);
  });
});

const WRONG: readonly (readonly [
  name: string,
  spoil: (world: World) => Promise<Dialled | null> | Dialled | null | undefined,
  told: RegExp,
])[] = [
  [
    'the Secret of the authority is spoilt',
    (world) => void world.api.edit(AUTHORITY, { 'ca.crt': 'rubbish' }),
    /^Secret checkpoint-warden-authority cannot be used: ca\.crt does not hold .*; see the log of a running replica/m,
  ],
  [
    'its key is another',
    (world) => void world.api.edit(AUTHORITY, { 'ca.key': world.api.secret(LEAF, 'tls.key') }),
    /^Secret checkpoint-warden-authority ca\.key does not belong to ca\.crt; /m,
  ],
  [
    'a certificate is not there',
    (world) => void world.api.remove(DOOR),
    /^Secret door-certificate is not there; /m,
  ],
  [
    'a key does not match',
    (world) => void world.api.edit(LEAF, { 'tls.key': world.api.secret(DOOR, 'tls.key') }),
    /^Secret webhook-certificate cannot be served: tls\.key does not belong to tls\.crt/m,
  ],
  [
    'a caBundle is empty',
    (world) => void world.api.put(CONNECT, { webhooks: [{ name: 'connect', clientConfig: {} }] }),
    /^ValidatingWebhookConfiguration checkpoint-warden-connect webhooks\[0\] \(connect\) has no caBundle: its calls fail; /m,
  ],
  [
    'a caBundle is rubbish',
    (world) => void world.api.put(CONNECT, { webhooks: [{ name: 'x', clientConfig: { caBundle: 'eHh4' } }] }),
    /webhooks\[0\] \(x\) has a caBundle that is no PEM; /,
  ],
  [
    'a caBundle trusts another',
    async (world) => {
      const { certificate } = await createAuthority(world.now, DAY, pooledKey);
      const caBundle = Buffer.from(certificate).toString('base64');
      world.api.put(MUTATING, { webhooks: [{ name: 'x', clientConfig: { caBundle } }] });
      return null;
    },
    /does not trust the authority of the certificate of Secret webhook-certificate: its calls fail; /,
  ],
  [
    'two want to keep it',
    (world) => void world.annotate(VALIDATING, { 'cert-manager.io/inject-ca-from': 'x/y' }),
    /is filled in by cert-manager, so the own authority does not touch it; let one of the two keep/,
  ],
  [
    'nobody renews',
    (world) => {
      world.now += 21 * DAY;
      return null;
    },
    /^Secret webhook-certificate its renewal was due at 2026-12-11T00:00:00Z; /m,
  ],
  [
    'all has expired',
    (world) => {
      world.now += 400 * DAY;
      return served(world);
    },
    /the authority expired at 2027-11-21(?:.|\n)*127\.0\.0\.1:9443 serves a certificate that is valid from 2026-11-20T23:55:00Z to 2026-12-21/,
  ],
  [
    'a rotation stands still',
    async (world) => {
      world.annotate(AUTHORITY, { 'checkpoint.criu.org/rotate': 'now' });
      await world.keeper().look();
      world.now += TERMS.propagation + 16 * MINUTE;
      return null;
    },
    /its rotation has been standing still since 2026-11-21T00:10:00Z; /,
  ],
  [
    'a replica serves another certificate than the Secret holds',
    (world) => served(world, DOOR),
    /^127\.0\.0\.1:9443 serves another certificate \(.{23}…\) than Secret webhook-certificate holds; /m,
  ],
  [
    'nobody listens',
    () => ({ kind: 'failed', address: '127.0.0.1:1', why: 'connect ECONNREFUSED' }),
    /^127\.0\.0\.1:1 cannot be dialled: connect ECONNREFUSED; see whether/m,
  ],
  [
    'the API server is away',
    (world) => {
      world.api.fail = silence;
      return null;
    },
    /^Secret checkpoint-warden-authority cannot be read: had no answer: connect ECONNREFUSED; call as/m,
  ],
  [
    'nothing is kept here',
    (world) => {
      for (const path of [AUTHORITY, LEAF, DOOR, CONNECT, MUTATING, VALIDATING]) world.api.remove(path);
      return null;
    },
    /^namespace checkpoint-warden no certificate of the webhook is kept here, and none was dialled; name/m,
  ],
];

suite('certs status tells what is wrong', () => {
  for (const [name, spoil, told] of WRONG) {
    test(name, async () => {
      const world = founded.copy();
      const report = await reportOf(world, (await spoil(world)) ?? null);
      const sentences = report.findings.map(({ about, message, remedy }) => `${about} ${message}; ${remedy}`);
      assert.match(sentences.join('\n'), told);
      assert.match(text(report), /✗ (?:.|\n)*: \d+ problems?\n$/);
    });
  }

  test('certificates of cert-manager are well without an authority of our own', async () => {
    const world = founded.copy();
    world.api.remove(AUTHORITY);
    for (const path of [CONNECT, MUTATING, VALIDATING]) {
      world.annotate(path, { 'cert-manager.io/inject-ca-from': 'x/y' });
    }
    const report = await reportOf(world, served(world));
    assert.deepEqual([report.managedBy, report.findings], ['cert-manager', []]);
    assert.equal(report.trust[0]?.managedBy, 'cert-manager');
  });

  test('names from outside cannot move the cursor', async () => {
    const world = founded.copy();
    world.api.put(CONNECT, { webhooks: [{ name: '\u001b[2Jx\n', clientConfig: {} }] });
    assert.ok(!text(await reportOf(world)).includes('\u001b'));
  });
});

suite('a wrong call of certs', () => {
  const help = 'see checkpoint-warden certs --help\n';
  for (const [args, message] of [
    [[], 'certs alone is no call; write certs status'],
    [['stats'], 'certs stats is no call; write certs status'],
    [['status', 'now'], "too many arguments for 'certs'. Expected 1 argument but got 2: status, now"],
    [
      ['status', '--address', 'x'],
      "option '--address HOST:PORT' argument 'x' is invalid. Write ADDRESS:PORT, for example 0.0.0.0:9443",
    ],
    [
      ['status', '--namespace', 'X_Y'],
      "option '--namespace NAMESPACE' argument 'X_Y' is invalid. Write the name of a namespace, for example checkpoint-warden",
    ],
  ] as const) {
    test(args.join(' ') || 'nothing', async () => {
      const { code, err } = await call(['certs', ...args]);
      assert.deepEqual([code, err], [2, `checkpoint-warden: ${message}; ${help}`]);
    });
  }
});
