import { isUtf8 } from 'node:buffer';
import type { UserInfo } from '../kube/types.ts';
import { formatCount } from '../policy/count.ts';
import { fieldsOf, isObject, type JsonObject, own, text } from '../policy/json.ts';
import { SCHEDULE_KIND, SCHEDULE_RESOURCE } from '../policy/schedule/schema.ts';
import { GROUP, KIND, PLURAL, VERSION } from '../policy/schema.ts';
import type { Mutable } from '../policy/types.ts';
import { withoutManagedFields } from './managed-fields.ts';

const REVIEW_GROUP = 'admission.k8s.io';
export const REVIEW_VERSION = `${REVIEW_GROUP}/v1`;
const RESOURCE = `${PLURAL}.${VERSION}.${GROUP}`;
/** What is written, by resource and by the kind that belongs to it. */
const WRITTEN: ReadonlyMap<string, { readonly kind: string; readonly about: Written }> = new Map([
  [RESOURCE, { kind: KIND, about: 'policy' }],
  [SCHEDULE_RESOURCE, { kind: SCHEDULE_KIND, about: 'schedule' }],
  ['pods.v1.', { kind: 'Pod', about: 'pod' }],
]);
/** In the core group, whose name is empty. */
const NODES = 'nodes.v1.';
const NO_USER = 'request.userInfo is missing or malformed; it must name the user and his groups';
/** The API server sends a UUID; what is far longer is not echoed. */
const LONGEST_UID = 256;
/** A namespace with a name, or a checkpoint's path, has at most some 500 characters. */
const LONGEST_SUBJECT = 600;

/** A body up to here cannot hold enough to matter. */
const SMALL_BODY = 256 * 1024;
/**
 * Two versions of a resource of 3 MiB hold some 800,000 values, the API server's notes on them included. Each takes 60
 * bytes or so once it is read, whatever it takes in the body: 7 MiB of `[],` would fill the heap and end the process.
 */
const MOST_VALUES = 1_000_000;
const [COMMA, BRACKET, BRACE] = [...Buffer.from(',[{')];

/** By what separates values; those within texts count as well. */
function isReadable(body: Buffer): boolean {
  let values = 0;
  for (let index = 0; index < body.length; index += 1) {
    const byte = body[index];
    if (byte === COMMA || byte === BRACKET || byte === BRACE) values += 1;
  }
  return values <= MOST_VALUES;
}

/** What a request is about that writes something. */
export type Written = 'policy' | 'schedule' | 'pod';

interface RequestBase {
  readonly uid: string;
  readonly namespace: string;
  /** Empty where the API server is yet to generate it. */
  readonly name: string;
  readonly user: UserInfo;
  /** True: nothing will come of it, so nothing may be remembered. */
  readonly dryRun: boolean;
}

/** Somebody creates or changes a policy resource, a schedule or a pod. */
export interface WriteRequest extends RequestBase {
  readonly about: Written;
  readonly operation: 'CREATE' | 'UPDATE';
  readonly object: JsonObject;
  /** Null at a creation. */
  readonly oldObject: JsonObject | null;
  /** The review as it came but for the API server's notes: what it takes to read it again. */
  readonly json: string;
}

/** A request that says nothing new about policies: a deletion, or a change of status. */
export interface OtherRequest extends RequestBase {
  readonly about: Written;
  readonly operation: 'DELETE' | 'STATUS';
}

/** A request about policies, schedules or pods. */
export type PolicyRequest = WriteRequest | OtherRequest;

/** Somebody asks a node's kubelet for something through the API server: `nodes/NODE/proxy/PATH`. */
export interface ConnectRequest extends RequestBase {
  readonly operation: 'CONNECT';
  /** Decoded once, not cleaned; neither method nor query are told. Empty where there is none. */
  readonly path: string;
}

export type AdmissionRequest = PolicyRequest | ConnectRequest;

/** What came in. */
export type ParsedReview =
  | { readonly kind: 'request'; readonly request: AdmissionRequest }
  /** It cannot be judged, but the asker can be told so in an AdmissionReview. */
  | { readonly kind: 'refused'; readonly uid: string; readonly apiVersion: string; readonly message: string }
  /** It is no AdmissionReview that could be answered by one. */
  | { readonly kind: 'garbage'; readonly message: string };

function garbage(message: string): ParsedReview {
  return { kind: 'garbage', message };
}

/** Reads a request body, which may hold anything. Never throws. */
export function parseReview(body: Buffer): ParsedReview {
  if (body.length === 0) return garbage(`the body is empty; send an AdmissionReview of ${REVIEW_VERSION}`);
  if (!isUtf8(body)) return garbage('the body is not UTF-8; send JSON in UTF-8');
  if (body.length > SMALL_BODY && !isReadable(body)) {
    return garbage(`the body holds more than ${formatCount(MOST_VALUES)} values; send fewer`);
  }
  return parseJson(withoutManagedFields(body));
}

/** The resource that a review was about. @param json of a write request; null for anything else */
export function objectIn(json: string): JsonObject | null {
  const parsed = parseJson(json);
  return parsed.kind === 'request' && 'object' in parsed.request ? parsed.request.object : null;
}

function parseJson(json: string): ParsedReview {
  let review: unknown;
  try {
    review = JSON.parse(json);
  } catch {
    return garbage(`the body is not JSON; send an AdmissionReview of ${REVIEW_VERSION}`);
  }
  if (!isObject(review))
    return garbage(`the body is not an object; send an AdmissionReview of ${REVIEW_VERSION}`);

  const request = own(review, 'request');
  const uid = text(own(fieldsOf(request), 'uid'));
  const [kind, apiVersion] = [own(review, 'kind'), text(own(review, 'apiVersion'))];
  if (kind !== 'AdmissionReview' || !apiVersion.startsWith(`${REVIEW_GROUP}/`)) {
    return garbage(
      `the body is ${quoted(kind)} of ${quoted(apiVersion)}; send an AdmissionReview of ${REVIEW_VERSION}`,
    );
  }
  if (!isObject(request)) return garbage('the AdmissionReview has no request; send one with request');
  if (uid === '' || uid.length > LONGEST_UID) {
    return garbage('the AdmissionReview has no request.uid; send one that the answer can name');
  }
  if (apiVersion !== REVIEW_VERSION) {
    const message = `AdmissionReview ${quoted(apiVersion)} is not known here; set admissionReviewVersions: [v1]`;
    return { kind: 'refused', uid, apiVersion, message };
  }
  const parsed = parseRequest(request, uid, json);
  return typeof parsed === 'string'
    ? { kind: 'refused', uid, apiVersion, message: parsed }
    : { kind: 'request', request: parsed };
}

/** @returns the request, or why it cannot be judged. */
function parseRequest(request: JsonObject, uid: string, json: string): AdmissionRequest | string {
  const asked = resourceText(fieldsOf(own(request, 'resource')));
  if (asked === NODES && own(request, 'operation') === 'CONNECT') return parseConnect(request, uid);
  const kind = own(fieldsOf(own(request, 'kind')), 'kind');
  const written = WRITTEN.get(asked);
  if (written === undefined || kind !== written.kind) {
    return `this webhook judges ${RESOURCE} (${KIND}), not ${asked} (${quoted(kind)}); correct the rules of the webhook configuration`;
  }
  const user = parseUser(own(request, 'userInfo'));
  if (user === null) return NO_USER;
  const namespace = text(own(request, 'namespace'));
  if (namespace === '') return 'request.namespace is missing; the resource is namespaced';

  const subResource = own(request, 'subResource');
  const operation = subResource === 'status' ? 'STATUS' : own(request, 'operation');
  if (subResource !== undefined && subResource !== '' && operation !== 'STATUS') {
    return `the subresource ${quoted(subResource)} is not known here; correct the rules of the webhook configuration`;
  }
  const { about } = written;
  const name = text(own(request, 'name'));
  const dryRun = own(request, 'dryRun') === true;
  if (operation === 'STATUS' || operation === 'DELETE') {
    return { uid, user, namespace, about, name, dryRun, operation };
  }
  if (operation !== 'CREATE' && operation !== 'UPDATE') {
    return `the operation ${quoted(operation)} is not known here; correct the rules of the webhook configuration`;
  }
  const object = objectAt(request, 'object', namespace);
  if (typeof object === 'string') return object;
  const oldObject = operation === 'CREATE' ? null : objectAt(request, 'oldObject', namespace);
  if (typeof oldObject === 'string') return oldObject;
  return {
    uid,
    user,
    namespace,
    about,
    name: name || nameOf(object),
    dryRun,
    operation,
    object,
    oldObject,
    json,
  };
}

/** @returns the request, or why it cannot be judged. */
function parseConnect(request: JsonObject, uid: string): ConnectRequest | string {
  const subResource = own(request, 'subResource');
  if (subResource !== 'proxy') {
    return `this webhook judges nodes/proxy, not nodes with the subresource ${quoted(subResource)}; correct the rules of the webhook configuration`;
  }
  const user = parseUser(own(request, 'userInfo'));
  if (user === null) return NO_USER;
  const name = text(own(request, 'name'));
  if (name === '') return 'request.name is missing; it must name the node';
  const object = own(request, 'object');
  if (!isObject(object)) return 'request.object is missing; send the NodeProxyOptions';
  // Left out where it is empty.
  const path = own(object, 'path') ?? '';
  if (typeof path !== 'string') return `request.object.path is ${quoted(path)}; send a text`;
  return {
    uid,
    user,
    namespace: '',
    name,
    dryRun: own(request, 'dryRun') === true,
    operation: 'CONNECT',
    path,
  };
}

/** For logs: `team-a/quotas`, or `nodes/node1/proxy/checkpoint/shop/cart/main`. */
export function subjectOf(request: AdmissionRequest): string {
  const { namespace, name } = request;
  const subject =
    request.operation === 'CONNECT' ? `nodes/${name}/proxy${request.path}` : `${namespace}/${name}`;
  return subject.slice(0, LONGEST_SUBJECT);
}

/** The object, with the namespace of the request where it names none. */
function objectAt(request: JsonObject, key: 'object' | 'oldObject', namespace: string): JsonObject | string {
  const object = own(request, key);
  if (!isObject(object)) return `request.${key} is missing; send the whole resource`;
  const metadata = own(object, 'metadata');
  if (!isObject(metadata)) return `request.${key}.metadata is missing; send the whole resource`;
  const annotations = own(metadata, 'annotations');
  if (annotations !== undefined && annotations !== null && !isObject(annotations)) {
    return `request.${key}.metadata.annotations is not a mapping; send texts by name`;
  }
  const named = own(metadata, 'namespace');
  if (named === namespace) return object;
  if (named !== undefined && named !== '') {
    return `request.${key}.metadata.namespace is ${quoted(named)}, request.namespace ${quoted(namespace)}; they must be one`;
  }
  return { ...object, metadata: { ...metadata, namespace } };
}

/** What the API server has generated since; the request's name is empty then. */
function nameOf(object: JsonObject): string {
  return text(own(fieldsOf(own(object, 'metadata')), 'name'));
}

function parseUser(info: unknown): UserInfo | null {
  if (!isObject(info)) return null;
  const [username, uid] = [own(info, 'username'), own(info, 'uid')];
  const groups = own(info, 'groups') ?? [];
  const extra = own(info, 'extra') ?? {};
  if (typeof username !== 'string' || username === '') return null;
  if (!isTexts(groups) || !isObject(extra)) return null;
  const pairs = Object.entries(extra).filter((pair): pair is [string, string[]] => isTexts(pair[1]));
  if (pairs.length < Object.keys(extra).length) return null;
  const user: Mutable<UserInfo> = { username, groups };
  if (typeof uid === 'string' && uid !== '') user.uid = uid;
  if (pairs.length > 0) user.extra = Object.fromEntries(pairs);
  return user;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function resourceText(resource: JsonObject): string {
  const name = `${text(own(resource, 'resource'))}.${text(own(resource, 'version'))}.${text(own(resource, 'group'))}`;
  return name.length > LONGEST_UID ? name.slice(0, LONGEST_UID) : name;
}

/** For messages: in quotes, escaped and short. */
function quoted(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'object') return 'no text';
  return JSON.stringify(String(value).slice(0, 80));
}
