import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { Terms } from '../certs/authority/decide.ts';
import type { CertificateSource } from '../certs/source.ts';
import type { Logger } from '../observe/log.ts';
import { isLabel } from '../policy/fields.ts';
import { UsageError } from './errors.ts';
import { optional } from './options.ts';
import type { Origin } from './origin.ts';
import { duration, names, path } from './values.ts';

/** The source of certificates that a call has chosen. */
export interface ChosenCertificates {
  /** It is the cluster's own authority, which the doors' certificates are of, too. */
  readonly isClusters: boolean;
  /** Rejects with a UsageError where it needs a cluster and there is none. */
  open(client: Origin['client'], log: Logger): Promise<CertificateSource>;
}

/** `--certificate-directory`, `--authority-namespace`, or `--self-signed`. @returns the one that was given. */
export function certificateOptions(command: Command): () => ChosenCertificates {
  const directory = optional(
    command,
    '--certificate-directory <dir>',
    'a folder with tls.crt, tls.key and ca.crt; changes are taken up',
    path,
  );
  const namespace = optional(
    command,
    '--authority-namespace <namespace>',
    'keep an authority in Secrets of this namespace, issue and renew by it, and tell the API server whom to trust',
    namespaceName,
  );
  const terms = termOptions(command);
  const selfSigned = optional(
    command,
    '--self-signed <names>',
    'make a certificate for these names, separated by commas, and renew it',
    names,
  );
  const writeCa = optional(
    command,
    '--write-ca <file>',
    'where to write the authority of --self-signed',
    path,
  );
  return () => {
    const [files, authority, own, ca] = [directory(), namespace(), selfSigned(), writeCa()];
    const chosen = [files, authority, own ?? ca].filter((each) => each !== undefined);
    if (chosen.length === 1) {
      if (files !== undefined) return inFiles(files);
      if (authority !== undefined) return inCluster(authority, terms());
      if (own !== undefined && ca !== undefined) return inMemory(own, ca);
    }
    throw new UsageError(
      `${command.name()} needs one of --certificate-directory DIR, --authority-namespace NAMESPACE, or --self-signed NAMES with --write-ca FILE`,
    );
  };
}

/** For how long what the authority issues is good. */
function termOptions(command: Command): () => Partial<Terms> {
  const options = {
    authorityLife: optional(
      command,
      '--authority-life <duration>',
      'how long the authority of --authority-namespace is good for (default 365d)',
      duration,
    ),
    leafLife: optional(
      command,
      '--certificate-life <duration>',
      'how long what it issues is good for (default 30d); renewed at two thirds',
      duration,
    ),
    propagation: optional(
      command,
      '--authority-propagation <duration>',
      'from the sight of a new authority in every caBundle to its first certificate (default 10m)',
      duration,
    ),
  };
  return () =>
    Object.fromEntries(
      Object.entries(options).flatMap(([name, read]) => {
        const given = read();
        return given === undefined ? [] : [[name, given]];
      }),
    );
}

function inFiles(directory: string): ChosenCertificates {
  return {
    isClusters: false,
    async open(_client, log) {
      const { fileCertificates } = await import('../certs/files.ts');
      return fileCertificates({ directory, log });
    },
  };
}

function inMemory(hosts: readonly string[], writeCa: string): ChosenCertificates {
  return {
    isClusters: false,
    async open(_client, log) {
      const { selfSignedCertificates } = await import('../certs/self-signed.ts');
      return selfSignedCertificates({ names: hosts, writeCa, log });
    },
  };
}

function inCluster(namespace: string, terms: Partial<Terms>): ChosenCertificates {
  return {
    isClusters: true,
    async open(client, log) {
      if (client === null) {
        throw new UsageError(
          'webhook --authority-namespace keeps its Secrets in a cluster: give --kubeconfig FILE in the place of --policies',
        );
      }
      const { ownAuthority } = await import('../certs/own-authority.ts');
      return ownAuthority({ client, namespace, log, terms });
    },
  };
}

export function namespaceName(text: string): string {
  if (isLabel(text)) return text;
  throw new InvalidArgumentError('Write the name of a namespace, for example checkpoint-warden.');
}
