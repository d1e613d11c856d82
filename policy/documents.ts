import { Composer, type Document, LineCounter, type ParsedNode, Parser, type YAMLParseError } from 'yaml';
import { finding } from './findings.ts';
import { isObject, type JsonObject, own } from './json.ts';
import { SCHEDULE_KIND } from './schedule/schema.ts';
import { API_VERSION, GROUP, KIND } from './schema.ts';
import { nearest } from './structure.ts';
import type { Finding } from './types.ts';
import { readTree, TreeFault } from './yaml-tree.ts';

const KINDS = [KIND, SCHEDULE_KIND];

export interface PolicyDocument {
  readonly value: unknown;
  /** Where it begins, from 1. */
  readonly line: number;
}

export interface DocumentFinding {
  readonly finding: Finding;
  readonly line?: number;
}

export interface Documents {
  readonly documents: readonly PolicyDocument[];
  /** Documents of schedules, which act in a cluster only. */
  readonly schedules: readonly PolicyDocument[];
  readonly findings: readonly DocumentFinding[];
  /** How many resources of other kinds were passed over. */
  readonly others: number;
}

export interface DocumentsOptions {
  /** Other kinds are passed over, as in a folder that holds ConfigMaps beside policies; default false: an error. */
  readonly skipOtherKinds?: boolean;
}

/** Bytes of a file. The API server takes no resource beyond 3 MiB, and a ConfigMap holds 1 MiB. */
export const MOST_BYTES = 4 * 1024 * 1024;
/** A List within a List, as `kubectl` writes them, once or twice. */
const DEEPEST_LIST = 4;

/**
 * The policy documents of a YAML or JSON text, a `List` taken apart. What cannot be read without doubt becomes a
 * finding and no document. Numbers beyond 2^53 lose
 * precision, as in JSON, and no field takes them. Never throws.
 * @param text as read from the file: bytes must be UTF-8
 * @param file its name, for messages
 */
export function readDocuments(
  text: string | Uint8Array,
  file: string,
  options: DocumentsOptions = {},
): Documents {
  const source = decode(text);
  if (typeof source !== 'string')
    return { documents: [], schedules: [], findings: [{ finding: source }], others: 0 };
  const lines = new LineCounter();
  const reader = new DocumentReader(lines, options.skipOtherKinds ?? false, file.endsWith('.json'));
  const parser = new Parser(lines.addNewLine);
  // One document at a time, so that their trees are not all in memory at once.
  const composer = new Composer({
    schema: 'failsafe',
    prettyErrors: false,
    // Found while the tree is read; the library compares each key with each.
    uniqueKeys: false,
    lineCounter: lines,
  });
  for (const document of composer.compose(parser.parse(source))) reader.read(document);
  return reader;
}

function decode(text: string | Uint8Array): string | Finding {
  const bytes = typeof text === 'string' ? text.length : text.byteLength;
  if (bytes > MOST_BYTES) {
    const message = `has more than ${MOST_BYTES / 1024 / 1024} MiB, larger than any set of policies`;
    return finding('badYaml', '', undefined, message, 'split it into several files');
  }
  const remedy = 'save it as UTF-8 text';
  let source: string;
  try {
    source = typeof text === 'string' ? text : new TextDecoder('utf-8', { fatal: true }).decode(text);
  } catch {
    return finding('badYaml', '', undefined, 'is not UTF-8 text', remedy);
  }
  if (!source.isWellFormed()) return finding('badYaml', '', undefined, 'is not UTF-8 text', remedy);
  const nul = source.indexOf('\0');
  if (nul === -1) return source;
  const line = source.slice(0, nul).split('\n').length;
  return finding('badYaml', '', undefined, `line ${line}: holds a NUL, so it is no text`, remedy);
}

class DocumentReader implements Documents {
  readonly documents: PolicyDocument[] = [];
  readonly schedules: PolicyDocument[] = [];
  readonly findings: DocumentFinding[] = [];
  others = 0;
  readonly #lines: LineCounter;
  readonly #skipOtherKinds: boolean;
  readonly #format: 'JSON' | 'YAML';

  constructor(lines: LineCounter, skipOtherKinds: boolean, isJson: boolean) {
    this.#lines = lines;
    this.#skipOtherKinds = skipOtherKinds;
    this.#format = isJson ? 'JSON' : 'YAML';
  }

  read(document: Document.Parsed): void {
    const [error] = document.errors;
    if (error !== undefined) {
      this.#syntax(error);
      return;
    }
    const root: ParsedNode | null = document.contents;
    if (root === null) return;
    try {
      const { value, duplicates } = readTree(root);
      const { line } = this.#lines.linePos(root.range[0]);
      for (const { path, firstOffset, offset } of duplicates) {
        const first = this.#lines.linePos(firstOffset).line;
        const here = this.#lines.linePos(offset).line;
        const message = `stands twice in one mapping, on lines ${first} and ${here}; only one would count`;
        this.#tell(here, finding('duplicateKey', path, undefined, message, 'keep one of them'));
      }
      if (duplicates.length === 0) this.#take(value, line, 0);
    } catch (error) {
      if (!(error instanceof TreeFault)) throw error;
      this.#bad(error.offset, error.message, error.remedy);
    }
  }

  #syntax(error: YAMLParseError): void {
    const [message = ''] = error.message.split('\n');
    const text = error.code === 'RESOURCE_EXHAUSTION' ? 'is nested too deeply' : lowerFirst(message);
    this.#bad(error.pos[0], text, REMEDIES[error.code] ?? `mend the ${this.#format} there`);
  }

  #bad(offset: number, message: string, remedy: string): void {
    const { line, col } = this.#lines.linePos(offset);
    this.#tell(line, finding('badYaml', '', undefined, `line ${line}, column ${col}: ${message}`, remedy));
  }

  #tell(line: number, found: Finding): void {
    this.findings.push({ finding: found, line });
  }

  #take(value: unknown, line: number, depth: number): void {
    if (value === null) return;
    if (isObject(value) && isList(value) && depth < DEEPEST_LIST) {
      const items = own(value, 'items');
      if (Array.isArray(items)) for (const item of items) this.#take(item, line, depth + 1);
      return;
    }
    const ours = isObject(value) && own(value, 'apiVersion') === API_VERSION ? own(value, 'kind') : undefined;
    if (ours === KIND) {
      this.documents.push({ value, line });
    } else if (ours === SCHEDULE_KIND) {
      this.schedules.push({ value, line });
    } else if (this.#skipOtherKinds && isOtherKind(value)) {
      this.others += 1;
    } else {
      this.#tell(line, wrongKind(value));
    }
  }
}

const REMEDIES: Readonly<Record<string, string | undefined>> = {
  TAB_AS_INDENT: 'indent with spaces',
  BAD_INDENT: 'give all entries of one mapping the same indentation, in spaces',
  BLOCK_AS_IMPLICIT_KEY: 'put the value on a line of its own, or in quotes',
  BAD_SCALAR_START: 'put the value in quotes',
  UNEXPECTED_TOKEN: 'check indentation and quotes, and separate documents by a line with ---',
  MISSING_CHAR: 'close it',
  RESOURCE_EXHAUSTION: 'no field is that deep',
};

function lowerFirst(text: string): string {
  return `${text.slice(0, 1).toLowerCase()}${text.slice(1)}`;
}

/** `List`, and `CheckpointRestoreOperatorList` as the API server answers. */
function isList(document: JsonObject): boolean {
  const kind = own(document, 'kind');
  return (
    (kind === 'List' && own(document, 'apiVersion') === 'v1') ||
    (KINDS.some((each) => kind === `${each}List`) && own(document, 'apiVersion') === API_VERSION)
  );
}

/** A resource of Kubernetes that is plainly another one, not this one misspelt. */
function isOtherKind(value: unknown): boolean {
  if (!isObject(value)) return false;
  const [apiVersion, kind] = [own(value, 'apiVersion'), own(value, 'kind')];
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || apiVersion === '' || kind === '') {
    return false;
  }
  return nearest(kind, KINDS) === undefined;
}

function wrongKind(value: unknown): Finding {
  const remedy = `write apiVersion: ${API_VERSION} and kind: ${KIND}`;
  if (!isObject(value)) return finding('wrongKind', '', value, 'is not a resource', remedy);
  const [apiVersion, kind] = [own(value, 'apiVersion'), own(value, 'kind')];
  if (kind !== KIND) {
    const near = typeof kind === 'string' ? nearest(kind, KINDS) : undefined;
    if (near === SCHEDULE_KIND && kind === SCHEDULE_KIND) return wrongVersion(apiVersion, remedy);
    return finding(
      'wrongKind',
      'kind',
      kind,
      `must be ${near ?? KIND}`,
      near ? `did you mean ${near}?` : remedy,
    );
  }
  return wrongVersion(apiVersion, remedy);
}

function wrongVersion(apiVersion: unknown, remedy: string): Finding {
  const ours = typeof apiVersion === 'string' && apiVersion.startsWith(`${GROUP}/`);
  return finding(
    'wrongKind',
    'apiVersion',
    apiVersion,
    `must be ${API_VERSION}`,
    ours ? `write apiVersion: ${API_VERSION}, the only version there is` : remedy,
  );
}
