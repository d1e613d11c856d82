import { PIN_SUFFIX, TOMBSTONE_PREFIX } from '../../../gc/archive/names.ts';
import { readTombstone } from '../../../gc/deleting/tombstones.ts';
import { referencePlan } from '../../policy/reference.ts';
import { calm } from './actions.ts';
import { isGone } from './api-server.ts';
import { archivesIn, DIRECTORY } from './directory.ts';
import type { ModelNode } from './node.ts';

/** Once all is quiet the collector's inventory is what the directory holds, each archive and the sums. */
export function requireAccounts(node: ModelNode): void {
  const { process, judge, directory, clock } = node;
  if (process === null) return;
  const { inventory } = process.parts;
  if (!inventory.state.ok) {
    judge.fail(`the directory is there, and the collector says: ${inventory.state.reason}`);
    return;
  }
  const there = archivesIn(directory.now, clock.now(), clock.elapsed(), () => null);
  const seen = new Map([...inventory.archives()].map((archive) => [archive.file, archive]));
  for (const { file, bytes, pinned, identity, staleTailBytes, state, allocatedBytes } of there) {
    const of = ({ bytes, pinned, identity, staleTailBytes, state, allocatedBytes }: typeof one) =>
      JSON.stringify({ bytes, pinned, identity, staleTailBytes, state, allocatedBytes });
    const one = { bytes, pinned, identity, staleTailBytes, state, allocatedBytes };
    const other = seen.get(file);
    if (other === undefined) judge.fail(`${file} is not in the inventory`);
    else if (of(one) !== of(other)) judge.fail(`${file} is ${of(one)} and in the inventory ${of(other)}`);
  }
  const totals = inventory.totals();
  const sums = {
    archives: there.length,
    bytes: there.reduce((sum, { bytes }) => sum + bytes, 0),
    pinned: there.filter(({ pinned }) => pinned).length,
    unidentified: there.filter(({ identity }) => identity === null).length,
    tainted: there.filter(({ staleTailBytes }) => staleTailBytes > 0).length,
    growing: 0,
    tombstones: [...directory.now.entries.keys()].filter((name) => name.startsWith(TOMBSTONE_PREFIX)).length,
  };
  for (const [key, value] of Object.entries(sums)) {
    const told = Object.entries(totals).find(([name]) => name === key)?.[1];
    if (told !== value) judge.fail(`the directory holds ${value} ${key}, and the totals say ${told}`);
  }
}

const SETTLE_MS = 26 * 60_000;

/** At the end all is well again, and all that was begun must come to an end. */
export async function requireEnd(node: ModelNode): Promise<void> {
  await calm(node);
  node.api.mode = 'up';
  node.setFresh(true);
  await node.wait(SETTLE_MS / 2);
  // The name of a tombstone's file may have another by now, or a pin: somebody sees to it.
  for (const name of node.directory.now.entries.keys()) {
    const file = readTombstone(name)?.file;
    for (const each of file ? [file, file + PIN_SUFFIX] : []) {
      const path = `${DIRECTORY}/${each}`;
      if (node.files.lstat(path) !== null && node.files.contentOf(path) !== null) node.files.remove(path);
    }
  }
  await node.wait(SETTLE_MS / 2);
  requireAccounts(node);
  const { process, judge, directory, asked } = node;
  for (const name of directory.now.entries.keys()) {
    if (readTombstone(name) !== null) judge.fail(`the tombstone ${name} is left for ever`);
  }
  for (const { id, namespace, pod, container } of process?.door?.ledger.reserved() ?? []) {
    judge.fail(`room for ${namespace}/${pod}/${container} is reserved for ever (${id})`);
  }
  for (const { text, reply, life } of asked) {
    if (reply === null && life === process?.life) judge.fail(`a request for ${text} has no answer`);
  }
  for (const file of node.runtime.doubled) judge.fail(`two checkpoints were written into ${file} at once`);
  const ended = process?.log.matching(/ended early|nobody foresaw/) ?? [];
  for (const { message, fields } of ended) judge.fail(`${message}: ${String(fields.err)}`);
  requireNothingLeft(node);
}

/** What the policies have asked for during the last minutes is gone, unless somebody has to confirm it. */
function requireNothingLeft(node: ModelNode): void {
  const { process, judge, directory, clock, api, policies } = node;
  const held = process?.parts.collector.report?.held ?? [];
  const hasBudget = policies.newest.some(({ budget }) => budget.maxArchives !== undefined);
  const sets = policies.acting();
  const [only] = sets;
  // What waits for the next checkpoint, or for somebody's word, stays; so does what a budget leaves for later.
  if (only === undefined || sets.length > 1 || held.length > 0 || hasBudget) return;
  if (policies.newest.length !== only.length) return;
  // A clock that was set back prolongs what was waited for.
  if (node.clockSetAt > Number.NEGATIVE_INFINITY) return;
  if (policies.newest.some(({ reference }) => !only.some((each) => each.reference === reference))) return;
  const since = clock.now() - SETTLE_MS;
  const fatesAt = (now: number) => {
    const archives = archivesIn(directory.now, now, clock.elapsed(), (identity) => {
      const pod = api.pods.get(`${identity.namespace}/${identity.pod}`) ?? null;
      return isGone(identity.podUid, pod) ? { since, why: 'absent' } : null;
    });
    return referencePlan({ archives, disk: directory.now.disk }, only, now);
  };
  const before = fatesAt(clock.now() - 3 * 60_000);
  for (const [file, { action, rule }] of fatesAt(clock.now())) {
    if (action === 'delete' && before.get(file)?.action === 'delete')
      judge.fail(`${file} is left, although the policies ask for its deletion (${rule})`);
  }
}
