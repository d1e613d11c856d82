/** A week of a metric by the minute would be long: promtool's own notation, `start+step x times`. */
export interface AlertRow {
  readonly alert: string;
  readonly name: string;
  /** Series and their values, at one a minute unless said otherwise. */
  readonly series: Readonly<Record<string, string>>;
  /** Minutes after the first value. */
  readonly at: number;
  /** The summary, where it fires. */
  readonly says: string | null;
}

const GIB = 2 ** 30;
const node = 'node="n1",instance="a"';
const free = `checkpoint_warden_disk_bytes{kind="free",${node}}`;
const total = `checkpoint_warden_disk_bytes{kind="total",${node}}`;
const refused = (outcome: string) => `checkpoint_warden_door_requests_total{outcome="${outcome}",${node}}`;
const expiry = 'checkpoint_warden_certificate_expiry_timestamp_seconds{pod="webhook-1"}';
const authority = 'checkpoint_warden_certificate_authority_expiry_timestamp_seconds{pod="collector-7"}';
const shed = 'checkpoint_warden_shed_total{pod="webhook-1",what="review"}';
const statuses = (outcome: string) =>
  `checkpoint_warden_status_writes_total{pod="webhook-1",outcome="${outcome}"}`;
const daemons = 'namespace="checkpoint-warden",daemonset="collector"';
const desired = `kube_daemonset_status_desired_number_scheduled{${daemons}}`;
const available = `kube_daemonset_status_number_available{${daemons}}`;
const DAY = 86_400;

const row = (
  alert: string,
  name: string,
  series: Readonly<Record<string, string>>,
  at: number,
  says: string | null,
): AlertRow => ({ alert, name, series, at, says });

export const ALERT_ROWS: readonly AlertRow[] = [
  row(
    'CheckpointDiskFillsUp',
    'a GiB every ten minutes, 40 left',
    { [free]: `${40 * GIB}-${GIB / 10}x400`, [total]: `${100 * GIB}x400` },
    60,
    'The disk with the checkpoints of n1 will be full within a day',
  ),
  row(
    'CheckpointDiskFillsUp',
    'as fast on a disk that is nearly empty',
    { [free]: `${95 * GIB}-${GIB / 10}x400`, [total]: `${100 * GIB}x400` },
    60,
    null,
  ),
  row('CheckpointDiskFillsUp', 'it stands', { [free]: `${GIB}x400`, [total]: `${100 * GIB}x400` }, 60, null),
  row(
    'CheckpointDiskFull',
    'a fiftieth is free',
    { [free]: `${2 * GIB}x30`, [total]: `${100 * GIB}x30` },
    10,
    'Of the disk with the checkpoints of n1 less than a twentieth is free',
  ),
  row(
    'CheckpointDiskFull',
    'a tenth is free',
    { [free]: `${10 * GIB}x30`, [total]: `${100 * GIB}x30` },
    10,
    null,
  ),
  row(
    'CheckpointsRefusedForRoom',
    'two hours of refusals',
    { [refused('count')]: '0+1x200' },
    150,
    'n1 has refused checkpoints for want of room for more than an hour',
  ),
  row('CheckpointsRefusedForRoom', 'forbidden ones', { [refused('forbidden')]: '0+1x200' }, 150, null),
  row(
    'CheckpointLimitUnmet',
    'two limits',
    { [`checkpoint_warden_unmet_limits{${node}}`]: '2x100' },
    70,
    '2 limits on n1 stay broken because pins or keepLast hold archives',
  ),
  row(
    'CheckpointLimitUnmet',
    'not for long',
    { [`checkpoint_warden_unmet_limits{${node}}`]: '2x30 0x70' },
    70,
    null,
  ),
  row(
    'CheckpointDeletionsWait',
    'a breaker',
    { [`checkpoint_warden_circuit_breaker_tripped{${node}}`]: '1x30' },
    15,
    'A policy would delete most of the checkpoints of n1 and waits for your word',
  ),
  row(
    'CheckpointDeletionsWait',
    'none',
    { [`checkpoint_warden_circuit_breaker_tripped{${node}}`]: '0x30' },
    15,
    null,
  ),
  row(
    'CheckpointTainted',
    'one',
    { [`checkpoint_warden_tainted_archives{${node}}`]: '1x5' },
    1,
    '1 archives on n1 hold bytes of another checkpoint, maybe of another tenant',
  ),
  row('CheckpointTainted', 'none', { [`checkpoint_warden_tainted_archives{${node}}`]: '0x5' }, 1, null),
  row(
    'CheckpointCollectorErrors',
    'it keeps failing',
    { [`checkpoint_warden_errors_total{operation="delete",${node}}`]: '0+1x60' },
    40,
    'The collector of n1 fails at delete',
  ),
  row(
    'CheckpointCollectorErrors',
    'once',
    { [`checkpoint_warden_errors_total{operation="delete",${node}}`]: '0 1x60' },
    40,
    null,
  ),
  row(
    'CheckpointCollectorBlind',
    'no directory',
    { [`checkpoint_warden_directory_ok{${node}}`]: '0x60' },
    15,
    'The collector of n1 does not see its directory or its policies',
  ),
  row(
    'CheckpointCollectorBlind',
    'no scan since the start',
    { [`checkpoint_warden_last_scan_timestamp_seconds{${node}}`]: '0x100' },
    50,
    'The collector of n1 does not see its directory or its policies',
  ),
  row(
    'CheckpointCollectorBlind',
    'a scan each minute',
    {
      [`checkpoint_warden_last_scan_timestamp_seconds{${node}}`]: '0+60x100',
      [`checkpoint_warden_directory_ok{${node}}`]: '1x100',
      [`checkpoint_warden_policy_source_fresh{${node}}`]: '1x100',
    },
    50,
    null,
  ),
  row(
    'CheckpointAuditLost',
    'a record',
    { [`checkpoint_warden_lost_audit_records{${node}}`]: '0x10 1x50' },
    20,
    'The collector of n1 could not write audit records',
  ),
  row('CheckpointAuditLost', 'none', { [`checkpoint_warden_lost_audit_records{${node}}`]: '0x60' }, 20, null),
  row(
    'CheckpointCollectorMissing',
    'two of nine',
    { [desired]: '9x60', [available]: '7x60' },
    20,
    '2 nodes are without a collector',
  ),
  row('CheckpointCollectorMissing', 'all there', { [desired]: '9x60', [available]: '9x60' }, 20, null),
  row(
    'CheckpointCertificateLapses',
    'in a day',
    { [expiry]: `${DAY}x60` },
    20,
    'The certificate of webhook-1 lapses in 23h 40m 0s',
  ),
  row('CheckpointCertificateLapses', 'in a month', { [expiry]: `${30 * DAY}x60` }, 20, null),
  row(
    'CheckpointCertificateLapses',
    "a door's",
    { [expiry.replace('webhook-1', 'collector-7')]: `${DAY}x60` },
    20,
    'The certificate of collector-7 lapses in 23h 40m 0s',
  ),
  row(
    'CheckpointAuthorityLapses',
    'in ten days',
    { [authority]: `${10 * DAY}x60` },
    20,
    'The authority behind the certificate of collector-7 lapses in 9d 23h 40m 0s',
  ),
  row('CheckpointAuthorityLapses', 'in a month', { [authority]: `${30 * DAY}x60` }, 20, null),
  row(
    'CheckpointWebhookSheds',
    'again and again',
    { [shed]: '0+1x60' },
    40,
    'webhook-1 has had too much at once for a quarter of an hour: review',
  ),
  row('CheckpointWebhookSheds', 'once', { [shed]: '0x10 5x50' }, 50, null),
  row(
    'CheckpointStatusNotWritten',
    'again and again',
    { [statuses('failed')]: '0+1x60' },
    50,
    "webhook-1 cannot write what becomes of policies, or cannot see the nodes' objects",
  ),
  row('CheckpointStatusNotWritten', 'all are', { [statuses('written')]: '0+1x60' }, 50, null),
  row(
    'CheckpointCertificateProblem',
    'for an hour',
    { 'checkpoint_warden_certificate_problem{pod="webhook-1"}': '1x90' },
    70,
    'webhook-1 cannot take a newer certificate',
  ),
  row(
    'CheckpointCertificateProblem',
    'none',
    { 'checkpoint_warden_certificate_problem{pod="webhook-1"}': '0x90' },
    70,
    null,
  ),
  row(
    'CheckpointWebhookErrors',
    'it keeps failing',
    { 'checkpoint_warden_admission_decisions_total{endpoint="/validate",verdict="error"}': '0+1x60' },
    40,
    'The webhook cannot judge what comes to /validate',
  ),
  row(
    'CheckpointWebhookErrors',
    'it denies',
    { 'checkpoint_warden_admission_decisions_total{endpoint="/validate",verdict="denied"}': '0+1x60' },
    40,
    null,
  ),
];
