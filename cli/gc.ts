import { hostname } from 'node:os';
import type { Command } from 'commander';
import {
  type CollectorOptions,
  collectOnce,
  type RunningCollector,
  type Summary,
  startCollector,
} from '../gc/main.ts';
import { keepHeapSmall } from '../gc/system/memory.ts';
import { nodeFiles } from '../gc/system/node-files.ts';
import { directoryNames } from '../gc/system/same-directory.ts';
import type { CheckpointNodeWriter } from '../kube/checkpoint-nodes.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventOutcome, EventRecorder } from '../kube/events.ts';
import type { PodLookup } from '../kube/types.ts';
import { serveMetrics } from '../observe/listener.ts';
import { createLog, type Logger } from '../observe/log.ts';
import { type CollectorMetrics, createMetrics } from '../observe/metrics.ts';
import { counted, formatCount } from '../policy/count.ts';
import { formatBytes } from '../policy/quantity.ts';
import { auditOptions } from './audit.ts';
import type { Context, Output } from './context.ts';
import { doorOptions, type PreparedDoor } from './door.ts';
import { EXIT, InputError } from './errors.ts';
import { eventTimes } from './event-times.ts';
import { explainCommand } from './help.ts';
import { directoryOption, flag, logLevelOption, optional, patternOption, repeated } from './options.ts';
import { originOptions } from './origin.ts';
import { type ProgressLine, progressLine } from './progress.ts';
import type { PreparedSchedules } from './schedules.ts';
import { printable } from './text.ts';
import { address, duration, nonEmpty, path } from './values.ts';

const EXPLANATION = `
Runs until SIGTERM, one process a node: scans and watches the directory, plans, and deletes what the policies no
longer keep, with a log line and an audit record for each. Without a policy it deletes nothing. Policies come from
files, which are read again when they change, or from the API server. Only the API server can prove that a pod is
gone, so without one nothing is an orphan. A directory that is missing is waited for.

A policy that would delete a large part of the archives at once waits until somebody confirms it: the log has the
digest for --confirm, or for the annotation checkpoint.criu.org/confirm on the resource.

With --door it serves POST /checkpoint/NAMESPACE/POD/CONTAINER as the kubelet does, and lets through what fits.
Callers come with a token or a client certificate and need create on pods/checkpoint in checkpoint.criu.org. It
needs a cluster, a state directory, a certificate of its own, and a token with create on nodes/checkpoint.

SIGTERM and SIGINT end it within five seconds, status 0. Logs are JSON lines on stderr.

--once prints a summary, with what kept it from its work as lines with ✗. Exit codes of --once: 0 all was done, or
no policy acts, which is said; 1 it did not do its job: the directory cannot be read, a deletion failed, a policy has
errors or waits for confirmation, a pod could not be looked up, an audit record is lost, or it was stopped; 2 wrong
call, and a directory that is not there.`;

export function define(command: Command): (context: Context) => Promise<number> {
  const directory = directoryOption(command);
  const open = originOptions(command, () => ({ startWithinMs: startWithin() ?? 0 }));
  const once = flag(command, '--once', 'look, plan and act once, print a summary and end');
  const dryRun = flag(command, '--dry-run', 'tell what would be deleted, and delete nothing');
  const node = optional(
    command,
    '--node <name>',
    "this node's name in the API and in audit records (default: the host's); with it the collector says what it sees in the CheckpointNode of that name",
    nonEmpty,
  );
  const state = optional(
    command,
    '--state-directory <dir>',
    'where grace periods and confirmations outlive a restart, and where a lock keeps a second collector away',
    path,
  );
  const audit = auditOptions(command);
  const metrics = optional(command, '--metrics <address:port>', 'where to serve /metrics over HTTP', address);
  const rescan = optional(
    command,
    '--rescan <duration>',
    'time between scans, as 60s (the default)',
    duration,
  );
  const startWithin = optional(
    command,
    '--start-within <duration>',
    'ask the API server for policies and schedules within this time, at random, so that nodes that start together do not ask together (default: at once)',
    duration,
  );
  const door = doorOptions(command);
  const confirm = repeated(
    command,
    '--confirm <digest>',
    'let the plan of this digest through; repeatable',
    nonEmpty,
  );
  const patterns = patternOption(command);
  const level = logLevelOption(command);
  explainCommand(command, EXPLANATION, [
    [
      'checkpoint-warden gc --directory /var/lib/kubelet/checkpoints --policies /etc/warden --once --dry-run',
      'tells what a run would delete',
    ],
    [
      'checkpoint-warden gc --directory /var/lib/kubelet/checkpoints --state-directory /var/lib/warden --audit /var/log/warden/audit.jsonl',
      'runs in a pod of a DaemonSet, with the policies of its cluster',
    ],
    [
      'checkpoint-warden gc --directory /var/lib/kubelet/checkpoints --state-directory state --node worker-1 --door :10350 --certificate-directory tls',
      'runs there with its door open: checkpoints are asked for at port 10350',
    ],
    [
      "checkpoint-warden gc --directory /srv/exports --pattern '*.tar.zst' --policies /etc/warden",
      "keeps podman's exports within policy, without a cluster",
    ],
  ]);
  return async (context) => {
    const signal = context.untilStopped();
    const nodeName = node() ?? hostname();
    const prepareDoor = door({
      once: once(),
      dryRun: dryRun(),
      node: node(),
      stateDirectory: state(),
    });
    const progress = progressLine(context.err, Date.now);
    const log = createLog({
      level: level(),
      fields: { node: nodeName },
      ...(context.err.isTerminal && { destination: above(progress, context.err) }),
    });
    const where = directory();
    // A collector waits for a directory; a single run has nothing to wait for.
    if (once() && nodeFiles.stat(where) === null) throw new InputError(`${where} does not exist`);
    const audited = audit({ isDry: dryRun(), log, out: context.out });
    const { source, client } = await open(log, directoryNames(where, nodeFiles));
    const prepared = (await prepareDoor?.(client, log)) ?? null;
    const schedules = await schedulesOf(client, node(), prepared, log, startWithin());
    const measured = createMetrics();
    const collector: CollectorOptions = {
      directory: where,
      patterns: patterns(),
      source,
      pods: await podsOf(client),
      lenientDirectory: client === null,
      dryRun: dryRun(),
      nodeName,
      log,
      metrics: measured,
      confirm: confirm(),
      progress,
      onFilling: keepHeapSmall,
      ...given('stateDirectory', state()),
      ...given('audit', audited),
      ...given('rescanMs', rescan()),
      ...given('door', prepared?.part),
      ...given('schedules', schedules?.part),
      ...given('nodeObject', await nodeObjectOf(client, node())),
    };
    const events = once() ? null : await eventsOf(client, node(), measured, log);
    const scraped = metrics();
    let isReady = false;
    const listener = scraped && (await serveMetrics(measured.registry, scraped, () => isReady));
    try {
      if (once()) return await runOnce(collector, signal, context);
      const running = await startCollector({ ...collector, ...(events && { events }) }, signal);
      isReady = true;
      return await runUntilStopped(running, signal);
    } finally {
      await events?.stop();
      await listener?.close();
      await schedules?.stop();
      await prepared?.stop();
      client?.close();
    }
  };
}

/** Log lines on a terminal, where a line of progress may stand: it gives way, and comes again. */
function above(progress: ProgressLine, output: Output): { write(line: string): void } {
  return {
    write(line) {
      progress.end();
      output.write(line);
    },
  };
}

function given<K extends keyof CollectorOptions>(
  key: K,
  value: CollectorOptions[K] | undefined,
): Partial<CollectorOptions> {
  return value === undefined ? {} : { [key]: value };
}

/** Who is asked whether a pod is there; nobody without a cluster. */
async function podsOf(client: KubeClient | null): Promise<PodLookup | null> {
  if (client === null) return null;
  const { podLookup } = await import('../kube/pods.ts');
  return podLookup(client);
}

/** Schedules are run through the node's door, so where there is none they are not. */
async function schedulesOf(
  client: KubeClient | null,
  node: string | undefined,
  door: PreparedDoor | null,
  log: Logger,
  startWithinMs: number | undefined,
): Promise<PreparedSchedules | null> {
  if (client === null || node === undefined || door === null) return null;
  const { prepareSchedules } = await import('./schedules.ts');
  return prepareSchedules(client, node, door.kubelet, log, startWithinMs);
}

/** Only of a node whose name was given: the host's may be another's in the cluster. */
async function nodeObjectOf(
  client: KubeClient | null,
  node: string | undefined,
): Promise<CheckpointNodeWriter | undefined> {
  if (client === null || node === undefined) return undefined;
  const { checkpointNodeWriter } = await import('../kube/checkpoint-nodes.ts');
  return checkpointNodeWriter(client, node);
}

/** Events, where the node has a name in the cluster. */
async function eventsOf(
  client: KubeClient | null,
  node: string | undefined,
  { events }: CollectorMetrics,
  log: Logger,
): Promise<EventRecorder | null> {
  if (client === null || node === undefined) return null;
  const { EventRecorder } = await import('../kube/events.ts');
  const named = { controller: 'checkpoint-warden/collector', instance: node };
  const onOutcome = (outcome: EventOutcome) => events.inc({ outcome });
  return new EventRecorder({ client, ...named, ...eventTimes, onOutcome, log });
}

async function runUntilStopped(collector: RunningCollector, signal: AbortSignal): Promise<number> {
  const stopped = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => stopped.resolve(), { once: true });
  if (signal.aborted) stopped.resolve();
  try {
    await Promise.race([stopped.promise, collector.ended]);
  } finally {
    await collector.stop();
  }
  return EXIT.done;
}

async function runOnce(options: CollectorOptions, signal: AbortSignal, { out }: Context): Promise<number> {
  const summary = await collectOnce(options, signal);
  out.write(renderSummary(summary, options));
  return summary.problems.length > 0 ? EXIT.refused : EXIT.done;
}

function renderSummary(summary: Summary, { directory, dryRun }: CollectorOptions): string {
  const { archives, bytes, deleted, freedBytes, wouldDelete, spared, overBudget, growing, problems, notes } =
    summary;
  const parts = [
    dryRun
      ? `would delete ${formatCount(wouldDelete)}`
      : `deleted ${formatCount(deleted)}, which took ${formatBytes(freedBytes)} of the disk`,
    spared > 0 && `${spared} were left after a last look`,
    overBudget > 0 && `${overBudget} wait for the next run (spec.deletionBudget)`,
    growing > 0 && `${growing} are still being written`,
  ].filter((part) => part !== false);
  const left = `; there are ${counted(archives, 'archive')}, ${formatBytes(bytes)} in ${directory}`;
  const lines = [
    `${parts.join('; ')}${summary.isKnown ? left : ''}`,
    ...problems.map((problem) => `✗ ${problem}`),
    ...notes.map((note) => `! ${note}`),
  ];
  return lines.map((line) => `${printable(line)}\n`).join('');
}
