import { randomBytes } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import type { Logger } from '../observe/log.ts';
import type { Instant } from '../policy/types.ts';
import { shownTime } from './inspect.ts';
import { type Authority, createAuthority, type Issued } from './issue.ts';
import { Listeners } from './listeners.ts';
import type { CertificateSource } from './source.ts';

const DAY_MS = 86_400_000;
/** Whoever was given the authority's certificate trusts it as long as the process lives. */
const AUTHORITY_LIFETIME_MS = 3650 * DAY_MS;
const LIFETIME_MS = 90 * DAY_MS;
/** A timer of Node reaches 24 days at most, and a suspended machine must not sleep through a renewal. */
const LONGEST_TIMER_MS = 3_600_000;
const RETRY_MS = 60_000;
/** Part of the life by which a renewal may come early, so that replicas do not renew at one moment. */
const JITTER = 0.05;

export interface SelfSignedOptions {
  /** DNS names and addresses that clients will dial. */
  readonly names: readonly string[];
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Where to write the authority's certificate, for clients to trust. */
  readonly writeCa?: string;
  /** Milliseconds that a certificate is good for; default 90 days. */
  readonly lifetime?: number;
  readonly now?: () => Instant;
  /** 0 to 1. */
  readonly random?: () => number;
}

/**
 * An authority of one's own in memory, and a certificate by it that is renewed at two thirds of its life. Each
 * start makes another authority.
 */
export function selfSignedCertificates(options: SelfSignedOptions): CertificateSource {
  const { names, log, lifetime = LIFETIME_MS, now = Date.now, random = Math.random } = options;
  const listeners = new Listeners();
  let authority: Authority | undefined;
  let issued: Issued | undefined;
  let dueAt = 0;
  let problem: string | null = null;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const known = (): { authority: Authority; issued: Issued } => {
    if (authority === undefined || issued === undefined) throw new Error('no certificate has been made yet');
    return { authority, issued };
  };

  const take = (next: Issued) => {
    issued = next;
    const early = JITTER * random();
    dueAt = next.notBefore + (2 / 3 - early) * (next.notAfter - next.notBefore);
  };

  const schedule = (earliest = 0) => {
    if (stopped) return;
    const wait = Math.min(Math.max(dueAt - now(), earliest, 0), LONGEST_TIMER_MS);
    timer = setTimeout(renewWhenDue, wait).unref();
  };

  const renewWhenDue = async () => {
    if (now() < dueAt) return schedule();
    try {
      const next = await known().authority.issue(names, now(), lifetime);
      if (stopped) return;
      take(next);
      problem = null;
      log.info({ notAfter: shownTime(next.notAfter) }, 'the self-signed certificate has been renewed');
      listeners.call();
      schedule();
    } catch (err) {
      problem = `the self-signed certificate could not be renewed: ${err instanceof Error ? err.message : String(err)}`;
      log.warn({ err }, problem);
      schedule(RETRY_MS);
    }
  };

  return {
    async start() {
      checkNames(names);
      authority = await createAuthority(now(), AUTHORITY_LIFETIME_MS);
      take(await authority.issue(names, now(), lifetime));
      if (options.writeCa !== undefined) await replaceFile(resolve(options.writeCa), authority.certificate);
      schedule();
    },
    current() {
      const { authority, issued } = known();
      return { certificate: issued.certificate, key: issued.key, ca: authority.certificate };
    },
    onChange: (listener) => listeners.add(listener),
    describe() {
      const { notBefore, notAfter } = known().issued;
      return { origin: 'self-signed', names, notBefore, notAfter, problem };
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

const DNS_NAME = /^(\*\.)?[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*$/i;

function checkNames(names: readonly string[]): void {
  if (names.length === 0) {
    throw new Error('a self-signed certificate needs a name; give for example localhost,127.0.0.1');
  }
  const bad = names.find((name) => isIP(name) === 0 && (name.length > 253 || !DNS_NAME.test(name)));
  if (bad !== undefined) {
    throw new Error(
      `${JSON.stringify(bad)} is neither a DNS name nor an address; give for example localhost,127.0.0.1`,
    );
  }
}

/** Readers see the former content or the whole new one. */
async function replaceFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    await writeFile(temporary, content, { mode: 0o644, flag: 'wx' });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`the authority's certificate cannot be written to ${path}: ${why}`, { cause });
  }
}
