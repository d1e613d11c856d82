/** Calls that open, or change what a name stands for. */
export const TRACED = [
  ...['open', 'openat', 'openat2', 'creat', 'truncate', 'mkdir', 'mkdirat', 'rmdir', 'mknod', 'mknodat'],
  ...['unlink', 'unlinkat', 'rename', 'renameat', 'renameat2', 'link', 'linkat', 'symlink', 'symlinkat'],
  ...['chmod', 'fchmodat', 'chown', 'lchown', 'fchownat', 'utimensat', 'setxattr', 'removexattr'],
];

export interface Call {
  readonly name: string;
  /** As they were given, but for those by way of a descriptor. */
  readonly paths: readonly string[];
  /** Whether it changes something, or opens something to change it. */
  readonly changes: boolean;
}

const CALL = /^(\d+) +(\w+)\((.*)$/;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>.*= (\d+)/;
const PATH = /"((?:[^"\\]|\\.)*)"/g;
const FOR_WRITING = /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND/;

/** The calls in the output of `strace -f -o`, those that failed included. */
export function callsIn(trace: string): Call[] {
  const descriptors = new Map<string, string>();
  const pending = new Map<string, string>();
  const calls: Call[] = [];
  for (const line of trace.split('\n')) {
    const [, thread = '', , descriptor] = RESUMED.exec(line) ?? [];
    if (descriptor !== undefined) descriptors.set(descriptor, pending.get(thread) ?? '');
    const [, caller = '', name = '', rest = ''] = CALL.exec(line) ?? [];
    if (name === '') continue;
    const paths = Array.from(rest.matchAll(PATH), ([, path = '']) => resolved(path, descriptors));
    const opens = name.startsWith('open');
    calls.push({ name, paths, changes: !opens || FOR_WRITING.test(rest) });
    if (!opens) continue;
    const opened = / = (\d+)$/.exec(rest)?.[1];
    if (opened !== undefined) descriptors.set(opened, paths[0] ?? '');
    else pending.set(caller, paths[0] ?? '');
  }
  return calls;
}

function resolved(path: string, descriptors: ReadonlyMap<string, string>): string {
  const [anchor = '', descriptor = ''] = /^\/proc\/self\/fd\/(\d+)/.exec(path) ?? [];
  return anchor === '' ? path : (descriptors.get(descriptor) ?? anchor) + path.slice(anchor.length);
}
