import { spawn } from 'node:child_process';
import { fieldsOf, isObject, type JsonObject, own, text } from '../policy/json.ts';
import type { Instant } from '../policy/types.ts';

/** What a kubeconfig's `exec` names: a program that gives credentials. */
export interface ExecProgram {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** `client.authentication.k8s.io/v1`, or another version of that group. */
  readonly apiVersion: string;
}

/** What such a program gives; PEM. */
export interface ExecCredential {
  readonly token?: string;
  readonly certificate?: string;
  readonly key?: string;
  /** From then on it has to be asked again; absent: never. */
  readonly expiresAt?: Instant;
}

const GROUP = 'client.authentication.k8s.io/';
/** Characters: a token and two PEM files are some thousand. */
const MOST_OUTPUT = 1024 * 1024;
/** Of what the program complains about. */
const MOST_SHOWN = 300;

/**
 * The program that an `exec` of a kubeconfig describes, for
 * https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
 * @param locate makes a path absolute that is meant beside the kubeconfig
 * @throws a sentence that names the field
 */
export function readExec(exec: JsonObject, locate: (path: string) => string): ExecProgram {
  const command = text(own(exec, 'command'));
  const apiVersion = text(own(exec, 'apiVersion'));
  if (command === '') throw new Error('its exec has no command; name the program that gives credentials');
  if (!apiVersion.startsWith(GROUP)) {
    throw new Error(`its exec has the apiVersion ${JSON.stringify(apiVersion)}; write ${GROUP}v1`);
  }
  if (own(exec, 'interactiveMode') === 'Always') {
    throw new Error('its exec says interactiveMode: Always, but nobody can be asked here; use another user');
  }
  const args = own(exec, 'args') ?? [];
  const env = own(exec, 'env') ?? [];
  if (!Array.isArray(args) || !args.every((each) => typeof each === 'string')) {
    throw new Error('its exec has args that are no list of texts');
  }
  if (!Array.isArray(env)) throw new Error('its exec has an env that is no list of {name, value}');
  return {
    // One without a slash is looked for in PATH, as client-go does.
    command: command.includes('/') ? locate(command) : command,
    args,
    env: Object.fromEntries(
      env.map(fieldsOf).map((each) => [text(own(each, 'name')), text(own(each, 'value'))]),
    ),
    apiVersion,
  };
}

/**
 * Runs the program and reads what it gives. Rejects with a sentence; never with what it wrote to its output.
 * @param ms after which it is killed
 */
export async function runExec(program: ExecProgram, ms: number): Promise<ExecCredential> {
  const { command, apiVersion } = program;
  const output = await outputOf(program, ms);
  let given: unknown;
  try {
    given = JSON.parse(output);
  } catch {
    throw new Error(`${command} gave no JSON; it has to print an ExecCredential`);
  }
  const status = isObject(given) ? fieldsOf(own(given, 'status')) : {};
  if (!isObject(given) || own(given, 'kind') !== 'ExecCredential') {
    throw new Error(`${command} gave something that is no ExecCredential`);
  }
  const version = own(given, 'apiVersion');
  if (version !== apiVersion) {
    throw new Error(
      `${command} gave an ExecCredential of ${JSON.stringify(version)}, the kubeconfig says ${apiVersion}; write the same in both`,
    );
  }
  const token = text(own(status, 'token'));
  const certificate = text(own(status, 'clientCertificateData'));
  const key = text(own(status, 'clientKeyData'));
  if (token === '' && (certificate === '' || key === '')) {
    throw new Error(`${command} gave neither a token nor a certificate with its key`);
  }
  const expiresAt = Date.parse(text(own(status, 'expirationTimestamp')));
  return {
    ...(token !== '' && { token }),
    ...(certificate !== '' && key !== '' && { certificate, key }),
    ...(Number.isFinite(expiresAt) && { expiresAt }),
  };
}

async function outputOf({ command, args, env, apiVersion }: ExecProgram, ms: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // What client-go tells such a program.
  const info = JSON.stringify({ apiVersion, kind: 'ExecCredential', spec: { interactive: false } });
  const child = spawn(command, args, {
    env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: info },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = (sentence: string) => {
    child.kill('SIGKILL');
    // What it has started may hold its output open.
    child.stdout.destroy();
    child.stderr.destroy();
    reject(new Error(`${command} ${sentence}`));
  };
  const timer = setTimeout(() => stop(`gave no credentials within ${ms / 1_000} s`), ms);
  let [output, complaint] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    output += data;
    if (output.length > MOST_OUTPUT) stop(`gave more than ${MOST_OUTPUT} characters`);
  });
  child.stderr.setEncoding('utf8').on('data', (data: string) => {
    complaint = (complaint + data).slice(0, MOST_SHOWN);
  });
  child.on('error', (cause) => reject(new Error(`${command} cannot be run: ${cause.message}`, { cause })));
  child.on('close', (code, signal) => {
    if (code === 0) resolve(output);
    const why = complaint.trim() === '' ? '' : `: ${complaint.trim()}`;
    reject(new Error(`${command} failed (${code ?? signal})${why}`));
  });
  return promise.finally(() => clearTimeout(timer));
}
