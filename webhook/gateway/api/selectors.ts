import type { Checkpoint } from '../../../policy/checkpoint-object.ts';
import { ApiError } from './api-error.ts';

type Labels = Readonly<Record<string, string>>;

const KEY = '(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-\\w.]{0,61}[A-Za-z0-9])?';
const VALUE = '(?:[A-Za-z0-9](?:[-\\w.]{0,61}[A-Za-z0-9])?)?';
const EQUALITY = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})$`);
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`);
const ONE_VALUE = new RegExp(`^${VALUE}$`);
const MOST_CHARACTERS = 4_096;

/** A label selector as Kubernetes writes it. @throws ApiError 400 */
export function labelSelector(text: string): (labels: Labels) => boolean {
  const requirements = split(text).map((each) => requirement(each, text));
  return (labels) => requirements.every((matches) => matches(labels));
}

function requirement(part: string, whole: string): (labels: Labels) => boolean {
  const equality = EQUALITY.exec(part);
  if (equality !== null) {
    const [, key = '', operator, value] = equality;
    // What has no such label is unequal, too.
    return operator === '!='
      ? (labels) => labelOf(labels, key) !== value
      : (labels) => labelOf(labels, key) === value;
  }
  const set = SET.exec(part);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = list.split(',').map((each) => each.trim());
    if (!values.every((each) => ONE_VALUE.test(each))) throw bad('label', whole);
    const isIn = (labels: Labels) => values.includes(labelOf(labels, key) ?? '\0');
    return operator === 'in' ? isIn : (labels) => !isIn(labels);
  }
  const exists = EXISTS.exec(part);
  if (exists === null) throw bad('label', whole);
  const [, not, key = ''] = exists;
  return (labels) => (labelOf(labels, key) === undefined) === (not === '!');
}

function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** At commas that are in no brackets. */
function split(text: string): string[] {
  if (text.length > MOST_CHARACTERS) throw bad('label', text.slice(0, 100));
  if (text.trim() === '') return [];
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index <= text.length; index += 1) {
    const character = text[index];
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (character !== undefined && (character !== ',' || depth !== 0)) continue;
    parts.push(text.slice(start, index).trim());
    start = index + 1;
  }
  return parts;
}

/** What a field selector may name, and how an object answers. */
const FIELDS: Readonly<Record<string, (object: Checkpoint) => string>> = {
  'metadata.name': ({ metadata }) => metadata.name,
  'metadata.namespace': ({ metadata }) => metadata.namespace,
  'spec.podName': ({ spec }) => spec.podName,
  'spec.containerName': ({ spec }) => spec.containerName,
  'spec.nodeName': ({ spec }) => spec.nodeName,
};

export interface FieldSelector {
  matches(object: Checkpoint): boolean;
  /** The one value that a field must have; undefined where it may have several. */
  only(field: string): string | undefined;
}

/** A field selector: `=`, `==` and `!=`, joined by commas. @throws ApiError 400 */
export function fieldSelector(text: string): FieldSelector {
  if (text.length > MOST_CHARACTERS) throw bad('field', text.slice(0, 100));
  const terms = text.split(',').flatMap((part) => {
    if (part.trim() === '') return [];
    const match = /^([^=!]+?)(==|=|!=)([^=!]*)$/.exec(part.trim());
    const [, field = '', operator, value = ''] = match ?? [];
    const read = Object.hasOwn(FIELDS, field) ? FIELDS[field] : undefined;
    if (match !== null && read !== undefined) return { field, value, read, isEqual: operator !== '!=' };
    const known = Object.keys(FIELDS).join(', ');
    throw new ApiError(
      400,
      `the field selector ${JSON.stringify(part)} is none that is supported; select by ${known}`,
    );
  });
  return {
    matches: (object) => terms.every(({ read, value, isEqual }) => (read(object) === value) === isEqual),
    only: (field) => terms.find((each) => each.field === field && each.isEqual)?.value,
  };
}

function bad(what: 'label' | 'field', text: string): ApiError {
  return new ApiError(400, `the ${what} selector ${JSON.stringify(text)} cannot be read`);
}
