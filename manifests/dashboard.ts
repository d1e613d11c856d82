/** One chart: a query in PromQL for each line, with what the legend calls it. */
interface Panel {
  readonly title: string;
  readonly description: string;
  /** Grafana's name of a unit. */
  readonly unit: 'bytes' | 'short' | 's' | 'percentunit' | 'reqps';
  readonly queries: Readonly<Record<string, string>>;
}

const ON_NODES = 'node=~"$node"';

const PANELS: readonly Panel[] = [
  {
    title: 'Disk used',
    description: 'Share of the file system that holds the checkpoints, whatever fills it.',
    unit: 'percentunit',
    queries: {
      '{{node}}': `1 - checkpoint_warden_disk_bytes{kind="free", ${ON_NODES}} / on (instance, node) checkpoint_warden_disk_bytes{kind="total", ${ON_NODES}}`,
    },
  },
  {
    title: 'Bytes of archives, and promised',
    description:
      'Length of all archives of a node, and the room that the door has promised to those under way.',
    unit: 'bytes',
    queries: {
      '{{node}} archives': `checkpoint_warden_archive_bytes{${ON_NODES}}`,
      '{{node}} promised': `checkpoint_warden_door_reserved_bytes{${ON_NODES}}`,
    },
  },
  {
    title: 'Archives',
    description: 'By what is known of them; what has no identity is deleted by no rule of a namespace.',
    unit: 'short',
    queries: { '{{node}} {{state}}': `checkpoint_warden_archives{${ON_NODES}}` },
  },
  {
    title: 'Checkpoints asked for',
    description: "Requests at the nodes' doors, by what became of them.",
    unit: 'reqps',
    queries: {
      '{{outcome}}': `sum by (outcome) (rate(checkpoint_warden_door_requests_total{${ON_NODES}}[5m]))`,
    },
  },
  {
    title: 'Deletions',
    description: 'By the rule that asked for them.',
    unit: 'reqps',
    queries: { '{{rule}}': `sum by (rule) (rate(checkpoint_warden_deletions_total{${ON_NODES}}[5m]))` },
  },
  {
    title: 'What needs somebody',
    description:
      'Archives with foreign bytes, limits that pins keep broken, plans that wait for a word, errors.',
    unit: 'short',
    queries: {
      '{{node}} tainted': `checkpoint_warden_tainted_archives{${ON_NODES}} > 0`,
      '{{node}} limits unmet': `checkpoint_warden_unmet_limits{${ON_NODES}} > 0`,
      '{{node}} waits for confirmation': `checkpoint_warden_circuit_breaker_tripped{${ON_NODES}} > 0`,
      '{{node}} errors': `sum by (node) (increase(checkpoint_warden_errors_total{${ON_NODES}}[15m])) > 0`,
    },
  },
  {
    title: 'How long a checkpoint takes',
    description: 'At the kubelet, and what the door adds, at the 95th percentile.',
    unit: 's',
    queries: {
      kubelet: `histogram_quantile(0.95, sum by (le) (rate(checkpoint_warden_door_kubelet_duration_seconds_bucket{${ON_NODES}}[5m])))`,
      door: `histogram_quantile(0.95, sum by (le) (rate(checkpoint_warden_door_own_duration_seconds_bucket{${ON_NODES}}[5m])))`,
    },
  },
  {
    title: 'Whole looks at the directory',
    description: 'How long the last one took, and how long ago it was.',
    unit: 's',
    queries: {
      '{{node}} took': `checkpoint_warden_scan_duration_seconds{${ON_NODES}}`,
      '{{node}} ago': `time() - checkpoint_warden_last_scan_timestamp_seconds{${ON_NODES}}`,
    },
  },
  {
    title: 'Admission',
    description: 'Reviews by verdict.',
    unit: 'reqps',
    queries: {
      '{{endpoint}} {{verdict}}':
        'sum by (endpoint, verdict) (rate(checkpoint_warden_admission_decisions_total[5m]))',
    },
  },
  {
    title: 'Admission takes',
    description: 'From the whole request to the answer, at the 99th percentile.',
    unit: 's',
    queries: {
      '{{endpoint}}':
        'histogram_quantile(0.99, sum by (endpoint, le) (rate(checkpoint_warden_admission_duration_seconds_bucket[5m])))',
    },
  },
  {
    title: 'Certificate lives for',
    description: 'Until the served certificate ends.',
    unit: 's',
    queries: { '{{pod}}': 'checkpoint_warden_certificate_expiry_timestamp_seconds - time()' },
  },
  {
    title: 'Policies',
    description: 'Resources that act on a node or wait for its next checkpoint, and what is wrong with them.',
    unit: 'short',
    queries: {
      '{{node}} {{state}}': `checkpoint_warden_policies{${ON_NODES}}`,
      'errors and warnings': 'max(checkpoint_warden_policy_problems)',
    },
  },
];

const COLUMNS = 2;
const [WIDTH, HEIGHT] = [24 / COLUMNS, 8];
const DATASOURCE = { type: 'prometheus', uid: '$datasource' };

/** The dashboard that Grafana imports. */
export function dashboard(): object {
  return {
    title: 'checkpoint-warden',
    uid: 'checkpoint-warden',
    tags: ['kubernetes', 'checkpoints'],
    schemaVersion: 39,
    timezone: 'browser',
    time: { from: 'now-6h', to: 'now' },
    refresh: '1m',
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus' },
        {
          ...{ name: 'node', label: 'Node', type: 'query', datasource: DATASOURCE },
          query: 'label_values(checkpoint_warden_archives, node)',
          ...{ multi: true, includeAll: true, allValue: '.*', refresh: 2 },
          current: { text: 'All', value: '$__all' },
        },
      ],
    },
    panels: PANELS.map(({ title, description, unit, queries }, index) => ({
      ...{ id: index + 1, type: 'timeseries', title, description, datasource: DATASOURCE },
      gridPos: {
        ...{ w: WIDTH, h: HEIGHT },
        x: (index % COLUMNS) * WIDTH,
        y: Math.floor(index / COLUMNS) * HEIGHT,
      },
      fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
      targets: Object.entries(queries).map(([legendFormat, expr], number) => ({
        refId: String.fromCharCode('A'.charCodeAt(0) + number),
        ...{ expr, legendFormat, datasource: DATASOURCE },
      })),
    })),
  };
}

/** Each query with its panel, for all nodes. */
export function dashboardQueries(): readonly (readonly [panel: string, query: string])[] {
  return PANELS.flatMap(({ title, queries }) =>
    Object.values(queries).map((query) => [title, query.replaceAll('$node', '.*')] as const),
  );
}
