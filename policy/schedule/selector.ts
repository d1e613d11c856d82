import { formatCount } from '../count.ts';
import type { Fields } from '../fields.ts';
import { childFields, isSubdomain } from '../fields.ts';
import { finding } from '../findings.ts';
import { isObject, own } from '../json.ts';
import { MOST_NAMES, MOST_TERMS, OPERATORS } from './schema.ts';
import type { Requirement, Schedule } from './types.ts';

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const LONGEST = 63;

/** A label selector as Kubernetes writes it. What is wrong with it goes into the findings. */
export function readSelector(top: Fields): Requirement[] {
  const fields = childFields(top, 'selector');
  if (fields === undefined) return [];
  const requirements: Requirement[] = [];
  const labels = childFields(fields, 'matchLabels');
  const written = Object.entries(labels?.object ?? {});
  if (written.length > MOST_NAMES) {
    const message = `has more than ${formatCount(MOST_NAMES)} entries`;
    const remedy = 'select by fewer labels';
    fields.findings.push(finding('tooManyEntries', `${fields.path}.matchLabels`, undefined, message, remedy));
  }
  for (const [key, value] of written.slice(0, MOST_NAMES)) {
    const field = `${fields.path}.matchLabels[${JSON.stringify(key.slice(0, 80))}]`;
    if (typeof value !== 'string') continue;
    judgeKey(key, field, fields);
    judgeValue(value, field, fields);
    requirements.push({ key, operator: 'In', values: [value] });
  }
  const terms = own(fields.object, 'matchExpressions');
  if (!Array.isArray(terms)) return requirements;
  // That there are too many terms, or values of one, has been found already.
  terms.slice(0, MOST_TERMS).forEach((term: unknown, index) => {
    const path = `${fields.path}.matchExpressions[${index}]`;
    const requirement = isObject(term) ? readTerm({ ...fields, object: term, path }) : null;
    if (requirement !== null) requirements.push(requirement);
  });
  return requirements;
}

function readTerm(fields: Fields): Requirement | null {
  const [key, given, listed] = ['key', 'operator', 'values'].map((each) => own(fields.object, each));
  const operator = OPERATORS.find((each) => each === given);
  if (typeof key !== 'string' || operator === undefined) return null;
  judgeKey(key, `${fields.path}.key`, fields);
  const texts = Array.isArray(listed) ? listed.slice(0, MOST_TERMS) : [];
  const values = texts.filter((each) => typeof each === 'string');
  const takesValues = operator === 'In' || operator === 'NotIn';
  if (takesValues !== values.length > 0) {
    const message = takesValues
      ? `is empty, and ${operator} needs a value`
      : `is not empty, and ${operator} takes none`;
    const remedy = takesValues
      ? 'add a value, or write Exists or DoesNotExist'
      : 'remove it, or write In or NotIn';
    fields.findings.push(finding('badSelector', `${fields.path}.values`, listed, message, remedy));
  }
  values.forEach((value, index) => {
    judgeValue(value, `${fields.path}.values[${index}]`, fields);
  });
  return { key, operator, values };
}

function judgeKey(key: string, field: string, { findings }: Fields): void {
  const [first = '', ...rest] = key.split('/');
  const isLabel =
    rest.length === 0 ? isName(first) : rest.length === 1 && isSubdomain(first) && isName(rest[0] ?? '');
  if (isLabel) return;
  const remedy = 'write a label such as app or app.kubernetes.io/name';
  findings.push(finding('badSelector', field, key, 'is no label that Kubernetes takes', remedy));
}

function judgeValue(value: string, field: string, { findings }: Fields): void {
  if (value === '' || isName(value)) return;
  const remedy = 'write at most 63 letters, digits, - _ and ., with a letter or digit at both ends';
  findings.push(finding('badSelector', field, value, 'is no value that a label can have', remedy));
}

function isName(text: string): boolean {
  return text.length <= LONGEST && NAME.test(text);
}

/** Comparisons that two selectors may cost; beyond it they are taken to meet. */
const MOST_COMPARISONS = 10_000;

/** Whether a pod can be under both: false only where their terms exclude each other for certain. */
export function mayMeet(one: Pick<Schedule, 'selector'>, other: Pick<Schedule, 'selector'>): boolean {
  if (sizeOf(one) * sizeOf(other) > MOST_COMPARISONS) return true;
  return one.selector.every((first) =>
    other.selector.every((second) => first.key !== second.key || agree(first, second)),
  );
}

function sizeOf({ selector }: Pick<Schedule, 'selector'>): number {
  return selector.reduce((sum, { values }) => sum + 1 + values.length, 0);
}

function agree(one: Requirement, other: Requirement): boolean {
  if (one.operator === 'DoesNotExist' || other.operator === 'DoesNotExist') {
    return [one, other].every(({ operator }) => operator === 'DoesNotExist' || operator === 'NotIn');
  }
  if (one.operator === 'In' && other.operator === 'In')
    return one.values.some((each) => other.values.includes(each));
  if (one.operator === 'In' && other.operator === 'NotIn')
    return !one.values.every((each) => other.values.includes(each));
  if (one.operator === 'NotIn' && other.operator === 'In') return agree(other, one);
  return true;
}
