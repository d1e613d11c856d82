import type { Command } from 'commander';
import { leafSecrets, WEBHOOK_SECRET } from '../certs/authority/names.ts';
import { readView } from '../certs/authority/view.ts';
import { secretsOf } from '../kube/secrets.ts';
import { namespaceName } from './certificates.ts';
import { dial } from './certs/dial.ts';
import { judge } from './certs/judge.ts';
import { renderReport, reportJson } from './certs/render.ts';
import type { Context } from './context.ts';
import { EXIT, InputError, UsageError } from './errors.ts';
import { explainCommand } from './help.ts';
import { choice, optional } from './options.ts';
import { address, path } from './values.ts';

const NAMESPACE = 'checkpoint-warden';

const EXPLANATION = `
Tells which certificates there are, by which authority and for how long still, what is renewed next and when, whom each
configuration of the API server trusts, and who keeps all that: the webhook's own authority, cert-manager, or files.
With --address it also dials that webhook and tells what it really shows. What does not fit together is told with its
remedy. Keys are not printed, nothing is changed. It takes the right to get the Secrets ${WEBHOOK_SECRET},
door-certificate and checkpoint-warden-authority, and the configurations.

Exit codes: 0 all is well, 1 something is wrong, 2 wrong call.`;

export function define(command: Command): (context: Context) => Promise<number> {
  command.argument('[question]', 'status');
  command.usage('status [options]');
  const kubeconfig = optional(
    command,
    '--kubeconfig <file>',
    'the cluster; without it $KUBECONFIG, then the one that this runs in',
    path,
  );
  const namespace = optional(
    command,
    '--namespace <namespace>',
    `the webhook's namespace (default ${NAMESPACE})`,
    namespaceName,
  );
  const served = optional(
    command,
    '--address <host:port>',
    'a webhook to dial, for example through kubectl port-forward',
    address,
  );
  const format = choice(command, '-o, --output <format>', 'form of the answer', ['table', 'json']);
  explainCommand(command, EXPLANATION, [
    ['checkpoint-warden certs status --kubeconfig ~/.kube/config', 'tells whether all is well'],
    [
      'checkpoint-warden certs status --kubeconfig ~/.kube/config --address localhost:9443',
      'tells what a replica really serves, too; kubectl port-forward -n checkpoint-warden service/webhook 9443:443 leads there',
    ],
    [
      'checkpoint-warden certs status -o json | jq -r \'.findings[] | .about + ": " + .remedy\'',
      'lists what is wrong, for programs',
    ],
  ]);
  return async (context) => {
    const [question] = command.args;
    if (question !== 'status') {
      throw new UsageError(`certs ${question ?? 'alone'} is no call; write certs status`);
    }
    const [where, at] = [namespace() ?? NAMESPACE, served()];
    const client = await open(kubeconfig());
    try {
      const [name = ''] = leafSecrets(where)[0]?.names ?? [];
      const [view, dialled] = await Promise.all([
        readView(client, secretsOf(client, where)),
        at === undefined ? null : dial(at, name),
      ]);
      const report = judge({ namespace: where, now: context.now(), view, dialled });
      const text =
        format() === 'json'
          ? `${JSON.stringify(reportJson(report), null, 2)}\n`
          : renderReport(report, context.out);
      context.out.write(text);
      return report.findings.length === 0 ? EXIT.done : EXIT.refused;
    } finally {
      client.close();
    }
  };
}

async function open(kubeconfig: string | undefined) {
  const file = kubeconfig ?? process.env.KUBECONFIG;
  if (file === undefined && process.env.KUBERNETES_SERVICE_HOST === undefined) {
    throw new UsageError('certs needs --kubeconfig FILE where it does not run in a pod');
  }
  const { createClient } = await import('../kube/client.ts');
  return createClient(file === undefined ? {} : { kubeconfig: file }).catch((error: unknown) => {
    throw new InputError(error instanceof Error ? error.message : String(error));
  });
}
