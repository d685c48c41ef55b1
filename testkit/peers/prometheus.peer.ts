// A real Prometheus scrapes itself (and node_exporter, if it is there) and remote-writes into the installed program. The same queries are
// then asked of both, where the two languages agree by design: selectors over dense data, simple aggregates, *_over_time away from the
// edges of windows, binary operators with matching. Answers are compared series by series.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { findPeer, freePort, isAnswering, PeerProcess, startTidemark, waitFor } from "./peer_process.ts";
import { type ApiSeries, exportTimesMs, queryInstant, queryRange } from "./prometheus_api.ts";

const command = findPeer("prometheus", "PROM_CMD", "/usr/bin/prometheus");
const exporterCommand = findPeer("node_exporter", "NODE_EXPORTER_CMD", "/usr/bin/prometheus-node-exporter");
const skip = command === undefined ? "PEER MISSING: prometheus" : false;
const skipNode = skip || (exporterCommand === undefined ? "PEER MISSING: node_exporter" : false);

/** Samples of this many seconds are waited for before anything is asked. */
const historySeconds = 20;

let folder: string;
let prometheus: PeerProcess | undefined;
let prometheusUrl: string;
let exporter: PeerProcess | undefined;
let tidemark: Awaited<ReturnType<typeof startTidemark>>;
/** Seconds; a moment that all samples keep away from, in whole seconds before it too. */
let time: number;

before(async () => {
  if (skip !== false) return;
  folder = mkdtempSync(join(tmpdir(), "tidemark-peer-"));
  tidemark = await startTidemark(`-storageDataPath=${join(folder, "data")}`, "-selfScrapeInterval=0");
  const [port, exporterPort] = [await freePort(), await freePort()];
  if (exporterCommand !== undefined) exporter = new PeerProcess(exporterCommand, [`--web.listen-address=127.0.0.1:${exporterPort}`]);
  writeFileSync(join(folder, "prometheus.yml"), prometheusConfig(port, exporterPort));
  prometheusUrl = `http://127.0.0.1:${port}`;
  prometheus = new PeerProcess(command!, [
    `--config.file=${join(folder, "prometheus.yml")}`, `--storage.tsdb.path=${join(folder, "prometheus")}`, `--web.listen-address=127.0.0.1:${port}`,
  ]);
  await waitFor("Prometheus", () => isAnswering(`${prometheusUrl}/-/ready`));
  time = await waitFor("samples", quietMoment);
});
after(async () => {
  if (skip !== false) return;
  await prometheus?.[Symbol.asyncDispose]();
  await exporter?.[Symbol.asyncDispose]();
  await tidemark[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function prometheusConfig(port: number, exporterPort: number): string {
  const exporterJob = exporterCommand === undefined ? "" : `- {job_name: node, static_configs: [{targets: ["127.0.0.1:${exporterPort}"]}]}`;
  return `
global: {scrape_interval: 1s, scrape_timeout: 1s}
remote_write:
- {url: "${tidemark.url}/api/v1/write", queue_config: {batch_send_deadline: 200ms}}
scrape_configs:
- {job_name: prometheus, static_configs: [{targets: ["127.0.0.1:${port}"]}]}
${exporterJob}
`;
}

/** A moment between samples for which Tidemark has everything, with enough history; undefined until there is one. */
async function quietMoment(): Promise<number | undefined> {
  const jobs = exporterCommand === undefined ? ["prometheus"] : ["prometheus", "node"];
  const times = await Promise.all(jobs.map((job) => exportTimesMs(tidemark.url, `up{job="${job}"}`)));
  if (times.some((list) => list.length < historySeconds + 3)) return undefined;
  const newestMs = Math.min(...times.map((list) => list.at(-1)!));
  // Every job is scraped at a fixed part of the second, give or take a few milliseconds: the middle of the widest gap is far from all.
  const phases = times.map((list) => list.at(-1)! % 1000).sort((a, b) => a - b);
  const gaps = phases.map((phase, i) => ({ phase, gapMs: (phases[i + 1] ?? phases[0] + 1000) - phase })).sort((a, b) => b.gapMs - a.gapMs);
  const quietMs = Math.floor(newestMs / 1000) * 1000 - 1000 + Math.round(gaps[0].phase + gaps[0].gapMs / 2) % 1000;
  return quietMs / 1000;
}

/** Without the quantiles of summaries: they may be NaN, which Tidemark does not store. */
const own = '{job="prometheus",quantile=""}';
const node = '{job="node"}';

const queries: { query: string; needsNode?: boolean }[] = [
  { query: "up" },
  { query: `scrape_samples_scraped${own}` },
  { query: "prometheus_tsdb_head_series or prometheus_tsdb_head_chunks" },
  { query: '{__name__=~"prometheus_tsdb_.*_total",job="prometheus"}' },
  { query: '{__name__!~"go_.*|prometheus_.*|scrape_.*",job="prometheus"}' },
  { query: `count(${own})` },
  { query: "sum(prometheus_http_requests_total)" },
  { query: "sum by (code) (prometheus_http_requests_total)" },
  { query: "max without (handler) (prometheus_http_requests_total)" },
  { query: "min by (handler, code) (prometheus_http_requests_total)" },
  { query: "avg(prometheus_http_request_duration_seconds_sum)" },
  { query: "count by (handler) (prometheus_http_request_duration_seconds_bucket)" },
  { query: 'topk(2, {__name__=~"go_memstats_(alloc_bytes_total|sys_bytes|mallocs_total)"})' },
  { query: "avg_over_time(go_goroutines[10s])" },
  { query: "min_over_time(go_memstats_heap_alloc_bytes[10s])" },
  { query: "max_over_time(go_memstats_heap_alloc_bytes[10s])" },
  { query: "sum_over_time(up[10s])" },
  { query: `count_over_time(process_cpu_seconds_total${own}[10s])` },
  { query: `last_over_time(process_resident_memory_bytes${own}[5s])` },
  { query: "quantile_over_time(0.5, go_goroutines[10s])" },
  { query: "go_memstats_heap_inuse_bytes / go_memstats_heap_sys_bytes" },
  { query: "go_memstats_heap_alloc_bytes > 1000" },
  { query: "go_memstats_heap_alloc_bytes < bool 1000" },
  { query: "prometheus_http_requests_total / ignoring (handler, code) group_left sum by (instance, job) (prometheus_http_requests_total)" },
  { query: "up and on (job) prometheus_build_info" },
  { query: "up unless on (job) prometheus_build_info" },
  { query: 'label_replace(up, "host", "$1", "instance", "(.*):.*")' },
  { query: "up offset 5s" },
  { query: "max(max_over_time(go_goroutines[10s])) - min(min_over_time(go_goroutines[10s]))" },
  { query: '{__name__=~"node_memory_.*"}', needsNode: true },
  { query: "sum by (mode) (node_cpu_seconds_total)", needsNode: true },
  { query: "topk by (cpu) (1, node_cpu_seconds_total)", needsNode: true },
  { query: "node_cpu_seconds_total / on (cpu, instance) group_left sum by (cpu, instance) (node_cpu_seconds_total)", needsNode: true },
  { query: "node_memory_MemTotal_bytes - node_memory_MemFree_bytes", needsNode: true },
  { query: "avg_over_time(node_load1[10s]) * on (instance) group_left (nodename) node_uname_info", needsNode: true },
  { query: `count by (__name__) (${node})`, needsNode: true },
];

for (const { query, needsNode } of queries) {
  test(`prometheus: ${query}`, { skip: needsNode === true ? skipNode : skip }, async () => {
    const [expected, found] = await Promise.all([queryInstant(prometheusUrl, query, time), queryInstant(tidemark.url, query, time)]);
    assert.ok(expected.length > 0 || query.includes("unless"), "the query selects something");
    compare(found, expected);
  });
}

const rangeQueries = ["up", "sum(prometheus_http_requests_total)", "go_goroutines", "max_over_time(go_goroutines[5s])", "go_memstats_heap_inuse_bytes / go_memstats_heap_sys_bytes"];

for (const query of rangeQueries) {
  test(`prometheus, range: ${query}`, { skip }, async () => {
    const parameters = [query, time - 8, time, 2] as const;
    const [expected, found] = await Promise.all([queryRange(prometheusUrl, ...parameters), queryRange(tidemark.url, ...parameters)]);
    assert.equal(expected[0].values!.length, 5);
    compare(found, expected);
  });
}

test("prometheus: label names, label values and series", { skip }, async () => {
  const ask = async (url: string, path: string): Promise<unknown[]> => ((await (await fetch(url + path)).json()) as { data: unknown[] }).data;
  const range = `start=${time - 10}&end=${time}`;
  for (const path of [`/api/v1/labels?${range}`, `/api/v1/label/job/values?${range}`, `/api/v1/label/__name__/values?${range}&${new URLSearchParams({ "match[]": own })}`]) {
    assert.deepEqual(await ask(tidemark.url, path), await ask(prometheusUrl, path), path);
  }
  const sorted = (series: unknown[]): string[] => series.map((labels) => keyOf(labels as Record<string, string>, true)).sort();
  const path = `/api/v1/series?${range}&match[]=prometheus_http_requests_total`;
  assert.deepEqual(sorted(await ask(tidemark.url, path)), sorted(await ask(prometheusUrl, path)));
});

/** MetricsQL keeps the metric name where the result is of the same kind (max_over_time ...), PromQL drops it: names are not compared. */
function compare(found: readonly ApiSeries[], expected: readonly ApiSeries[]): void {
  const foundByLabels = byLabels(found);
  assert.deepEqual([...foundByLabels.keys()].sort(), [...byLabels(expected).keys()].sort());
  for (const [key, points] of byLabels(expected)) {
    const foundPoints = foundByLabels.get(key)!;
    assert.equal(foundPoints.length, points.length, key);
    points.forEach(([at, value], i) => {
      assert.equal(foundPoints[i][0], at, key);
      assertNear(Number(foundPoints[i][1]), Number(value), `${key} at ${at}`);
    });
  }
}

/** Sums may differ by the order of their terms. */
function assertNear(found: number, expected: number, where: string): void {
  const isNear = Object.is(found, expected) || Math.abs(found - expected) <= 1e-12 * Math.max(Math.abs(found), Math.abs(expected));
  assert.ok(isNear, `${where}: ${found}, expected ${expected}`);
}

function byLabels(series: readonly ApiSeries[]): Map<string, readonly (readonly [number, string])[]> {
  const keepsName = new Set(series.map(({ metric }) => keyOf(metric, false))).size < series.length;
  return new Map(series.map(({ metric, value, values }) => [keyOf(metric, keepsName), values ?? [value!]]));
}

function keyOf(metric: Readonly<Record<string, string>>, withName: boolean): string {
  return JSON.stringify(Object.entries(metric).filter(([name]) => withName || name !== "__name__").sort());
}
