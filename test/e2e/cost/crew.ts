import { prepareSchedules } from '../../../cli/schedules.ts';
import { startCollector } from '../../../gc/main.ts';
import { checkpointNodeWriter } from '../../../kube/checkpoint-nodes.ts';
import { createClient } from '../../../kube/client.ts';
import { podLookup } from '../../../kube/pods.ts';
import type { Log } from '../../../kube/types.ts';
import { clusterPolicySource } from '../../../source/cluster.ts';

/** One node's collector, as the crew's program is told of it. */
export interface Member {
  readonly node: string;
  readonly kubeconfig: string;
  readonly directory: string;
  readonly state: string;
}

/** What the program is given in CREW. */
export interface CrewTask {
  readonly members: readonly Member[];
  readonly startWithinMs: number;
}

/** What the program says of a member. */
export type CrewWord =
  | { readonly node: string; readonly is: 'ready' | 'told'; readonly at: number; readonly policies: number }
  | { readonly node: string; readonly is: 'warned'; readonly message: string };

/**
 * Many nodes' collectors in one process, each with a client, connections, a watch and a state of its own: two hundred
 * processes would take 14 GB.
 */
async function run({ members, startWithinMs }: CrewTask): Promise<void> {
  await Promise.all(members.map((member) => start(member, startWithinMs)));
}

async function start({ node, kubeconfig, directory, state }: Member, startWithinMs: number): Promise<void> {
  const tell = (message: string) => say({ node, is: 'warned', message });
  const log: Log = {
    info: () => {},
    warn: (_, message) => tell(message),
    error: (_, message) => tell(message),
  };
  const client = await createClient({ kubeconfig, log });
  const source = clusterPolicySource({ client, log, timing: { startWithinMs } });
  const told = (is: 'ready' | 'told') =>
    say({ node, is, at: Date.now(), policies: source.resources().length });
  source.onChange(() => told('told'));
  // As in a DaemonSet with a door, but for running them: nobody has made one.
  await prepareSchedules(
    client,
    node,
    { url: 'https://127.0.0.1:9', files: { ca: '', token: '' } },
    log,
    startWithinMs,
  );
  await startCollector({
    ...{ directory, source, log, nodeName: node, stateDirectory: state, lockDirectory: null, dryRun: false },
    // Each has a directory of its own, on one machine.
    lenientDirectory: true,
    pods: podLookup(client),
    nodeObject: checkpointNodeWriter(client, node),
  });
  told('ready');
}

function say(word: CrewWord): void {
  process.send?.(word);
}

process.on('disconnect', () => process.exit());
process.once('message', (task: CrewTask) => void run(task));
