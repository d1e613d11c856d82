/** What a path asks for: a checkpoint, or whether one would be let through. */
export interface Target {
  readonly kind: 'checkpoint' | 'verdict';
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** As the caller gave it; absent: the kubelet's own. */
  readonly timeoutSeconds?: number;
}

/** Why a path asks for nothing. */
export interface PathFault {
  readonly fault: 'badPath' | 'badQuery' | 'noSuchPath' | 'badMethod';
  /** What is wrong, without a remedy. */
  readonly message: string;
  /** With `badMethod`: the method that there is. */
  readonly allow?: string;
}

/** The one method of each. */
const ALLOW = { checkpoint: 'POST', verdict: 'GET' } as const;

/** RFC 1123. The lengths are those of namespaces and containers (63) and of pods (253). */
const LABEL = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
const PART = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = `(?=[^/]{1,253}/)${PART}(?:\\.${PART})*`;
const PATH = new RegExp(`^/(checkpoint|verdict)/(${LABEL})/(${SUBDOMAIN})/(${LABEL})(\\?.*)?$`);
const QUERY = /^\?timeout=\+?(\d{1,19})$/;
/** A query that may be shown: in others callers put what is secret. */
const SHOWABLE = /^\?timeout=[\w.+-]{0,40}$/;

/** The kubelet makes nanoseconds of it, in 64 bits: one more overflows and fails at once. */
const LONGEST_SECONDS = 9_223_372_036;

/** Names, a query and what belongs to them are never longer. */
const LONGEST = 512;

/**
 * Reads the raw request target by one anchored expression, at the door and at the gateway alike. Nothing is decoded,
 * cleaned or folded: what is not exactly one path of the kubelet's checkpoint API, or the same with `verdict` in its
 * front, is a fault, so that nobody behind can read it differently.
 */
export function readTarget(method: string | undefined, url: string | undefined): Target | PathFault {
  const target = url ?? '';
  if (target.length > LONGEST) {
    return { fault: 'badPath', message: `the path is longer than ${LONGEST} characters` };
  }
  const match = PATH.exec(target);
  if (match === null) return whyNot(target);
  const [, first, namespace = '', pod = '', container = '', query] = match;
  const kind = first === 'verdict' ? 'verdict' : 'checkpoint';
  const allow = ALLOW[kind];
  if (method !== allow) {
    return { fault: 'badMethod', message: `${shown(method ?? '')} makes no ${kind}`, allow };
  }
  if (query === undefined) return { kind, namespace, pod, container };
  const timeoutSeconds = secondsIn(query);
  if (typeof timeoutSeconds === 'string') return { fault: 'badQuery', message: timeoutSeconds };
  return { kind, namespace, pod, container, timeoutSeconds };
}

/** @returns seconds, or what is wrong with the query. */
function secondsIn(query: string): number | string {
  const digits = QUERY.exec(query)?.[1];
  if (digits === undefined) {
    const what = SHOWABLE.test(query) ? `the query ${shown(query)}` : 'the query';
    return `${what} is not one timeout`;
  }
  const seconds = Number(digits);
  if (seconds <= LONGEST_SECONDS) return seconds;
  return `timeout is ${shown(digits)}, more than the kubelet can count`;
}

/** What is wrong with a path, most telling first. */
const FAULTS: readonly (readonly [RegExp, string])[] = [
  [/^(?!\/)/, 'does not begin with a slash'],
  [/%/, 'holds an encoded character'],
  [/\\|[^\x21-\x7e]|#/, 'holds a character that no name has'],
  [/\/\//, 'holds two slashes in a row'],
  [/\/\.{1,2}(\/|$)/, 'holds a dot segment'],
];

function whyNot(target: string): PathFault {
  const path = target.split('?', 1)[0] ?? '';
  const bad = (what: string): PathFault => ({
    fault: 'badPath',
    message: `the path ${shown(path)} ${what}`,
  });
  for (const [fault, what] of FAULTS) if (fault.test(path)) return bad(what);
  const kind = /^\/(checkpoint|verdict)(?:\/|$)/i.exec(path)?.[1];
  if (kind === undefined) return { fault: 'noSuchPath', message: `there is nothing at ${shown(path)}` };
  if (kind !== kind.toLowerCase()) return bad('is in another letter case');
  const segments = path.split('/').length - 2;
  return segments === 3
    ? bad('holds what is no name of a namespace, a pod or a container')
    : bad(`has ${segments} segments behind ${kind}, not three`);
}

const MOST_SHOWN = 100;

/** A text of a caller, safe to be shown and logged. */
export function shown(text: string): string {
  const cut = text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
  return JSON.stringify(cut).replace(
    /[^\x20-\x7e…]/g,
    (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
