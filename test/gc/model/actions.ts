import { PIN_SUFFIX, TOMBSTONE_PREFIX } from '../../../gc/archive/names.ts';
import { CallerLeft } from '../../../gc/door/story.ts';
import type { FileKind, FileSystem } from '../../../gc/system/files.ts';
import { scopeLabel } from '../../../policy/govern.ts';
import type { Identity } from '../../../policy/types.ts';
import { Dice } from '../../policy/dice.ts';
import { requireAccounts } from './accounts.ts';
import { type ApiServer, STATIC_HASH } from './api-server.ts';
import { CONTAINERS } from './containers.ts';
import { contentFor } from './content.ts';
import { DIRECTORY, isArchiveName } from './directory.ts';
import type { ModelNode } from './node.ts';
import { drawCourse } from './runtime.ts';
import { confirmed, drawResource } from './specs.ts';
import type { Action, Step } from './steps.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Beside the directory: what is moved out or linked from there is none of the collector's business. */
const OUTSIDE = '/var/lib/kubelet';
const MOST_ARCHIVES = 30;
/** Blocks of memory that archives of a runtime have. */
const sizes = Array.from({ length: 13 }, (_, blocks) => blocks);

type Act = (node: ModelNode, dice: Dice) => string | null | Promise<string>;

/** Lets a step happen, and the time behind it pass. */
export async function take(node: ModelNode, { action, roll, waitMs }: Step): Promise<void> {
  const what = await ACTS[action](node, new Dice(roll));
  if (what !== null) node.tell(`${action} ${what}`);
  await node.wait(waitMs);
}

const ACTS: Readonly<Record<Action, Act>> = {
  put(node, dice) {
    if (archivesOf(node).length >= MOST_ARCHIVES) return null;
    const identity = drawIdentity(node, dice);
    const number = dice.roll(40);
    // A tombstone has no room for a long one.
    const name =
      number % 13 === 12 ? `checkpoint-${'long-'.repeat(44)}${number}.tar` : nameFor(identity, number);
    if (node.files.lstat(at(name)) !== null) return null;
    const ageMs =
      dice.pick([5_001, 20_000, 10 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, -HOUR, 100]) + dice.roll(5_000);
    const content = contentFor(identity, dice.roll(8));
    const half = dice.once(8) ? content.subarray(0, content.length / 2) : content;
    node.files.write(at(name), half, node.clock.now() - ageMs);
    return `${name} of ${textOf(identity)}, ${half.length} bytes, ${Math.round(ageMs / 1000)} s old`;
  },
  write(node, dice) {
    if (archivesOf(node).length >= MOST_ARCHIVES) return null;
    const identity = drawIdentity(node, dice);
    const name = node.runtime.nameFor(identity);
    return write(node, dice, name, identity);
  },
  overwrite(node, dice) {
    const name = chosen(archivesOf(node), dice);
    return name === null ? null : write(node, dice, name, drawIdentity(node, dice));
  },
  truncate(node, dice) {
    const name = chosen(archivesOf(node), dice);
    const content = name === null ? null : node.files.contentOf(at(name));
    if (name === null || content === null) return null;
    const bytes = Math.floor((content.length * dice.roll(5)) / 5);
    node.files.write(at(name), content.subarray(0, bytes), node.clock.now());
    return `${name} to ${bytes} bytes`;
  },
  touch(node, dice) {
    const name = chosen(archivesOf(node), dice);
    if (name === null) return null;
    const ageMs = dice.pick([0, 10 * MINUTE, 4 * HOUR, -HOUR]) + dice.roll(1_000);
    node.files.touch(at(name), node.clock.now() - ageMs);
    return `${name}, ${Math.round(ageMs / 1000)} s old`;
  },
  async rename(node, dice) {
    const name = chosen(archivesOf(node), dice);
    if (name === null) return 'nothing';
    const to = dice.pick([
      `checkpoint-moved-${dice.roll(5)}.tar`,
      `notes-${dice.roll(3)}.tar`,
      '../moved-out',
    ]);
    await node.files.rename(at(name), to.startsWith('..') ? `${OUTSIDE}/moved-out` : at(to));
    return `${name} to ${to}`;
  },
  remove(node, dice) {
    const name = chosen(dice.once(8) ? allOf(node) : archivesOf(node), dice);
    if (name === null || node.files.contentOf(at(name)) === null) return null;
    node.files.remove(at(name));
    return name;
  },
  pin(node, dice) {
    const name = chosen(archivesOf(node), dice);
    if (name === null || node.files.lstat(at(name + PIN_SUFFIX)) !== null) return null;
    // Whatever has the name pins.
    const kind = dice.pick(['file', 'file', 'link', 'directory']);
    if (kind === 'link') node.files.symlink('nowhere', at(name + PIN_SUFFIX));
    else if (kind === 'directory') node.files.mkdir(at(name + PIN_SUFFIX));
    else node.files.write(at(name + PIN_SUFFIX), '', node.clock.now());
    return `${name}, by a ${kind}`;
  },
  unpin(node, dice) {
    const pin = chosen(
      allOf(node).filter((name) => name.endsWith(PIN_SUFFIX)),
      dice,
    );
    if (pin === null) return null;
    node.files.remove(at(pin));
    return pin;
  },
  hardLink(node, dice) {
    const name = chosen(archivesOf(node), dice);
    if (name === null) return null;
    const outside = `${OUTSIDE}/linked-${node.clock.elapsed()}`;
    if (node.files.lstat(outside) === null) void node.files.link(at(name), outside);
    return name;
  },
  forge(node, dice) {
    const name = chosen(archivesOf(node), dice);
    const facts = name === null ? null : node.files.lstat(at(name));
    const identity = drawIdentity(node, dice);
    const isDown = dice.once(3);
    if (name === null || facts?.kind !== 'file') return null;
    const content = sizes
      .map((blocks) => contentFor(identity, blocks))
      .find(({ length }) => length === facts.bytes);
    if (content === undefined) return null;
    if (isDown) node.kill();
    node.files.write(at(name), content, facts.modifiedUs / 1_000);
    return `${name} is of ${textOf(identity)}, with the size and the mtime it had${isDown ? ', while nobody looks' : ''}`;
  },
  reboot(node) {
    node.reboot();
    return 'of the machine';
  },
  async cache(node, dice) {
    const isKilled = !dice.once(3);
    if (isKilled) node.kill();
    const [first, ...rest] = CONTAINERS.map((each) => node.identityOf(each));
    if (first === undefined) return 'nothing';
    const what = await node.cache.disturb(dice, node.files, [first, ...rest]);
    return `${what}${isKilled ? ', and the collector is killed' : ''}`;
  },
  foreign(node, dice) {
    const name = `checkpoint-odd-${dice.roll(6)}.tar`;
    if (node.files.lstat(at(name)) !== null) return null;
    const kind = dice.pick<FileKind | 'notes' | 'tombstone'>([
      'directory',
      'link',
      'fifo',
      'socket',
      'notes',
      'tombstone',
    ]);
    if (kind === 'directory') node.files.mkdir(at(name));
    else if (kind === 'link') node.files.symlink(`${OUTSIDE}/moved-out`, at(name));
    else if (kind === 'notes') node.files.write(at(`notes-${dice.roll(9)}.txt`), 'not ours', 0);
    else if (kind === 'tombstone')
      node.files.write(at(`${TOMBSTONE_PREFIX}of-nobody-${dice.roll(9)}`), 'not ours', 0);
    else if (kind === 'fifo' || kind === 'socket') node.files.special(at(name), kind);
    return `a ${kind}`;
  },
  policy(node, dice) {
    const resource = drawResource(
      dice,
      node.flavour,
      (key) => node.declared.get(key),
      () => node.newUid(),
    );
    node.declared.set(`${resource.reference.namespace}/${resource.reference.name}`, resource);
    node.deliver();
    const { reference, canonicalSpec, sound } = resource;
    return `${reference.namespace}/${reference.name} ${sound ? '' : '(not sound) '}${canonicalSpec}`;
  },
  unpolicy(node, dice) {
    const key = chosen([...node.declared.keys()], dice);
    if (key === null) return null;
    node.declared.delete(key);
    node.deliver();
    return key;
  },
  confirm(node) {
    const held = node.process?.parts.collector.report?.held[0];
    const { namespace = '', name = '' } = held?.resource.reference ?? {};
    const resource = node.declared.get(`${namespace}/${name}`);
    if (held === undefined || resource?.canonicalSpec !== held.resource.canonicalSpec) return null;
    node.declared.set(`${namespace}/${name}`, confirmed(resource, held.digest));
    node.deliver();
    return `${namespace}/${name}`;
  },
  pod(node, dice) {
    const { namespace, pod } = dice.pick(CONTAINERS);
    const key = `${namespace}/${pod}`;
    const isStatic = pod === 'till';
    if (dice.once(2)) {
      node.api.pods.delete(key);
      return `${key} is gone`;
    }
    const uid = node.newUid();
    node.api.pods.set(key, { uid, configHash: isStatic ? STATIC_HASH : null });
    return `${key} is ${uid}`;
  },
  api(node, dice) {
    node.api.mode = dice.pick<ApiServer['mode']>(['up', 'errors', 'up', 'silent', 'late', 'up']);
    node.api.lateMs = dice.pick([300, 3_000, 9_000]);
    return node.api.mode === 'late' ? `late by ${node.api.lateMs} ms` : node.api.mode;
  },
  source(node, dice) {
    node.setFresh(!dice.once(2));
    return node.isSourceFresh ? 'has contact' : 'has lost contact';
  },
  deaf(node, dice) {
    setDeaf(node, !node.files.deaf && dice.once(1));
    return node.files.deaf ? 'to all events' : 'no more';
  },
  fault(node, dice) {
    const { weather } = node;
    if (weather.fault !== null) return clearFault(node);
    const operation = dice.pick<keyof FileSystem>([
      'unlink',
      'rename',
      'link',
      'lstat',
      'list',
      'open',
      'stat',
      'exists',
      'statfs',
    ]);
    // What cannot be seen is not weighed, and under pressure others go in its place.
    const isBlinding = ['lstat', 'open', 'list', 'stat', 'exists'].includes(operation);
    if (isBlinding && node.flavour === 'pressure') return 'none';
    const drawn = dice.pick(['EIO', 'EACCES', 'EROFS', 'EMFILE', 'ENOSPC']);
    const code = drawn === 'ENOSPC' && operation !== 'rename' && operation !== 'link' ? 'EIO' : drawn;
    weather.fault = { operation, code };
    node.disturbedAt = node.clock.elapsed();
    return `every ${operation} fails (${code})`;
  },
  slow(node, dice) {
    node.weather.latencyMs = dice.pick([0, 30, 200, 900]);
    return `${node.weather.latencyMs} ms`;
  },
  disk(node, dice) {
    node.directory.othersBytes = dice.pick([0, 200_000, 560_000, 590_000, 900_000]);
    node.directory.look();
    return `${node.directory.othersBytes} bytes are others'`;
  },
  async swapDirectory(node) {
    const { files } = node;
    const away = `${OUTSIDE}/away`;
    if (files.lstat(away) === null) files.mkdir(away);
    await files.rename(DIRECTORY, `${OUTSIDE}/between`);
    await files.rename(away, DIRECTORY);
    await files.rename(`${OUTSIDE}/between`, away);
    node.directory.look();
    node.disturbedAt = node.clock.elapsed();
    return 'with another';
  },
  clock(node, dice) {
    const by = dice.pick([30_000, -30_000, 2 * MINUTE, HOUR, -HOUR, 72 * HOUR, -2 * MINUTE]);
    node.setClock(by);
    if (Math.abs(by) > MINUTE) {
      const elapsed = node.clock.elapsed();
      // Who knows no policies plans nothing, and does not look at the clock.
      const isSeen = node.process?.parts.active.isKnown === true;
      const isAlone = isSeen && elapsed - node.clockSetAt > 2 * MINUTE;
      // Nothing gets older by a clock that is set back.
      node.doubtedAt = by > 0 && isAlone ? elapsed : Number.NEGATIVE_INFINITY;
      node.clockSetAt = elapsed;
      node.setAheadBy = Math.max(0, by);
    }
    return `${by > 0 ? 'ahead' : 'back'} by ${Math.abs(by) / 1000} s`;
  },
  ask(node, dice) {
    const container = dice.pick(CONTAINERS);
    const course = drawCourse(dice);
    node.runtime.courses.push(course);
    const asked = node.ask(container);
    if (asked === null) return null;
    if (dice.once(4)) node.clock.after(700, () => asked.leaving.abort(new CallerLeft()));
    return `${asked.text}: ${JSON.stringify(course)}`;
  },
  kill(node, dice) {
    const life = node.process?.life;
    if (life === undefined) return null;
    if (dice.once(3)) {
      life.diesOf = dice.pick(['rename', 'rename', 'unlink', 'link']);
      return `at its next ${life.diesOf}, which takes effect`;
    }
    const call = 1 + dice.roll(dice.pick([4, 30, 200]));
    const takesEffect = dice.once(2);
    life.dieAt(call, takesEffect);
    if (dice.once(6))
      node.journal.killAt = { write: node.journal.writes + 1, how: dice.pick(['torn', 'before', 'after']) };
    return `at its call ${call} from now, which ${takesEffect ? 'takes effect' : 'does not'}`;
  },
  async stop(node) {
    const { process } = node;
    if (process === null) return 'nothing';
    void process.parts.collector.stop().then(() => process.life.die());
    // SIGKILL follows.
    node.clock.after(5_000, () => process.life.die());
    await node.clock.advance(5_000);
    if (node.process === process) node.process = null;
    return 'the collector';
  },
  async quiet(node) {
    await calm(node);
    await node.wait(160_000);
    if (node.process?.life.alive === true) requireAccounts(node);
    return 'for a while';
  },
};

/** The machine is well again; the API server and the authors are not part of it. */
export async function calm(node: ModelNode): Promise<void> {
  clearFault(node);
  setDeaf(node, false);
  node.weather.latencyMs = 0;
  node.journal.killAt = null;
  node.process?.life.dieAt(Number.POSITIVE_INFINITY, false);
  if (node.process) node.process.life.diesOf = null;
  await node.wait(0);
}

function clearFault(node: ModelNode): string {
  if (node.weather.fault !== null) node.disturbedAt = node.clock.elapsed();
  // What came meanwhile is seen only now.
  node.policies.checkpointMayHaveCome();
  node.weather.fault = null;
  return 'no more';
}

function setDeaf(node: ModelNode, deaf: boolean): void {
  if (node.files.deaf !== deaf) node.disturbedAt = node.clock.elapsed();
  node.files.deaf = deaf;
}

function write(node: ModelNode, dice: Dice, name: string, identity: Identity): string {
  const content = contentFor(identity, dice.roll(8));
  const [parts, everyMs] = [1 + dice.roll(4), dice.pick([100, 600, 1_500])];
  node.runtime.write(name, content, parts, everyMs);
  return `${name} of ${textOf(identity)}, ${content.length} bytes in ${parts} parts every ${everyMs} ms`;
}

function drawIdentity(node: ModelNode, dice: Dice): Identity {
  const identity = node.identityOf(dice.pick(CONTAINERS));
  // Of a pod that was there before, or of one that left no UID.
  return { ...identity, podUid: dice.pick([identity.podUid, identity.podUid, 'uid-1', null]) };
}

function nameFor({ namespace, pod, container }: Identity, number: number): string {
  return `checkpoint-${pod}_${namespace}-${container}-${number}.tar`;
}

function textOf({ namespace, pod, container, podUid }: Identity): string {
  return `${scopeLabel({ kind: 'container', namespace, pod, container })} ${podUid}`;
}

function allOf(node: ModelNode): string[] {
  return [...node.directory.now.entries.keys()];
}

function archivesOf(node: ModelNode): string[] {
  return allOf(node).filter(isArchiveName);
}

function chosen(names: readonly string[], dice: Dice): string | null {
  return names[dice.roll(Math.max(1, names.length))] ?? null;
}

function at(name: string): string {
  return `${DIRECTORY}/${name}`;
}
