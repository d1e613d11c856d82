import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import type { Logger } from '../observe/log.ts';
import { BadCertificate, type Inspected, inspect, shownTime } from './inspect.ts';
import { Listeners } from './listeners.ts';
import type { Certificate, CertificateSource } from './source.ts';

const FILES = { certificate: 'tls.crt', key: 'tls.key', ca: 'ca.crt' } as const;

/** A mounted Secret is swapped by renaming a link, which a watch can miss; so the content is compared as well. */
const COMPARE_EVERY_MS = 10_000;
/** Between an event of the watch and the look at the files, so that all three have been written. */
const SETTLE_MS = 100;
/** Far beyond any chain of certificates, far below what would hurt. */
const LARGEST_FILE = 1024 * 1024;

export interface FileCertificateOptions {
  /** Holds tls.crt, tls.key and ca.crt, as a Secret of type kubernetes.io/tls has them. */
  readonly directory: string;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly now?: () => number;
  /** Milliseconds, default 10,000. */
  readonly compareEvery?: number;
}

/**
 * The certificate in three files of a directory, changed whenever they change. What is not good is reported and
 * the last good one goes on; `start` rejects when there has been none.
 */
export function fileCertificates(options: FileCertificateOptions): CertificateSource {
  const { log, now = Date.now, compareEvery = COMPARE_EVERY_MS } = options;
  const directory = resolve(options.directory);
  const listeners = new Listeners();
  let good: Inspected | undefined;
  let problem: string | null = null;
  let watcher: FSWatcher | undefined;
  let interval: NodeJS.Timeout | undefined;
  let settling: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;

  const known = (): Inspected => {
    if (good === undefined) throw new Error(`the certificate in ${directory} has not been read yet`);
    return good;
  };

  const report = (sentence: string | null) => {
    if (sentence !== null && sentence !== problem) log.warn({ directory }, sentence);
    problem = sentence;
  };

  const look = async () => {
    try {
      const found = inspect(await readPair(directory), pathsIn(directory), now());
      report(null);
      const former = good;
      if (former !== undefined && isSame(found.certificate, former.certificate)) return;
      good = found;
      if (former === undefined) return;
      log.info({ directory, notAfter: shownTime(found.notAfter) }, 'the certificate has been renewed');
      listeners.call();
    } catch (error) {
      report(error instanceof Error ? error.message : String(error));
    }
  };
  const lookOnce = () => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const lookSoon = () => {
    clearTimeout(settling);
    settling = setTimeout(lookOnce, SETTLE_MS).unref();
  };

  return {
    async start() {
      await lookOnce();
      if (good === undefined) throw new Error(problem ?? `no certificate in ${directory}`);
      // With the initial events, so that a change during the first scan leads to another look.
      watcher = watch(directory, { depth: 0 });
      watcher.on('all', lookSoon);
      watcher.on('error', (err) => {
        log.warn({ err, directory }, 'the watch failed; the files are still compared every few seconds');
      });
      interval = setInterval(lookOnce, compareEvery).unref();
    },
    current: () => known().certificate,
    onChange: (listener) => listeners.add(listener),
    describe() {
      const { names, notBefore, notAfter } = known();
      return { origin: `files in ${directory}`, names, notBefore, notAfter, problem };
    },
    async stop() {
      clearInterval(interval);
      clearTimeout(settling);
      await watcher?.close();
      await looking;
    },
  };
}

function pathsIn(directory: string): Certificate {
  const { certificate, key, ca } = FILES;
  return { certificate: join(directory, certificate), key: join(directory, key), ca: join(directory, ca) };
}

async function readPair(directory: string): Promise<Certificate> {
  const paths = pathsIn(directory);
  // One after the other: of several that are missing always the same one is named, and told once.
  const certificate = await readSmallFile(paths.certificate);
  const key = await readSmallFile(paths.key);
  return { certificate, key, ca: await readSmallFile(paths.ca) };
}

async function readSmallFile(path: string): Promise<string> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new BadCertificate(`${path} is not a file; write a PEM file in its place`);
    if (found.size > LARGEST_FILE) {
      throw new BadCertificate(
        `${path} has ${found.size} bytes; write a PEM file of at most ${LARGEST_FILE}`,
      );
    }
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof BadCertificate) throw cause;
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    const remedy = why === 'ENOENT' ? 'put it there' : 'make it readable for this process';
    throw new BadCertificate(`${path} cannot be read (${why}); ${remedy}`, { cause });
  }
}

function isSame(one: Certificate, other: Certificate): boolean {
  return one.certificate === other.certificate && one.key === other.key && one.ca === other.ca;
}
