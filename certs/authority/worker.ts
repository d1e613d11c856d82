import { patchBundles } from '../../kube/ca-bundles.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { isConflict, type Secret, type SecretContent, type Secrets } from '../../kube/secrets.ts';
import { createAuthority, openAuthority } from '../issue.ts';
import { createKey } from '../x509.ts';
import { caOf, writeAuthority } from './authority-secret.ts';
import type { Seen, Step, Terms } from './decide.ts';
import { readLeaf } from './leaf-secret.ts';
import { AUTHORITY_SECRET } from './names.ts';
import type { ServerClock } from './server-clock.ts';
import { type AuthorityState, type Ca, casOf, steady } from './state.ts';
import { messageOf, outdated, trustedBy, type View } from './view.ts';

export interface WorkerOptions {
  readonly client: KubeClient;
  /** Where the Secrets are. */
  readonly namespace: string;
  readonly terms: Terms;
  readonly newKey?: typeof createKey;
}

/** What was written, and why, for the log. */
export interface Deed {
  readonly what: string;
  readonly why: string;
  /** It mends what somebody has deleted, or edited. */
  readonly isRepair: boolean;
}

/** Does the steps of one round, each on what was read in it. */
export class Worker {
  readonly deeds: Deed[] = [];
  readonly #options: WorkerOptions;
  readonly #secrets: Secrets;
  readonly #view: View;
  readonly #state: AuthorityState | null;
  readonly #problems: Map<string, string>;
  readonly #clock: ServerClock;

  constructor(
    options: WorkerOptions,
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

  /**
   * @param areRepairs what was read cannot stay
   * @returns whether it makes sense to look again at once
   */
  async perform(steps: readonly Step[], areRepairs: boolean): Promise<boolean> {
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
        const why = 'why' in step ? step.why : 'it named others to be trusted';
        const isRepair = areRepairs || (step.kind === 'issue' && step.isRepair);
        this.deeds.push({ what: deedOf(step), why, isRepair });
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
