import { type Secrets, secretsOf } from '../../kube/secrets.ts';
import type { Instant } from '../../policy/types.ts';
import type { Inspected } from '../inspect.ts';
import { decide, type Seen, type Upcoming } from './decide.ts';
import { caOfLeaf, type ReadLeaf } from './leaf-secret.ts';
import { AUTHORITY_SECRET, WEBHOOK_SECRET } from './names.ts';
import { ServerClock } from './server-clock.ts';
import { type Settled, settle } from './settle.ts';
import { type AuthorityState, type Ca, steady } from './state.ts';
import { authorityIn, isStranger, leavesIn, readView, trustedBy, trustIn, type View } from './view.ts';
import { type Deed, Worker, type WorkerOptions } from './worker.ts';

export interface KeeperOptions extends WorkerOptions {
  readonly now: () => Instant;
  /** See `Situation.early`. */
  readonly early: number;
}

/** What one look came to. */
export interface Look {
  /** The certificate in the webhook's Secret, where it may be served, and whom clients are to trust (PEM). */
  readonly serving: { readonly inspected: Inspected; readonly bundle: string } | null;
  /** Whom clients are to trust (PEM), where that is known. */
  readonly bundle: string | null;
  /** By what they are about, as sentences. */
  readonly problems: ReadonlyMap<string, string>;
  readonly deeds: readonly Deed[];
  readonly upcoming: readonly Upcoming[];
  /** Resource versions of what was read, for whoever is told of changes. */
  readonly versions: ReadonlySet<string>;
  /** The API server has denied to show the Secrets. */
  readonly isForbidden: boolean;
}

/** More are never needed; whatever goes round and round ends here, and goes on at the next look. */
const MOST_ROUNDS = 12;

/** Keeps authority and certificates in their Secrets, and those who call us informed of whom to trust. */
export class Keeper {
  readonly #options: KeeperOptions;
  readonly #secrets: Secrets;
  readonly #clock: ServerClock;
  #held: AuthorityState | null = null;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#secrets = secretsOf(options.client, options.namespace);
    this.#clock = new ServerClock(options);
  }

  /** Looks at everything and does what is to be done, until nothing is or something fails. Never rejects. */
  async look(): Promise<Look> {
    const deeds: Deed[] = [];
    await this.#clock.review();
    for (let rounds = 1; ; rounds += 1) {
      const round = await this.#round();
      deeds.push(...round.deeds);
      if (!round.goesOn || rounds === MOST_ROUNDS) return { ...round.look, deeds };
    }
  }

  async #round(): Promise<{
    readonly look: Omit<Look, 'deeds'>;
    readonly deeds: readonly Deed[];
    readonly goesOn: boolean;
  }> {
    const { client, terms, early } = this.#options;
    const view = await readView(client, this.#secrets);
    const at = this.#clock.now();
    const leafCa = caInUse(view, at);
    const authority = authorityIn(view, at);
    const settled = settle(stateIn(authority), this.#held, leafCa, at);
    if (settled.kind === 'keep') this.#held = settled.state;
    const known = settled.kind === 'keep' ? settled.state : (this.#held ?? (leafCa && steady(leafCa, 0)));
    const leaves = known === null ? new Map<string, Seen<ReadLeaf>>() : leavesIn(view, known, at);
    const problems = problemsIn(view, authority, leaves, known);
    const { steps, upcoming } = stepsOf(settled, (state) =>
      decide({ now: at, early, terms, state, leaves, trust: trustIn(view, state) }),
    );
    const worker = new Worker(this.#options, this.#clock, this.#secrets, view, known, problems);
    const isFirst = authority.kind === 'absent' && this.#held === null;
    const goesOn = await worker.perform(steps, settled.kind === 'step' && !isFirst);
    if (this.#clock.problem !== null) problems.set('clock', this.#clock.problem);
    const leaf = leaves.get(WEBHOOK_SECRET);
    const bundle = known === null ? null : trustedBy(known);
    return {
      goesOn,
      deeds: worker.deeds,
      look: {
        serving:
          leaf?.kind === 'good' && bundle !== null ? { inspected: leaf.value.inspected, bundle } : null,
        bundle,
        problems,
        upcoming: upcoming.map(({ what, at: due }) => ({ what, at: due - this.#clock.offset })),
        versions: versionsIn(view),
        isForbidden: view.authority.kind === 'unknown' && view.authority.status === 403,
      },
    };
  }
}

function stateIn(authority: ReturnType<typeof authorityIn>): Seen<AuthorityState> {
  return authority.kind === 'good' ? { kind: 'good', value: authority.value.state } : authority;
}

/** The authority of the certificate that the webhook's Secret has. */
function caInUse(view: View, now: Instant): Ca | null {
  const found = view.leaves.get(WEBHOOK_SECRET)?.secret;
  return found?.kind === 'good' ? caOfLeaf(found.value, now) : null;
}

function stepsOf(
  settled: Settled,
  onKeep: (state: AuthorityState) => ReturnType<typeof decide>,
): ReturnType<typeof decide> {
  if (settled.kind === 'keep') return onKeep(settled.state);
  return { steps: settled.kind === 'step' ? [settled.step] : [], upcoming: [] };
}

/** Of what was read alone; what is mended in the same round is none when it is looked at again. */
function problemsIn(
  view: View,
  authority: ReturnType<typeof authorityIn>,
  leaves: ReadonlyMap<string, Seen<ReadLeaf>>,
  known: AuthorityState | null,
): Map<string, string> {
  const problems = new Map<string, string>();
  const add = (about: string, found: Seen<unknown>) => {
    if (found.kind === 'bad') problems.set(about, `${about} cannot be used: ${found.why}`);
    if (found.kind !== 'unknown') return;
    // One sentence for all of them.
    if (found.status === null) problems.set('API server', `the API server cannot be asked: ${found.why}`);
    else problems.set(about, `${about} cannot be read: ${found.why}`);
  };
  add(`Secret ${AUTHORITY_SECRET}`, authority);
  if (authority.kind === 'good' && authority.value.faults.length > 0) {
    const about = `Secret ${AUTHORITY_SECRET}`;
    problems.set(about, `${about} is spoilt: ${authority.value.faults.join(', ')}`);
  }
  for (const [name, { secret }] of view.leaves) add(`Secret ${name}`, leaves.get(name) ?? secret);
  for (const [label, { state }] of view.trusting) {
    add(label, state);
    const isElsewhere = state.kind === 'good' && state.value.injectedBy !== null && known !== null;
    if (isElsewhere && isStranger(state.value, trustedBy(known))) {
      problems.set(
        label,
        `${label} is filled in by cert-manager (${state.value.injectedBy}) with another authority than the one that signs here; take the annotation away, or serve cert-manager's certificate`,
      );
    }
  }
  return problems;
}

function versionsIn({ authority, leaves, trusting }: View): Set<string> {
  const all = [authority, ...[...leaves.values()].map(({ secret }) => secret)];
  const others = [...trusting.values()].map(({ state }) => state);
  return new Set(
    [...all, ...others].flatMap((each) => (each.kind === 'good' ? [each.value.resourceVersion] : [])),
  );
}
