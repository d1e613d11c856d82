import type { Certificate } from '../../certs/source.ts';
import type { LogLevel } from '../../observe/log.ts';
import type { TlsVersion } from '../tls.ts';
import type { Bounds } from './bounds.ts';
import type { Doors } from './main.ts';

/** What a gateway in a thread of its own is to be; nothing in it but what can be copied. */
export interface GatewaySettings {
  readonly listen: { readonly host: string; readonly port: number };
  readonly minTlsVersion: TlsVersion;
  /** Absent: the service account of the pod that this runs in. */
  readonly kubeconfig?: string;
  /** What callers' tokens must be for; none: for the API server. */
  readonly audiences: readonly string[];
  readonly doors: Doors;
  /** Where the aggregated API is served, and the gateway's own token for the doors; absent: nowhere. */
  readonly api?: {
    readonly listen: { readonly host: string; readonly port: number };
    readonly token: string;
  };
  readonly logLevel: LogLevel;
  readonly bounds?: Partial<Bounds>;
  /** By how much its thread comes behind the others for the processor, 0 to 19; default 19. */
  readonly niceness?: number;
}

/** What the thread begins with. */
export interface ThreadData extends GatewaySettings {
  readonly certificate: Certificate;
}

export type ToThread =
  | { readonly kind: 'certificate'; readonly certificate: Certificate }
  | { readonly kind: 'metrics'; readonly id: number }
  | { readonly kind: 'stop' };

export type FromThread =
  | { readonly kind: 'open'; readonly url: string; readonly port: number }
  /** It could not begin. `code` is the system's, such as `EADDRINUSE`. */
  | { readonly kind: 'failed'; readonly message: string; readonly code?: string }
  | { readonly kind: 'metrics'; readonly id: number; readonly text: string };
