import type { Command } from 'commander';
import { namespaceName } from './certificates.ts';
import { clusterOptions } from './cluster-access.ts';
import type { Context } from './context.ts';
import { checksJson, renderChecks } from './doctor/render.ts';
import { EXIT } from './errors.ts';
import { callOf, explainCommand } from './help.ts';
import { encode } from './kubectl/encode.ts';
import { choice, optional } from './options.ts';

const NAMESPACE = 'checkpoint-warden';
/** `wide` names whom and what a finding counts. */
export const DOCTOR_FORMATS = ['table', 'wide', 'json', 'yaml'] as const;

const EXPLANATION = `
Looks at an installation from outside, and tells of each thing whether it is well, with a remedy where it is not. It
changes nothing: the webhook is tried with a policy in a dry run, the guard of nodes/proxy with a node that there is
not. What the caller has no right to see is "unknown", with the right that it takes.

api-server       its version
resources        criu.org/v1 is served, with all fields
aggregated-api   checkpoint.criu.org/v1alpha1 answers, where it is installed
rbac             the service accounts of collector and webhook hold what they need
who-checkpoints  who else may call the kubelets' checkpoint API, past the door (nodes/checkpoint)
who-proxies      who may use nodes/proxy, by which commands can be run in any container
connect          checkpoints through nodes/proxy are denied
webhook          the API server reaches it, and it refuses what is unsound
certificate      as certs status judges it
runtime          containerd 2.0 or CRI-O 1.25, on every node
kubelet          the feature gate ContainerCheckpoint is open, on the first 50 nodes
collector        has looked at each node's archives lately
disk             has room, on every node

Exit codes: 0 nothing fails, 1 something does, 2 wrong call.`;

export function define(command: Command): (context: Context) => Promise<number> {
  const open = clusterOptions(command);
  const namespace = optional(
    command,
    '-n, --namespace <namespace>',
    `where checkpoint-warden is installed (default ${NAMESPACE})`,
    namespaceName,
  );
  const format = choice(command, '-o, --output <format>', 'form of the answer', DOCTOR_FORMATS);
  const call = callOf(command);
  explainCommand(command, EXPLANATION, [
    [call, 'examines the cluster of the current context'],
    [`${call} --kubeconfig ~/.kube/config --context prod`, 'examines another one'],
    [
      `${call} -o json | jq -r '.checks[] | select(.verdict != "ok") | .name + ": " + .remedy'`,
      'lists what is to be done',
    ],
    [`${call} -o wide`, 'also names everybody and everything that is counted'],
  ]);
  return async (context) => {
    const where = namespace() ?? NAMESPACE;
    const { client } = await open();
    const { examine } = await import('./doctor/examine.ts');
    try {
      const now = context.now();
      const checks = await examine({ client, namespace: where, now });
      const chosen = format();
      const isEncoded = chosen === 'json' || chosen === 'yaml';
      context.out.write(
        isEncoded
          ? encode(checksJson(checks, now), chosen)
          : renderChecks(checks, context.out, chosen === 'wide'),
      );
      return checks.some(({ verdict }) => verdict === 'fail') ? EXIT.refused : EXIT.done;
    } finally {
      client.close();
    }
  };
}
