/** The query shapes of the benchmark: TSBS' cpu-only queries over the devops set, and those of dashboards over the node_exporter sets, as functions of chance. */
import type { Random } from "../../src/base/random.ts";

/** One of the sets of data: when its samples are, and its hosts. */
export interface BenchmarkSet {
  readonly minMs: number;
  readonly maxMs: number;
  /** The label value of host number i. */
  readonly host: (index: number) => string;
  readonly hosts: number;
}

export interface BenchmarkSets {
  /** Ten metrics for each host, named cpu_usage_*. */
  readonly devops: BenchmarkSet;
  /** Pages of node_exporter by seconds for hours; and by minutes for days. */
  readonly short: BenchmarkSet;
  readonly long: BenchmarkSet;
}

export interface BenchmarkShape {
  readonly name: string;
  readonly set: keyof BenchmarkSets;
  /** Of a range query; those that are asked as instants mostly have one too. */
  readonly spanS: number;
  readonly stepS: number;
  readonly isMetricsql?: true;
  /** Whether the last sample of a window counts with the difference to the next one, if the query happens to read that. */
  readonly looksAhead?: boolean;
  /** The expressions that one run asks. Where rollups drop names (PromQL), there is one for each metric. */
  readonly expressions: (random: Random, set: BenchmarkSet, dropsNames: boolean) => readonly string[];
}

const hourS = 3600;
const dayS = 24 * hourS;
const weekS = 6 * dayS + 80_000;

// ---- TSBS ----

const fields = ["user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"];

function hostFilter(random: Random, set: BenchmarkSet, count: number): string {
  if (count === 0) return "";
  if (count === 1) return `hostname="${set.host(random.int(set.hosts))}"`;
  return `hostname=~"${Array.from({ length: count }, () => set.host(random.int(set.hosts))).join("|")}"`;
}

/** One selector of all fields, or one for each. */
function cpuSelectors(count: number, filter: string, dropsNames: boolean): string[] {
  const some = fields.slice(0, count);
  if (count === 1 || dropsNames) return some.map((field) => `cpu_usage_${field}${filter === "" ? "" : `{${filter}}`}`);
  return [`{__name__=~"cpu_usage_(${some.join("|")})"${filter === "" ? "" : `,${filter}`}}`];
}

interface CpuShape {
  readonly name: string;
  readonly fields: number;
  readonly hosts: number;
  readonly hours: number;
  readonly stepS: number;
  readonly around: (selector: string) => string;
}

const maxOf = (window: string) => (selector: string): string => `max(max_over_time(${selector}[${window}])) by (__name__)`;
const averageOfHosts = (selector: string): string => `avg(avg_over_time(${selector}[1h])) by (__name__, hostname)`;
const highOf = (selector: string): string => `max(max_over_time(${selector}[1h])) by (hostname) > 90`;

const cpuShapes: readonly CpuShape[] = [
  ...[[1, 1, 1], [1, 1, 11], [1, 8, 1], [5, 1, 1], [5, 1, 11], [5, 8, 1]].map(([count, hosts, hours]) => ({ name: `single-groupby-${count}-${hosts}-${hours}`, fields: count, hosts, hours, stepS: 60, around: maxOf("1m") })),
  ...[1, 8].map((hosts) => ({ name: `cpu-max-all-${hosts}`, fields: 10, hosts, hours: 8, stepS: hourS, around: maxOf("1h") })),
  ...[1, 5, 10].map((count) => ({ name: `double-groupby-${count}`, fields: count, hosts: 0, hours: 10, stepS: hourS, around: averageOfHosts })),
  ...[1, 0].map((hosts) => ({ name: `high-cpu-${hosts === 0 ? "all" : hosts}`, fields: 1, hosts, hours: 11, stepS: hourS, around: highOf })),
  { name: "lastpoint", fields: 10, hosts: 0, hours: 1 / 6, stepS: 60, around: (selector) => selector },
  { name: "groupby-orderby-limit", fields: 1, hosts: 0, hours: 1 / 12, stepS: 60, around: (selector) => `max(max_over_time(${selector}[1m]))` },
];

const tsbsShapes: readonly BenchmarkShape[] = cpuShapes.map(({ name, fields: count, hosts, hours, stepS, around }) => ({
  name, set: "devops", spanS: hours * hourS, stepS,
  expressions: (random, set, dropsNames) => cpuSelectors(count, hostFilter(random, set, hosts), dropsNames).map(around),
}));

// ---- dashboards ----

/** One host's page. */
const hostPanels = [
  'sum by (mode) (rate(node_cpu_seconds_total{instance="HOST"}[5m]))', '100 * (1 - avg(rate(node_cpu_seconds_total{mode="idle",instance="HOST"}[5m])))',
  'node_load1{instance="HOST"}', 'node_load5{instance="HOST"}', 'node_load15{instance="HOST"}',
  'node_memory_MemTotal_bytes{instance="HOST"} - node_memory_MemFree_bytes{instance="HOST"} - node_memory_Cached_bytes{instance="HOST"}',
  'node_memory_Cached_bytes{instance="HOST"} + node_memory_Buffers_bytes{instance="HOST"}',
  '100 - node_filesystem_avail_bytes{fstype!="tmpfs",instance="HOST"} * 100 / node_filesystem_size_bytes{fstype!="tmpfs",instance="HOST"}',
  'rate(node_network_receive_bytes_total{instance="HOST"}[5m]) * 8', 'rate(node_network_transmit_bytes_total{instance="HOST"}[5m]) * 8',
  ...["disk_read_bytes_total", "disk_written_bytes_total", "disk_io_time_seconds_total", "disk_reads_completed_total", "context_switches_total", "intr_total", "netstat_Tcp_InSegs", "vmstat_pgfault"]
    .map((name) => `rate(node_${name}{instance="HOST"}[5m])`),
  'node_procs_running{instance="HOST"}', 'node_filefd_allocated{instance="HOST"}', 'node_sockstat_TCP_inuse{instance="HOST"}',
  'irate(node_cpu_guest_seconds_total{instance="HOST"}[5m])', 'rate(node_pressure_cpu_waiting_seconds_total{instance="HOST"}[5m])', 'node_time_seconds{instance="HOST"} - node_boot_time_seconds{instance="HOST"}',
];

type Row = readonly [name: string, expression: string, spanS?: number, stepS?: number];

function shapesOf(set: keyof BenchmarkSets, rows: readonly Row[], isMetricsql?: true): BenchmarkShape[] {
  return rows.map(([name, expression, spanS = hourS, stepS = 60]) => ({
    name, set, spanS, stepS, isMetricsql, looksAhead: /\brollup_(?:rate|deriv|delta|increase)\(/.test(expression),
    expressions: (random, { host, hosts }) => {
      const chosen = host(random.int(hosts));
      return (expression === "" ? hostPanels : [expression]).map((text) => text.replaceAll("HOST", chosen));
    },
  }));
}

const fleetShapes = shapesOf("short", [
  ["cpu-mode-1host-1h", 'sum by (mode) (rate(node_cpu_seconds_total{instance="HOST"}[1m]))', hourS, 15],
  ["cpu-busy-all-1h", '100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])))', hourS, 15],
  ["cpu-by-instance-mode-2h", "sum by (instance, mode) (rate(node_cpu_seconds_total[5m]))", 2 * hourS, 30],
  ["topk5-net-1h", 'topk(5, sum by (instance) (rate(node_network_receive_bytes_total{device!~"lo|docker.*"}[5m])))'],
  ["hist-q99-all-1h", "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))"],
  ["hist-q99-by-handler-1h", "histogram_quantile(0.99, sum by (le, handler) (rate(http_request_duration_seconds_bucket[5m])))"],
  ["hist-avg-1h", "sum by (handler) (rate(http_request_duration_seconds_sum[5m])) / sum by (handler) (rate(http_request_duration_seconds_count[5m]))"],
  ["error-ratio-1h", 'sum(increase(http_request_duration_seconds_count{code=~"5.."}[5m])) / sum(increase(http_request_duration_seconds_count[5m]))'],
  ["mem-used-all-1h", "100 - 100 * node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", hourS, 15],
  ["fs-predict", "predict_linear(node_filesystem_avail_bytes[1h], 4 * 3600) < 0 or node_filesystem_avail_bytes / node_filesystem_size_bytes"],
  ["quantile-over-time-1h", "quantile_over_time(0.95, node_load1[10m])"],
  ["regex-name-sum-1h", 'sum by (instance) ({__name__=~"node_memory_.*_bytes"})'],
  ["regex-instance-net-1h", 'sum by (device) (rate(node_network_receive_bytes_total{instance=~"host-00[0-3].:9100|host-.*7:9100"}[5m]))'],
  ["count-by-name", 'count by (__name__) ({__name__=~"node_.+"})'],
  ["count-everything", 'count({__name__!=""})'],
  ["rate-everything-1h", 'sum(rate({__name__=~"http_request_duration_seconds_bucket"}[5m]))', hourS, 15],
  ["join-info-1h", "sum by (release) (node_load1 * on (instance) group_left (release) node_uname_info)"],
  ["full-dashboard-1h", "", hourS, 15],
]);

const longShapes = shapesOf("long", [
  ["cpu-mode-1host-6h", 'sum by (mode) (rate(node_cpu_seconds_total{instance="HOST"}[5m]))', 6 * hourS, 60],
  ["cpu-mode-1host-24h", 'sum by (mode) (rate(node_cpu_seconds_total{instance="HOST"}[5m]))', dayS, 120],
  ["cpu-mode-1host-7d", 'sum by (mode) (rate(node_cpu_seconds_total{instance="HOST"}[10m]))', weekS, 600],
  ["mem-panel-1host-7d", '{__name__=~"node_memory_(MemTotal|MemFree|Cached|Buffers|Slab|Dirty|Mapped|Shmem)_bytes",instance="HOST"}', weekS, 600],
  ["net-by-instance-7d", 'sum by (instance) (rate(node_network_receive_bytes_total{job="node-long"}[10m]))', weekS, 600],
  ["hist-q99-24h", 'histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{job="node-long"}[5m])))', dayS, 120],
  ["max-over-7d", 'max_over_time(node_load1{job="node-long"}[7d])', hourS, 600],
  ["subquery-6h", 'max_over_time(sum by (instance) (rate(node_network_receive_bytes_total{job="node-long"}[5m]))[6h:1m])', hourS, 600],
  ["full-dashboard-24h", "", dayS, 120],
]);

const metricsqlShapes = shapesOf("short", [
  ["mql-rate-no-window-1h", "sum by (mode) (rate(node_cpu_seconds_total))"],
  ["mql-topk-max-1h", 'topk_max(5, rate(node_network_receive_bytes_total[5m]), "other=x")'],
  ["mql-rollup-rate-1h", 'rollup_rate(node_network_receive_bytes_total{device="eth0"}[5m])'],
  ["mql-with-union-1h", 'WITH (f = {instance=~"host-000.*"}) union(label_set(sum(rate(node_disk_read_bytes_total{f}[5m])), "k", "read"), label_set(sum(rate(node_disk_written_bytes_total{f}[5m])), "k", "written"))'],
  ["mql-range-median-1h", "range_median(sum by (instance) (rate(node_context_switches_total[5m])))"],
  ["mql-quantiles-1h", 'quantiles_over_time("phi", 0.5, 0.9, 0.99, node_load1[10m])'],
], true);

export const benchmarkShapes: readonly BenchmarkShape[] = [...tsbsShapes, ...fleetShapes, ...longShapes, ...metricsqlShapes];

/** What fills menus, as a path below /api/v1 and the selector of `match[]`. */
export const metadataShapes: readonly (readonly [path: string, selector?: string])[] = [
  ["labels"], ["label/instance/values"], ["label/__name__/values"], ["label/device/values", 'node_network_receive_bytes_total{instance=~"host-00.*"}'],
  ["series", 'node_cpu_seconds_total{instance=~"host-000.*"}'], ["series", '{job="node",__name__=~"node_.*"}'], ["label/hostname/values", "cpu_usage_user"], ["labels", '{__name__=~"http_.+"}'],
];
