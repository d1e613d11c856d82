import { Gauge, type Registry } from 'prom-client';
import { certificatesIn } from './bundle.ts';
import type { CertificateSource } from './source.ts';

const PREFIX = 'checkpoint_warden_certificate';

/** Gauges of what a server shows, read when somebody asks for them. */
export function watchCertificate(
  registry: Registry,
  certificates: Pick<CertificateSource, 'describe' | 'current'>,
): void {
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name: `${PREFIX}_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  const known = { ca: '', expiry: 0 };
  gauge('expiry_timestamp_seconds', 'When the served certificate expires, Unix time.', () => {
    return certificates.describe().notAfter / 1000;
  });
  gauge(
    'authority_expiry_timestamp_seconds',
    'When the last of the authorities expires that clients are to trust, Unix time.',
    () => {
      const { ca } = certificates.current();
      if (ca !== known.ca) {
        const expiries = certificatesIn(ca).all.map(({ validTo }) => Date.parse(validTo) / 1000);
        Object.assign(known, { ca, expiry: Math.max(0, ...expiries) });
      }
      return known.expiry;
    },
  );
  gauge('problem', '1 while a newer certificate cannot be taken.', () => {
    return certificates.describe().problem === null ? 0 : 1;
  });
}
