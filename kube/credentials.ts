import { readFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { createSecureContext } from 'node:tls';
import { type ExecCredential, type ExecProgram, runExec } from './exec-credential.ts';
import type { Access, Material } from './kubeconfig.ts';
import type { Log } from './types.ts';

/** What one request goes out with. */
export interface Identity {
  readonly agent: Agent;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

interface Loaded extends Identity {
  /** What the agent was made of; another means another agent. */
  readonly tls: string;
}

/** Files are read again after this long, as client-go does: the kubelet replaces a token well before it ends. */
const RELOAD_MS = 60_000;
const KEEP_ALIVE_MS = 15_000;
/** A program may have to ask a person. */
const PROGRAM_MS = 60_000;

/** The credentials of an access as they are now: files that change are read again, without a restart. */
export class Credentials {
  readonly #access: Access;
  readonly #log: Log | undefined;
  readonly #now: () => number;
  #given: ExecCredential | undefined;
  #loaded: Loaded | undefined;
  #loadedAt = 0;
  #loading: Promise<Loaded> | undefined;

  constructor(access: Access, log: Log | undefined, now: () => number) {
    this.#access = access;
    this.#log = log;
    this.#now = now;
  }

  /** Rejects when they cannot be had; once they could, the last good ones stand in. */
  async current(): Promise<Identity> {
    if (this.#loaded !== undefined && this.#now() - this.#loadedAt < RELOAD_MS) return this.#loaded;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** After a 401: the next request reads the files again. */
  invalidate(): void {
    this.#loadedAt = Number.NEGATIVE_INFINITY;
    this.#given = undefined;
  }

  close(): void {
    this.#loaded?.agent.destroy();
  }

  async #load(): Promise<Loaded> {
    try {
      this.#loaded = await this.#read();
    } catch (error) {
      if (this.#loaded === undefined) throw error;
      this.#log?.warn({ err: error }, 'credentials cannot be read again; the last good ones stand in');
    }
    this.#loadedAt = this.#now();
    return this.#loaded;
  }

  async #read(): Promise<Loaded> {
    const { ca, certificate, key, exec, impersonate, serverName } = this.#access;
    const given = exec === undefined ? {} : await this.#ask(exec);
    const material = {
      ca: await pemOf(ca),
      cert: given.certificate ?? (await pemOf(certificate)),
      key: given.key ?? (await pemOf(key)),
    };
    const authorization = (await this.#authorization()) ?? (given.token && `Bearer ${given.token}`);
    const headers = { ...impersonate, ...(authorization && { Authorization: authorization }) };
    const tls = JSON.stringify(material);
    if (this.#loaded?.tls === tls) return { tls, agent: this.#loaded.agent, headers };
    const agent = new Agent({
      keepAlive: true,
      keepAliveMsecs: KEEP_ALIVE_MS,
      // Also finds a key that does not belong to its certificate.
      secureContext: createSecureContext({ ...material, minVersion: 'TLSv1.2' }),
      // Explicit: an environment variable could turn it off.
      rejectUnauthorized: true,
      ...(serverName !== undefined && { servername: serverName }),
    });
    return { tls, agent, headers };
  }

  /** What the program gave the last time, as long as it is good. */
  async #ask(program: ExecProgram): Promise<ExecCredential> {
    const { expiresAt = Number.POSITIVE_INFINITY } = this.#given ?? {};
    if (this.#given === undefined || expiresAt <= this.#now()) {
      this.#given = await runExec(program, PROGRAM_MS);
    }
    return this.#given;
  }

  async #authorization(): Promise<string | undefined> {
    const { token, tokenFile, basic } = this.#access;
    if (token) return `Bearer ${token.trim()}`;
    if (tokenFile) return `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`;
    if (basic === undefined) return undefined;
    return `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString('base64')}`;
  }
}

async function pemOf(material: Material | undefined): Promise<string | undefined> {
  if (material === undefined) return undefined;
  return 'pem' in material ? material.pem : readFile(material.file, 'utf8');
}
