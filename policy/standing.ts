import { counted } from './count.ts';
import { formatFinding } from './findings.ts';
import type { PolicyFacts } from './node-facts.ts';
import { formatBytes } from './quantity.ts';
import { CONFIRM_ANNOTATION } from './schema.ts';
import { type ConditionType, MOST_DIGESTS } from './status-schema.ts';
import type { Finding, PolicyResource } from './types.ts';

/** One condition but for the time at which it became so. */
export interface Verdict {
  readonly type: ConditionType;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

/** What the nodes say of one resource. */
export interface NodesOfPolicy {
  /** Nodes that were heard of lately. */
  readonly alive: number;
  /** Those that were not, a few of them by name. */
  readonly silent: number;
  readonly silentNames: readonly string[];
  /** Nodes alive that go by this version and have nothing to say of it. */
  readonly unnamed: number;
  /** What single nodes say of it, by name. */
  readonly named: readonly {
    readonly node: string;
    readonly isAlive: boolean;
    readonly facts: PolicyFacts;
  }[];
}

/** A resource as it stands, and what is known of it. */
export interface PolicyFactsOfCluster {
  readonly namespace: string;
  readonly name: string;
  readonly generation: number;
  /** In force; null where the object is no policy at all. */
  readonly resource: PolicyResource | null;
  readonly findings: readonly Finding[];
  /** What an older resource takes from it, as sentences. */
  readonly overruled: readonly string[];
  readonly nodes: NodesOfPolicy;
}

/** What waits for confirmation on all nodes together. */
export interface Confirming {
  /** Sorted, with those that are confirmed and not carried out yet. */
  readonly digests: string;
  readonly nodes: number;
  readonly deletions: number;
  readonly archives: number;
  readonly bytes: number;
}

export interface Standing {
  readonly verdicts: readonly Verdict[];
  readonly archives: number;
  readonly bytes: number;
  /** `4/5` */
  readonly nodes: string;
  readonly confirming: Confirming | null;
}

/** Nodes that a message names. */
const MOST_NODES = 3;
/** Digests that a message spells out; more are read out of the status by the command that it says. */
const MOST_SPELT = 3;
/** Findings that a message holds. */
const MOST_FINDINGS = 3;

/** What has become of a resource. Pure: all replicas that see the same say the same. */
export function standing(policy: PolicyFactsOfCluster): Standing {
  const { alive, named, unnamed } = policy.nodes;
  const tally = tallyOf(policy);
  const here = named.map(({ facts }) => facts);
  return {
    verdicts: [accepted(policy), conflicted(policy), enforced(policy, tally), confirming(policy, tally)],
    archives: sum(here.map(({ archives }) => archives)),
    bytes: sum(here.map(({ bytes }) => bytes)),
    nodes: `${tally.acting + unnamed}/${alive + policy.nodes.silent}`,
    confirming: tally.waiting.length === 0 ? null : sumOfPlans(tally),
  };
}

interface Waiting {
  readonly node: string;
  readonly plan: NonNullable<PolicyFacts['plan']>;
}

interface Tally {
  /** Nodes alive that act by this version. */
  readonly acting: number;
  readonly elsewhere: number;
  readonly pending: number;
  /** Held, and nobody has confirmed it yet. */
  readonly waiting: readonly Waiting[];
  /** Held by what they last said, and confirmed since. */
  readonly confirmed: readonly Waiting[];
}

function tallyOf({ generation, resource, nodes }: PolicyFactsOfCluster): Tally {
  const current = nodes.named.filter(({ facts }) => facts.generation === generation);
  const held = current.flatMap(({ node, facts: { state, plan } }): Waiting[] =>
    state === 'WaitsForConfirmation' && plan !== null ? [{ node, plan }] : [],
  );
  const isConfirmed = ({ plan }: Waiting) => resource?.confirmed.includes(plan.digest) ?? false;
  const of = (state: PolicyFacts['state']) =>
    current.filter(({ isAlive, facts }) => isAlive && facts.state === state).length;
  return {
    acting: of('Acting'),
    elsewhere: of('OtherDirectory'),
    pending: of('WaitsForCheckpoint'),
    waiting: held.filter((each) => !isConfirmed(each)),
    confirmed: held.filter(isConfirmed),
  };
}

function accepted({ resource, findings, generation }: PolicyFactsOfCluster): Verdict {
  const errors = findings.filter(({ severity }) => severity === 'error');
  const text = (all: readonly Finding[]) => {
    const more = all.length > MOST_FINDINGS ? `; and ${all.length - MOST_FINDINGS} more` : '';
    return `${all.slice(0, MOST_FINDINGS).map(formatFinding).join('; ')}${more}`;
  };
  if (errors.length > 0 || resource === null) {
    const fate = resource?.sound
      ? `version ${resource.reference.generation} stays in force`
      : 'its targets are held and nothing of them is deleted until it is mended';
    const message = `version ${generation} has ${counted(errors.length, 'error')}, and ${fate}: ${text(errors)}`;
    return { type: 'Accepted', status: 'False', reason: 'Invalid', message };
  }
  if (findings.length > 0)
    return { type: 'Accepted', status: 'True', reason: 'Warnings', message: text(findings) };
  return { type: 'Accepted', status: 'True', reason: 'Sound', message: 'the policy is sound' };
}

function conflicted({ overruled }: PolicyFactsOfCluster): Verdict {
  if (overruled.length > 0) {
    return { type: 'Conflicted', status: 'True', reason: 'OlderResource', message: overruled.join('; ') };
  }
  return {
    type: 'Conflicted',
    status: 'False',
    reason: 'NoConflict',
    message: 'no older resource is for the same archives',
  };
}

function enforced(policy: PolicyFactsOfCluster, tally: Tally): Verdict {
  const { resource, generation, nodes } = policy;
  const { alive, silent, silentNames, unnamed } = nodes;
  const acting = tally.acting + unnamed;
  const verdict = (status: Verdict['status'], reason: string, message: string): Verdict => {
    return { type: 'Enforced', status, reason, message };
  };
  if (resource === null || !resource.sound || resource.reference.generation !== generation) {
    return verdict('False', 'NotAccepted', `version ${generation} is not accepted, so no node acts by it`);
  }
  const quiet = `${counted(silent, 'node')} not heard of lately (${some(silentNames, silent)})`;
  if (alive === 0) {
    const message = silent > 0 ? `nobody tells: ${quiet}` : 'no collector has told of a node yet';
    return verdict('Unknown', silent > 0 ? 'NodesSilent' : 'NoNodes', message);
  }
  const of = `of ${counted(alive, 'node')}`;
  const meant = alive - tally.elsewhere;
  if (meant === 0) {
    return verdict('False', 'OtherDirectory', `no node keeps checkpoints in ${resource.directory}`);
  }
  if (tally.waiting.length > 0) {
    return verdict('False', 'WaitsForConfirmation', `${tally.waiting.length} ${of} wait for confirmation`);
  }
  if (tally.pending > 0) {
    const message = `${tally.pending} ${of} act by it from their next checkpoint on; with applyPoliciesImmediately: true they would at once`;
    return verdict('False', 'WaitsForCheckpoint', message);
  }
  if (acting < meant)
    return verdict('False', 'Progressing', `${acting} ${of} act by version ${generation} so far`);
  const elsewhere = tally.elsewhere > 0 ? `; ${counted(tally.elsewhere, 'node')} keep them elsewhere` : '';
  // One node of thousands is always away: its own object says so, and an alert.
  const away = silent > 0 ? `; ${quiet}` : '';
  return verdict('True', 'Enforced', `on ${counted(acting, 'node')}${elsewhere}${away}`);
}

function confirming(policy: PolicyFactsOfCluster, tally: Tally): Verdict {
  const { waiting, confirmed } = tally;
  if (waiting.length === 0) {
    if (confirmed.length === 0) {
      const message = 'no plan waits for confirmation';
      return { type: 'Confirming', status: 'False', reason: 'NothingWaits', message };
    }
    const message = `confirmed, and not carried out yet on ${counted(confirmed.length, 'node')}`;
    return { type: 'Confirming', status: 'False', reason: 'Confirmed', message };
  }
  const { deletions, archives, bytes } = sumOfPlans(tally);
  const where = `${counted(waiting.length, 'node')} (${some(
    waiting.map(({ node }) => node),
    waiting.length,
  )})`;
  const what = `would delete ${deletions} of ${archives} archives (${formatBytes(bytes)}) at once on ${where}`;
  const message = `${what}; mend the policy, or let it: ${command(policy, tally)}`;
  return { type: 'Confirming', status: 'True', reason: 'WaitsForConfirmation', message };
}

/** What to type. Of many nodes it takes the digests out of the status, where they stand. */
function command({ namespace, name }: PolicyFactsOfCluster, tally: Tally): string {
  const digests = digestsOf(tally);
  const value =
    digests.length <= MOST_SPELT
      ? digests.join()
      : `"$(kubectl get cro -n ${namespace} ${name} -o jsonpath='{.status.confirming.digests}')"`;
  return `kubectl annotate cro -n ${namespace} ${name} --overwrite ${CONFIRM_ANNOTATION}=${value}`;
}

function sumOfPlans(tally: Tally): Confirming {
  const plans = tally.waiting.map(({ plan }) => plan);
  return {
    digests: digestsOf(tally).join(),
    nodes: plans.length,
    deletions: sum(plans.map(({ deletions }) => deletions)),
    archives: sum(plans.map(({ archives }) => archives)),
    bytes: sum(plans.map(({ bytes }) => bytes)),
  };
}

/** Those confirmed stay confirmed until their nodes have acted: the annotation is written over. */
function digestsOf({ waiting, confirmed }: Tally): readonly string[] {
  const of = (held: readonly Waiting[]) => held.map(({ plan }) => plan.digest).sort();
  return [...new Set([...of(confirmed), ...of(waiting)])].slice(0, MOST_DIGESTS);
}

function some(names: readonly string[], of: number): string {
  const shown = [...names].sort().slice(0, MOST_NODES);
  return `${shown.join(', ')}${of > shown.length ? ', …' : ''}`;
}

/** What a node says is not to be believed beyond what the API server takes for a number. */
function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => Math.min(total + each, Number.MAX_SAFE_INTEGER), 0);
}
