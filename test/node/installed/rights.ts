import { readFile } from 'node:fs/promises';
import { fieldsOf, type JsonObject, own, text } from '../../../policy/json.ts';
import { at } from '../../e2e/replicas/manifest.ts';

const ACCOUNT = /^system:serviceaccount:checkpoint-warden:(.+)$/;

/** One thing that a service account did, or may do: `webhook: get secrets/door-certificate`. */
export type Right = string;

/** What the service accounts did, by the API server's audit log; and what they were refused. */
export async function usedRights(
  auditLog: string,
): Promise<{ readonly used: ReadonlySet<Right>; readonly refused: ReadonlySet<Right> }> {
  const [used, refused] = [new Set<Right>(), new Set<Right>()];
  for (const line of (await readFile(auditLog, 'utf8')).split('\n')) {
    if (line === '') continue;
    const event: unknown = JSON.parse(line);
    const account = ACCOUNT.exec(text(at(event, 'user', 'username')))?.[1];
    const reference = fieldsOf(at(event, 'objectRef'));
    if (account === undefined || text(own(reference, 'resource')) === '') continue;
    const status = Number(at(event, 'responseStatus', 'code'));
    const resource = [own(reference, 'resource'), own(reference, 'subresource')].filter(Boolean).join('/');
    const names = [text(own(reference, 'name')), ''];
    for (const name of names) {
      const right = rightOf(
        account,
        text(at(event, 'verb')),
        text(own(reference, 'apiGroup')),
        resource,
        name,
      );
      if (status === 403) refused.add(right);
      else used.add(right);
    }
  }
  return { used, refused };
}

/** What the manifests give the service accounts, one by one. */
export function grantedRights(documents: readonly JsonObject[]): ReadonlySet<Right> {
  const granted = new Set<Right>();
  for (const binding of documents.filter((each) => /RoleBinding$/.test(text(own(each, 'kind'))))) {
    const role = documents.find(
      (each) =>
        own(each, 'kind') === at(binding, 'roleRef', 'kind') &&
        at(each, 'metadata', 'name') === at(binding, 'roleRef', 'name'),
    );
    for (const subject of listAt(binding, 'subjects')) {
      const account = text(at(subject, 'name'));
      for (const rule of listAt(role, 'rules'))
        for (const each of rightsIn(rule)) granted.add(`${account}: ${each}`);
    }
  }
  return granted;
}

function* rightsIn(rule: unknown): Generator<string> {
  const names = listAt(rule, 'resourceNames').map(text);
  for (const group of listAt(rule, 'apiGroups').map(text)) {
    for (const resource of listAt(rule, 'resources').map(text)) {
      for (const verb of listAt(rule, 'verbs').map(text)) {
        for (const name of names.length > 0 ? names : ['']) yield named(verb, group, resource, name);
      }
    }
  }
}

function rightOf(account: string, verb: string, group: string, resource: string, name: string): Right {
  return `${account}: ${named(verb, group, resource, name)}`;
}

function named(verb: string, group: string, resource: string, name: string): string {
  return `${verb} ${resource}${group === '' ? '' : `.${group}`}${name === '' ? '' : ` ${name}`}`;
}

function listAt(value: unknown, key: string): readonly unknown[] {
  const found = at(value, key);
  return Array.isArray(found) ? found : [];
}
