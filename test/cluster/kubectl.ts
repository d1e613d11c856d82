import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const defaultTimeoutMilliseconds = 60_000;

/** Where kubectl is, and what it must keep to. */
export interface KubectlSetting {
  readonly program: string;
  /** Holds its cache, and stands in for the user's home, whose settings must not count. */
  readonly home: string;
  /** Path of the kubeconfig that it uses unless told otherwise. */
  readonly kubeconfig: string;
}

/** Options of one call of kubectl. */
export interface KubectlOptions {
  /** Standard input; empty by default. */
  readonly input?: string;
  /** Path of a kubeconfig; the administrator's by default. */
  readonly kubeconfig?: string;
  /** Milliseconds until it is killed; default 60,000. */
  readonly timeout?: number;
}

/** What one call of kubectl came to. */
export interface KubectlResult {
  /** Exit status; 124, as timeout(1) has it, when it was killed at its deadline. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs kubectl away from the user's own settings. A non-zero status is a result, not an error. */
export async function runKubectl(
  setting: KubectlSetting,
  args: readonly string[],
  options: KubectlOptions = {},
): Promise<KubectlResult> {
  const child = spawn(setting.program, args, {
    env: {
      PATH: process.env.PATH,
      HOME: setting.home,
      KUBECONFIG: options.kubeconfig ?? setting.kubeconfig,
      KUBECACHEDIR: join(setting.home, 'kubectl-cache'),
    },
    timeout: options.timeout ?? defaultTimeoutMilliseconds,
    killSignal: 'SIGKILL',
  });
  // kubectl may end before it has read all of its input (EPIPE); its status says whether that matters.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: child.exitCode ?? 124, stdout, stderr };
}
