/** Queries of dashboards and benchmarks, over fleetOfPage and devopsSeries: what people ask, as the known Node Exporter dashboard and TSBS do. */

/** Of one host's page; valid in both languages. */
const hostPanels = [
  'sum by (mode) (rate(node_cpu_seconds_total{instance="host-1:9100"}[5m]))',
  '100 * (1 - avg(rate(node_cpu_seconds_total{mode="idle",instance="host-1:9100"}[5m])))',
  'node_load1{instance="host-0:9100"}', 'node_load15{instance="host-0:9100"}',
  'node_memory_MemTotal_bytes{instance="host-1:9100"} - node_memory_MemFree_bytes{instance="host-1:9100"} - node_memory_Cached_bytes{instance="host-1:9100"}',
  'node_memory_Cached_bytes{instance="host-1:9100"} + node_memory_Buffers_bytes{instance="host-1:9100"}',
  '100 - node_filesystem_avail_bytes{fstype!="tmpfs",instance="host-1:9100"} * 100 / node_filesystem_size_bytes{fstype!="tmpfs",instance="host-1:9100"}',
  'rate(node_network_receive_bytes_total{instance="host-1:9100"}[5m]) * 8', 'rate(node_disk_read_bytes_total{instance="host-1:9100"}[5m])',
  'rate(node_disk_io_time_seconds_total{instance="host-1:9100"}[5m])', 'rate(node_context_switches_total{instance="host-1:9100"}[5m])',
  'rate(node_intr_total{instance="host-1:9100"}[5m])', 'rate(node_netstat_Tcp_InSegs{instance="host-1:9100"}[5m])',
  'node_procs_running{instance="host-1:9100"}', 'node_filefd_allocated{instance="host-1:9100"}', 'node_sockstat_TCP_inuse{instance="host-1:9100"}',
  'irate(node_cpu_guest_seconds_total{instance="host-1:9100"}[5m])', 'node_time_seconds{instance="host-1:9100"} - node_boot_time_seconds{instance="host-1:9100"}',
  'count(count by (cpu) (node_cpu_seconds_total{instance="host-1:9100"}))', '(1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes) * 100',
  'node_filesystem_files_free{device!~"rootfs"}', 'rate(node_network_receive_packets_total{instance="host-1:9100"}[2m]) + rate(node_network_transmit_packets_total{instance="host-1:9100"}[2m])',
];

/** Of the whole fleet; valid in both languages. */
const fleetPanels = [
  'sum by (mode) (rate(node_cpu_seconds_total{instance="host-2:9100"}[1m]))', '100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])))',
  'sum by (instance, mode) (rate(node_cpu_seconds_total[5m]))', 'topk(2, sum by (instance) (rate(node_network_receive_bytes_total[5m])))',
  '100 - 100 * node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes', 'quantile_over_time(0.95, node_load1[10m])',
  'sum by (instance) ({__name__=~"node_memory_.*_bytes"})', 'sum by (device) (rate(node_network_receive_bytes_total{instance=~"host-0:9100|host-.*2:9100"}[5m]))',
  'count by (__name__) ({__name__=~"node_.+"})', 'count({__name__!="",job="node"})', 'sum by (release) (node_load1 * on (instance) group_left (release) node_uname_info)',
  'predict_linear(node_filesystem_avail_bytes[30m], 4 * 3600) < 0 or node_filesystem_avail_bytes / node_filesystem_size_bytes', 'max_over_time(node_load1[40m])',
  'max_over_time(sum by (instance) (rate(node_network_receive_bytes_total[5m]))[30m:1m])', 'increase(node_context_switches_total[10m])', 'delta(node_load5[5m])', 'deriv(node_load5[10m])',
  'resets(node_intr_total[30m])', 'changes(node_procs_running[5m])', 'avg_over_time(node_load1[5m]) / avg_over_time(node_load1[5m] offset 10m)', 'stddev by (instance) (node_memory_MemFree_bytes)',
  'absent(node_load1{instance="nowhere"})', 'sum(rate(node_cpu_seconds_total{mode!="idle"}[5m])) without (cpu, mode) > 0.1', 'clamp_max(node_load1, 1)', 'histogram_quantile(0.9, sum by (le) (rate(seconds_bucket[5m])))',
  'histogram_quantile(0.99, sum by (le, job) (rate(seconds_bucket[5m])))', 'sum(increase(requests_total{instance=~"1|2"}[5m])) / sum(increase(requests_total[5m]))',
  'min(node_load1) by (job)', 'sort_desc(node_load1)', 'sort(sum by (instance) (node_load5))', 'bottomk(1, node_load15)', 'label_replace(node_load1, "host", "$1", "instance", "(.*):.*")', 'time() - node_boot_time_seconds',
];

const devopsFields = ["user", "system", "idle", "nice", "iowait"];

/** The shapes of TSBS' cpu-only queries, one metric each; valid in both languages. */
const devopsPanels = [
  'max(max_over_time(cpu_usage_user{hostname="host_3"}[1m])) by (hostname)', 'max(max_over_time(cpu_usage_user{hostname=~"host_1|host_2|host_5"}[5m])) by (hostname)',
  ...devopsFields.map((field) => `avg(avg_over_time(cpu_usage_${field}[1h])) by (hostname)`), 'max(max_over_time(cpu_usage_user[1h])) by (hostname) > 90', "max(max_over_time(cpu_usage_user[1m]))",
  'last_over_time(cpu_usage_user{region="r1"}[10m])', "count_over_time(cpu_usage_idle[30m])",
];

/** Valid in both languages. */
export const commonQueries: readonly string[] = [...hostPanels, ...fleetPanels, ...devopsPanels];

/** MetricsQL only. */
export const metricsqlQueries: readonly string[] = [
  ...devopsFields.map((field, i) => `max(max_over_time({__name__=~"cpu_usage_(${devopsFields.slice(0, i + 1).join("|")})",hostname="host_1"}[1m])) by (__name__)`),
  'avg(avg_over_time({__name__=~"cpu_usage_.*"}[1h])) by (__name__, hostname)', '{__name__=~"cpu_usage_.*"}', "sum by (mode) (rate(node_cpu_seconds_total))", 'topk_max(2, rate(node_network_receive_bytes_total[5m]), "other=x")',
  'rollup_rate(node_network_receive_bytes_total[5m])', 'WITH (f = {instance=~"host-0.*"}) union(label_set(sum(rate(node_disk_read_bytes_total{f}[5m])), "k", "read"), label_set(sum(rate(node_disk_written_bytes_total{f}[5m])), "k", "written"))',
  "range_median(sum by (instance) (rate(node_context_switches_total[5m])))", 'quantiles_over_time("phi", 0.5, 0.9, 0.99, node_load1[10m])', "rate(node_intr_total[$__rate_interval])", "increase(requests_total)", "node_load1[5m] offset 1i",
  "rollup_candlestick(node_load1[5m])", "keep_last_value(requests_total)", "interpolate(gauge)", "running_sum(increase(requests_total[1m]))", "share(sum by (instance) (rate(node_context_switches_total)))", "median(node_load1) by (job)",
  'label_match(rate(node_cpu_seconds_total[5m]), "mode", "user|system")', "limitk(3, sort_by_label(node_load1, \"instance\"))", "sum(rate(node_cpu_seconds_total)) by (mode) limit 20", "ru(node_memory_MemFree_bytes, node_memory_MemTotal_bytes)",
];
