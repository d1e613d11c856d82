import type { Command } from 'commander';
import type { CheckpointQuery } from '../../kube/checkpoints.ts';
import { optional } from '../options.ts';
import { nonEmpty } from '../values.ts';

/** `-l` and `--field-selector`, which the API judges. */
export function selectorOptions(command: Command): () => Omit<CheckpointQuery, 'namespace'> {
  const labels = optional(
    command,
    '-l, --selector <selector>',
    'by label: checkpoint.criu.org/pinned=true',
    nonEmpty,
  );
  const fields = optional(
    command,
    '--field-selector <selector>',
    'by field: spec.podName=, spec.containerName=, spec.nodeName=, metadata.name=',
    nonEmpty,
  );
  return () => ({ labelSelector: labels(), fieldSelector: fields() });
}
