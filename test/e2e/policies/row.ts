/** One policy of the table, and what must come of it: at `kubectl apply` and offline alike. */
export interface PolicyRow {
  readonly name: string;
  /** What is applied, YAML. */
  readonly document: string;
  /** What is there before, YAML; each is accepted. */
  readonly before?: readonly string[];
  /** The version that `document` replaces; offline there is none. */
  readonly former?: string;
  /** `CODE FIELD` of every error, in their order; none: it is accepted. */
  readonly errors: readonly string[];
  /** `CODE FIELD` of every warning, in their order. */
  readonly warnings: readonly string[];
  /** What the author must read among the findings. */
  readonly says?: string;
  /** Set where the API server changes the document before any webhook sees it: then it is accepted. */
  readonly atApply?: 'accepted';
}

/** A resource with this spec; `key` is `team-a/quotas`. */
export function resource(spec: string, key = 'team-a/quotas'): string {
  const [namespace, name] = key.split('/');
  return [
    'apiVersion: criu.org/v1',
    'kind: CheckpointRestoreOperator',
    `metadata: {namespace: ${namespace}, name: ${name}}`,
    'spec:',
    ...spec
      .replace(/^\n|\n *$/g, '')
      .split('\n')
      .map((line) => `  ${line}`),
    '',
  ].join('\n');
}

interface Told {
  readonly errors?: readonly string[];
  readonly warnings?: readonly string[];
  readonly says?: string;
  readonly before?: readonly string[];
  readonly former?: string;
  readonly atApply?: 'accepted';
}

/** A row whose document has this spec. */
export function row(
  name: string,
  spec: string,
  { errors = [], warnings = [], ...rest }: Told = {},
): PolicyRow {
  return { name, document: resource(spec), errors, warnings, ...rest };
}
