import { counted } from '../../policy/count.ts';
import { formatDuration } from '../../policy/duration.ts';
import type { Instant } from '../../policy/types.ts';
import type { Output } from '../context.ts';
import { paintFor } from '../paint.ts';
import { type Column, renderTable } from '../table.ts';
import { printable } from '../text.ts';
import type { CertificateReport, ShownAuthority, ShownCertificate, ShownLeaf, ShownTrust } from './status.ts';

/** For people. */
export function renderReport(report: CertificateReport, output: Output): string {
  const { certificates, authorities, trust, findings, now } = report;
  const paint = paintFor(output);
  const parts: string[] = [];
  if (certificates.length > 0) parts.push(renderTable(leafColumns(now), certificates, output));
  if (authorities.length > 0) parts.push(renderTable(authorityColumns(now), authorities, output));
  if (trust.length > 0) parts.push(renderTable(trustColumns(report), trust, output));
  const next = report.upcoming.map(({ what, at }) => `  ${until(at, now).padEnd(9)} ${printable(what)}\n`);
  if (next.length > 0) parts.push(`${paint('bold', 'NEXT')}\n${next.join('')}`);
  const wrong = findings.map(
    ({ about, message, remedy }) =>
      `${paint('red', '✗')} ${printable(about)} ${printable(message)}; ${printable(remedy)}\n`,
  );
  const stage = report.stage === null ? '' : `, ${STAGES[report.stage]}`;
  const sum = `${KEPT[report.managedBy]}${stage}, in namespace ${report.namespace}: `;
  const end = findings.length === 0 ? paint('green', 'all is well') : counted(findings.length, 'problem');
  parts.push(`${wrong.join('')}${sum}${end}\n`);
  return parts.join('\n');
}

const KEPT = {
  'own authority': 'kept by the own authority',
  'cert-manager': 'kept by cert-manager',
  files: 'kept by hand',
  unknown: 'kept by nobody knows whom',
} as const;

const STAGES = {
  steady: 'no rotation under way',
  announced: 'in rotation: the next authority is being made known',
  retiring: 'in rotation: the former authority is still trusted',
} as const;

/** For programs. No key is in it. */
export function reportJson(report: CertificateReport): unknown {
  const { namespace, now, managedBy, stage, upcoming, findings } = report;
  return {
    apiVersion: 'checkpoint-warden/v1',
    ...{ namespace, now: time(now), managedBy, stage },
    certificates: report.certificates.map(({ where, renewalAt, authority, ...rest }) => ({
      where,
      ...certificateJson(rest),
      authority,
      renewalAt: time(renewalAt),
    })),
    authorities: report.authorities.map(({ role, until: at, ...rest }) => ({
      role,
      ...certificateJson(rest),
      until: time(at),
    })),
    trust: report.trust.map(({ trusts, ...rest }) => ({ ...rest, trusts: trusts.map(certificateJson) })),
    upcoming: upcoming.map(({ what, at }) => ({ what, at: time(at) })),
    findings,
  };
}

function certificateJson({ subject, issuer, fingerprint, names, notBefore, notAfter }: ShownCertificate) {
  return { subject, issuer, fingerprint, names, notBefore: time(notBefore), notAfter: time(notAfter) };
}

function time(at: Instant | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

function leafColumns(now: Instant): readonly Column<ShownLeaf>[] {
  return [
    { title: 'CERTIFICATE', cell: ({ where }) => printable(where) },
    { title: 'SHA-256', cell: ({ fingerprint }) => short(fingerprint) },
    { title: 'SIGNED BY', cell: ({ issuer }) => printable(issuer) },
    expiry(now),
    {
      title: 'RENEWAL',
      right: true,
      cell: ({ renewalAt }) => (renewalAt === null ? '' : until(renewalAt, now)),
    },
    { title: 'FOR', cell: ({ names }) => printable(names.join(', ')), sentence: true },
  ];
}

function authorityColumns(now: Instant): readonly Column<ShownAuthority>[] {
  return [
    { title: 'AUTHORITY', cell: ({ subject }) => printable(subject) },
    { title: 'SHA-256', cell: ({ fingerprint }) => short(fingerprint) },
    {
      title: 'ROLE',
      cell: ({ role }) => role,
      colour: ({ role }) => (role === 'signs' ? 'green' : 'yellow'),
    },
    expiry(now),
    { title: 'UNTIL', right: true, cell: ({ until: at }) => (at === null ? '' : until(at, now)) },
  ];
}

function trustColumns({ findings }: CertificateReport): readonly Column<ShownTrust>[] {
  const isWrong = ({ object, entry }: ShownTrust) =>
    findings.some(({ about }) => about === `${object} ${entry}`);
  return [
    { title: 'WHO CALLS', cell: ({ object }) => printable(object) },
    { title: 'ENTRY', cell: ({ entry }) => printable(entry) },
    { title: 'KEPT BY', cell: ({ managedBy }) => managedBy },
    {
      title: 'TRUSTS',
      cell: ({ trusts }) => trusts.map(({ fingerprint }) => short(fingerprint)).join(' ') || 'nobody',
      colour: (row) => (isWrong(row) ? 'red' : null),
    },
  ];
}

function expiry<Row extends ShownCertificate>(now: Instant): Column<Row> {
  return {
    title: 'EXPIRES',
    right: true,
    cell: ({ notAfter }) => until(notAfter, now),
    colour: ({ notAfter }) => (notAfter <= now ? 'red' : null),
  };
}

/** `in 20d`, `3h ago`; to the second. */
function until(at: Instant, now: Instant): string {
  const text = formatDuration(Math.floor(Math.abs(at - now) / 1_000) * 1_000);
  if (at === now) return 'now';
  return at > now ? `in ${text}` : `${text} ago`;
}

/** Enough to tell them apart. */
function short(fingerprint: string): string {
  return fingerprint.slice(0, 11);
}
