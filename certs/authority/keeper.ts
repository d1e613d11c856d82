import { patchBundles } from '../../kube/ca-bundles.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { isConflict, type Secret, type SecretContent, type Secrets, secretsOf } from '../../kube/secrets.ts';
import type { Instant } from '../../policy/types.ts';
import type { Inspected } from '../inspect.ts';
import { createAuthority, openAuthority } from '../issue.ts';
import { createKey } from '../x509.ts';
import { caOf, writeAuthority } from './authority-secret.ts';
import { decide, type Seen, type Settled, type Step, settle, type Terms, type Upcoming } from './decide.ts';
import { caOfLeaf, type ReadLeaf, readLeaf } from './leaf-secret.ts';
import { AUTHORITY_SECRET, WEBHOOK_SECRET } from './names.ts';
import { ServerClock } from './server-clock.ts';
import { type AuthorityState, type Ca, casOf, steady } from './state.ts';
import {
  authorityIn,
  isStranger,
  leavesIn,
  messageOf,
  outdated,
  readView,
  trustedBy,
  trustIn,
  type View,
} from './view.ts';

export interface KeeperOptions {
  readonly client: KubeClient;
  /** Where the Secrets are. */
  readonly namespace: string;
  readonly terms: Terms;
  readonly now: () => Instant;
  /** See `Situation.early`. */
  readonly early: number;
  readonly newKey?: typeof createKey;
}

/** What was written, and why, for the log. */
export interface Deed {
  readonly what: string;
  readonly why: string;
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
    const goesOn = await worker.perform(steps);
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

/** Does the steps of one round, each on what was read in it. */
class Worker {
  readonly deeds: Deed[] = [];
  readonly #options: KeeperOptions;
  readonly #secrets: Secrets;
  readonly #view: View;
  readonly #state: AuthorityState | null;
  readonly #problems: Map<string, string>;
  readonly #clock: ServerClock;

  constructor(
    options: KeeperOptions,
    clock: ServerClock,
    secrets: Secrets,
    view: View,
    state: AuthorityState | null,
    problems: Map<string, string>,
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#secrets = secrets;
    this.#view = view;
    this.#state = state;
    this.#problems = problems;
  }

  /** @returns whether it makes sense to look again at once. */
  async perform(steps: readonly Step[]): Promise<boolean> {
    let goesOn = false;
    const isDated = steps.some(({ kind }) => kind !== 'trust' && kind !== 'publish');
    // What is written has dates in it: a clock of one's own that is wrong would spoil it for everybody.
    const time = isDated ? await this.#clock.compare() : 'right';
    if (time === 'corrected') return true;
    for (const step of steps) {
      const about = subjectOf(step);
      if (time === 'unknown' && step.kind !== 'trust' && step.kind !== 'publish') continue;
      try {
        await this.#do(step);
        this.deeds.push({
          what: deedOf(step),
          why: 'why' in step ? step.why : 'it named others to be trusted',
        });
        goesOn = true;
      } catch (error) {
        this.#problems.set(about, `${about} cannot be written: ${messageOf(error)}`);
        // Somebody else was faster: what he wrote is read in the next round.
        if (isConflict(error) || (step.kind === 'trust' && isOutdatedPatch(error))) goesOn = true;
      }
    }
    return goesOn;
  }

  async #do(step: Step): Promise<void> {
    switch (step.kind) {
      case 'found':
        return this.#putAuthority(steady(await this.#newCa(), this.#generation()));
      case 'announce':
        return this.#putAuthority({ ...step.state, next: await this.#newCa(), trustedSince: null });
      case 'write':
        return this.#putAuthority(step.state);
      case 'issue':
        return this.#issue(step.leaf);
      case 'publish':
        return this.#publish(step.leaf);
      case 'trust':
        return this.#trust(step.object);
    }
  }

  async #putAuthority(state: AuthorityState): Promise<void> {
    const generation = Math.max(state.generation, this.#generation()) + 1;
    await this.#put(
      AUTHORITY_SECRET,
      'Opaque',
      this.#view.authority,
      writeAuthority({ ...state, generation }),
    );
  }

  #generation(): number {
    return this.#state?.generation ?? 0;
  }

  async #newCa(): Promise<Ca> {
    const { terms, newKey = createKey } = this.#options;
    const { certificate, key } = await createAuthority(this.#clock.now(), terms.authorityLife, newKey);
    return caOf(certificate, key);
  }

  async #issue(name: string): Promise<void> {
    const { terms, newKey = createKey } = this.#options;
    const [seen, state] = [this.#view.leaves.get(name), this.#state];
    if (seen === undefined || state === null || state.issuer.key === null) return;
    const authority = openAuthority({ ...state.issuer, key: state.issuer.key }, newKey);
    const issued = await authority.issue(seen.form.names, this.#clock.now(), terms.leafLife);
    const bundle = trustedBy(state);
    const data = { 'tls.crt': issued.certificate, 'tls.key': issued.key, 'ca.crt': bundle };
    // What would not be taken is not written.
    const draft = { name, resourceVersion: '', object: {}, annotations: {}, data };
    readLeaf(draft, seen.form, casOf(state), bundle, this.#clock.now());
    await this.#put(name, 'kubernetes.io/tls', seen.secret, { data, annotations: {} });
  }

  async #publish(name: string): Promise<void> {
    const [seen, state] = [this.#view.leaves.get(name), this.#state];
    if (seen?.secret.kind !== 'good' || state === null) return;
    const data = { ...seen.secret.value.data, 'ca.crt': trustedBy(state) };
    await this.#secrets.update(seen.secret.value, { data, annotations: {} });
  }

  async #put(name: string, type: string, seen: Seen<Secret>, content: SecretContent): Promise<void> {
    if (seen.kind === 'good') await this.#secrets.update(seen.value, content);
    else await this.#secrets.create(name, type, content);
  }

  async #trust(label: string): Promise<void> {
    const [seen, state] = [this.#view.trusting.get(label), this.#state];
    if (seen?.state.kind !== 'good' || state === null) return;
    const bundle = trustedBy(state);
    const pointers = outdated(seen.state.value, bundle).map(({ pointer }) => pointer);
    await patchBundles(this.#options.client, seen.object, seen.state.value, pointers, bundle);
  }
}

function subjectOf(step: Step): string {
  if (step.kind === 'trust') return step.object;
  return `Secret ${'leaf' in step ? step.leaf : AUTHORITY_SECRET}`;
}

function deedOf(step: Step): string {
  const subject = subjectOf(step);
  switch (step.kind) {
    case 'found':
      return `a new authority was made in ${subject}`;
    case 'announce':
      return `a rotation of the authority has begun in ${subject}`;
    case 'issue':
      return `a certificate was issued into ${subject}`;
    default:
      return `${subject} was written`;
  }
}

/** The object is another than the one that was read: a `test` of JSON Patch failed, or the field has no parent now. */
function isOutdatedPatch(error: unknown): boolean {
  return error instanceof KubeError && error.status === 422;
}
