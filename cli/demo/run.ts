import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { AuditRecord } from '../../observe/audit.ts';
import { formatBytes } from '../../policy/quantity.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../errors.ts';
import { takeInventory } from '../inventory.ts';
import { byName, listArchives } from '../listing.ts';
import { renderListing } from '../ls.ts';
import { writePin } from '../pin-file.ts';
import { policiesFor, readPolicies } from '../policies.ts';
import { type Column, renderTable } from '../table.ts';
import { printable, printableName } from '../text.ts';
import { type Applied, apply } from './apply.ts';
import { layOut, limitsFor, MISTAKES, PINNED, rivalFor, takeCheckpoint } from './scene.ts';
import { Stage } from './stage.ts';
import { makePlaces, type Places, removePlaces, startWorld, type World } from './world.ts';

export interface DemoOptions {
  /** End after the show. */
  readonly exit: boolean;
  /** Where the scratch directory is made; null for the system's. */
  readonly within: string | null;
}

/** Longer than it takes on a busy machine, and short enough to be told what is wrong. */
const PATIENCE_MS = 15_000;

/** Shows the main job on a scratch directory, which is gone afterwards. */
export async function runDemo({ exit, within }: DemoOptions, context: Context): Promise<number> {
  const signal = context.untilStopped();
  const places = await makePlaces(within);
  let world: World | null = null;
  try {
    const stage = new Stage(context.out);
    const laid = await layOut(places.archives, context.now());
    world = await startWorld(places);
    const show = new Show({ stage, places, world, signal, context });
    await show.play(laid);
    if (!exit) await show.goOn();
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await world?.stop();
    await removePlaces(places);
  }
  return EXIT.done;
}

interface ShowParts {
  readonly stage: Stage;
  readonly places: Places;
  readonly world: World;
  readonly signal: AbortSignal;
  readonly context: Context;
}

class Show {
  readonly #parts: ShowParts;

  constructor(parts: ShowParts) {
    this.#parts = parts;
  }

  async play(laid: { readonly real: number; readonly made: number }): Promise<void> {
    const { stage, places, world, signal } = this.#parts;
    const steps = [
      () => this.#archives(laid),
      () => this.#mistakes(),
      () => this.#limits(),
      () => this.#pinAndArrivals(),
      () => this.#rival(),
      () => this.#kept(),
    ];
    stage.title('checkpoint-warden: what may be kept of container checkpoints');
    stage.say(`Everything happens in ${places.root}; nothing else on this machine is touched.`);
    stage.say(
      `The webhook is ${world.webhook.url}, with a certificate of its own; logs go to ${places.log}.`,
    );
    for (const step of steps) {
      signal.throwIfAborted();
      await step();
    }
  }

  async #archives({ real, made }: { readonly real: number; readonly made: number }): Promise<void> {
    const { stage } = this.#parts;
    stage.heading('A node holds checkpoint archives');
    stage.say(
      `${real} of these are real ones of containerd and CRI-O, ${made} are made in their formats. Whose memory each holds is read out of the archive; names prove nothing.`,
    );
    stage.gap();
    await this.#listing(false);
    stage.gap();
    stage.say('The collector watches. There is no policy, so it deletes nothing.');
  }

  async #mistakes(): Promise<void> {
    const { stage, world } = this.#parts;
    stage.heading('A policy with mistakes is refused');
    stage.quote(afterHead(MISTAKES));
    stage.gap();
    stage.command('kubectl apply -f mistakes.yaml');
    this.#tell(await apply(world.webhook, MISTAKES), 'mistakes.yaml', 'limits');
  }

  async #limits(): Promise<void> {
    const { stage, places, world, signal } = this.#parts;
    const policy = limitsFor(places.archives);
    stage.heading('A sound one is accepted, completed, and acts');
    stage.quote(afterHead(policy));
    stage.gap();
    stage.command('kubectl apply -f limits.yaml');
    const applied = await apply(world.webhook, policy);
    this.#tell(applied, 'limits.yaml', 'limits');
    if (!applied.admitted) throw new Error('the policy of the demonstration was refused');
    const defaults = applied.defaults.map(({ field, value }) => `${field}: ${JSON.stringify(value)}`);
    stage.gap();
    stage.say('What the webhook made explicit:');
    stage.quote(defaults.join('\n'));
    const mark = world.diary.mark;
    await writeFile(join(places.policies, 'limits.yaml'), applied.stored);
    await world.diary.deletions(mark, 5, PATIENCE_MS, signal);
    await world.collector.idle();
    stage.gap();
    stage.say('And what the collector deletes by it:');
    stage.gap();
    this.#deletions(mark);
  }

  async #pinAndArrivals(): Promise<void> {
    const { stage, places, world, signal, context } = this.#parts;
    const pinned = join(places.archives, PINNED);
    stage.heading('A pin holds an archive, while new ones arrive');
    stage.command(`checkpoint-warden pin ${PINNED} --reason "incident 42"`);
    await writePin(pinned, { reason: 'incident 42' }, new Date(context.now()));
    stage.answer(`pinned ${PINNED}`, 'green');
    stage.gap();
    const mark = world.diary.mark;
    for (const pauseMs of [1_000, 0]) {
      const name = await takeCheckpoint(places.archives, context.now());
      stage.say(`A checkpoint of shop/web/app arrives: ${name}`);
      await wait(pauseMs, undefined, { signal });
    }
    await world.diary.deletions(mark, 2, PATIENCE_MS, signal);
    await world.collector.idle();
    stage.gap();
    stage.say(
      'The namespace is over its count again. The pinned archive is the oldest; others go in its place:',
    );
    stage.gap();
    this.#deletions(mark);
  }

  async #rival(): Promise<void> {
    const { stage, places, world } = this.#parts;
    const policy = rivalFor(places.archives);
    stage.heading('A second policy for the same namespace is refused');
    stage.quote(afterHead(policy));
    stage.gap();
    stage.command('kubectl apply -f more-for-shop.yaml');
    this.#tell(await apply(world.webhook, policy), 'more-for-shop.yaml', 'more-for-shop');
  }

  async #kept(): Promise<void> {
    this.#parts.stage.heading('What is kept');
    await this.#listing(true);
  }

  /** Until Ctrl-C: what happens in the directory is told as it happens. */
  async goOn(): Promise<void> {
    const { stage, places, world, signal } = this.#parts;
    const { archives, policies, ca, audit } = places;
    // As it was called: through npm, or as a program of its own.
    const warden = process.env.npm_lifecycle_event === 'start' ? 'npm start --' : 'checkpoint-warden';
    const newest = join(archives, PINNED);
    stage.heading('Try it');
    stage.say('This goes on until Ctrl-C. From another terminal, for example:');
    stage.gap();
    for (const [effect, call] of [
      ['list the archives', `${warden} ls --directory ${archives}`],
      [
        'what would go by next year',
        `${warden} plan --directory ${archives} --policies ${policies} --now ${inAYear()}`,
      ],
      ['everything about one', `${warden} show ${newest}`],
      ['let it go', `${warden} unpin ${newest}`],
      ['tighten the quota', `sed -i 's/maxCheckpoints: 6/maxCheckpoints: 2/' ${policies}/limits.yaml`],
      ['judge a file', `${warden} validate ${policies}`],
      ['who deleted what', `tail -n 3 ${audit}`],
      [
        'ask the webhook',
        `curl --cacert ${ca} ${world.webhook.url.replace('127.0.0.1', 'localhost')}/readyz`,
      ],
    ] as const) {
      stage.block(`${stage.paint('dim', `# ${effect}`)}\n${call}`);
    }
    stage.gap();
    const end = world.diary.follow((record) => stage.answer(eventText(record), eventColour(record)));
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    end();
    stage.title('Stopped; the scratch directory is removed.');
  }

  #tell(applied: Applied, file: string, name: string): void {
    const { stage } = this.#parts;
    for (const warning of applied.warnings) stage.answer(`Warning: ${warning}`, 'yellow');
    if (applied.admitted) {
      stage.answer(`checkpointrestoreoperator.criu.org/${name} created`, 'green');
    } else {
      const denial = `admission webhook denied the request: ${applied.message}`;
      stage.answer(`Error from server (Forbidden): error when creating "${file}": ${denial}`, 'red');
    }
  }

  async #listing(withPolicies: boolean): Promise<void> {
    const { stage, places, context } = this.#parts;
    const inventory = await takeInventory(places.archives, [], context);
    const read = withPolicies ? await readPolicies([places.policies]) : null;
    const set = read && policiesFor(places.archives, read.resources);
    const listing = {
      directory: places.archives,
      now: context.now(),
      archives: listArchives(inventory, set),
      foreign: byName(inventory.foreign()),
      tombstones: inventory.tombstones(),
      totals: inventory.totals(),
    };
    stage.block(renderListing(listing, false, stage.inset));
  }

  #deletions(mark: number): void {
    const { stage, world } = this.#parts;
    stage.block(renderTable(DELETION_COLUMNS, world.diary.deletionsSince(mark), stage.inset));
  }
}

const DELETION_COLUMNS: readonly Column<AuditRecord>[] = [
  { title: 'DELETED', cell: ({ resource }) => printableName(resource.file ?? ''), colour: () => 'red' },
  { title: 'SIZE', right: true, cell: ({ metadata }) => formatBytes(Number(metadata.bytes ?? 0)) },
  { title: 'RULE', cell: ({ metadata }) => String(metadata.rule ?? '') },
  { title: 'REASON', sentence: true, cell: ({ metadata }) => printable(String(metadata.reason ?? '')) },
];

function eventText({ operation, resource, metadata }: AuditRecord): string {
  const file = printableName(basename(resource.file ?? ''));
  if (operation !== 'delete') return `${operation === 'create' ? 'new' : 'changed'}: ${file}`;
  if (metadata.by !== 'checkpoint-warden') return `removed by somebody else: ${file}`;
  return `deleted: ${file} (${metadata.rule}: ${printable(String(metadata.reason ?? ''))})`;
}

function eventColour({ operation }: AuditRecord): 'red' | 'green' {
  return operation === 'delete' ? 'red' : 'green';
}

/** A policy without the lines that each has. */
function afterHead(yaml: string): string {
  return yaml.slice(yaml.indexOf('metadata:'));
}

function inAYear(): string {
  return `${new Date().getUTCFullYear() + 1}-12-31T00:00:00Z`;
}
