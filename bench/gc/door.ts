import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { DoorPart } from '../../gc/options.ts';
import { createAuthority } from '../../test/cluster/authority.ts';
import { podOf } from '../../test/gc/door/fake-node.ts';
import { FakeCertificates } from '../../test/gc/door/open-door.ts';
import type { Answers } from './caller.ts';

/** A door to everybody, and somebody who asks it all the time. */
export class BenchDoor {
  readonly part: DoorPart;
  readonly #ca: string;
  #caller: ReturnType<typeof fork> | null = null;

  private constructor(part: DoorPart, ca: string) {
    this.part = part;
    this.#ca = ca;
  }

  static async open(): Promise<BenchDoor> {
    const authority = await createAuthority('bench');
    const credentials = authority.issue({ name: 'door', hosts: ['127.0.0.1'] });
    const part: DoorPart = {
      listen: { host: '127.0.0.1', port: 0 },
      certificates: new FakeCertificates(credentials, authority.certificate),
      authenticator: { authenticate: async () => ({ username: 'ada' }) },
      authorizer: { authorize: async () => {} },
      pods: { get: async (namespace, name) => podOf(namespace, name) },
      kubelet: { checkpoint: async () => ({ kind: 'notRunning', text: 'not found' }), close() {} },
    };
    return new BenchDoor(part, authority.certificate);
  }

  /** Begins to ask. */
  call(url: string): void {
    this.#caller ??= fork(join(import.meta.dirname, 'caller.ts'), [url, this.#ca]);
  }

  /** What the caller has seen since this was asked last. */
  async answers(): Promise<Answers | null> {
    const caller = this.#caller;
    if (caller === null) return null;
    caller.send('now');
    const [answers]: Answers[] = await once(caller, 'message');
    return answers ?? null;
  }

  close(): void {
    this.#caller?.kill();
  }
}
