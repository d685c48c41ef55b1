// A real Prometheus scrapes native histograms and exemplars in the protobuf format and remote-writes them into the installed program, which also
// scrapes the same target itself. Queries and exemplars are answered alike. Both convert the classic histograms of a text page.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { seededRandom } from "../../src/base/random.ts";
import { encodeExposition, expositionContentType } from "../exposition_body.ts";
import { testSeed } from "../seed.ts";
import { findPeer, freePort, isAnswering, PeerProcess, startTidemark, waitFor } from "./peer_process.ts";

const command = findPeer("prometheus", "PROM_CMD", "/usr/bin/prometheus");
const skip = command === undefined ? "PEER MISSING: prometheus" : false;
const scrapes = 12;

/** A native histogram as a program would expose it, with classic buckets besides. */
class ExposedHistogram {
  readonly schema: number;
  readonly #positive = new Map<number, number>();
  readonly #negative = new Map<number, number>();
  #zeroCount = 0;
  #count = 0;
  #sum = 0;

  constructor(schema: number) {
    this.schema = schema;
  }

  observe(value: number): void {
    this.#count++;
    this.#sum += value;
    if (Math.abs(value) <= 0.001) return void this.#zeroCount++;
    const index = Math.ceil(Math.log2(Math.abs(value)) * 2 ** this.schema);
    const side = value > 0 ? this.#positive : this.#negative;
    side.set(index, (side.get(index) ?? 0) + 1);
  }

  message(exemplar: object): object {
    const [positive, negative] = [spansOf(this.#positive), spansOf(this.#negative)];
    return {
      sample_count: this.#count, sample_sum: this.#sum, schema: this.schema, zero_threshold: 0.001, zero_count: this.#zeroCount, exemplars: [exemplar],
      positive_span: positive.spans, positive_delta: positive.deltas, negative_span: negative.spans, negative_delta: negative.deltas,
      bucket: [{ cumulative_count: this.#count, upper_bound: Infinity }],
    };
  }
}

function spansOf(counts: ReadonlyMap<number, number>): { spans: { offset: number; length: number }[]; deltas: number[] } {
  const spans: { offset: number; length: number }[] = [];
  const deltas: number[] = [];
  let [next, before] = [0, 0];
  for (const index of [...counts.keys()].sort((a, b) => a - b)) {
    const last = spans.at(-1);
    if (last !== undefined && index === next) last.length++;
    else spans.push({ offset: index - next, length: 1 });
    deltas.push(counts.get(index)! - before);
    before = counts.get(index)!;
    next = index + 1;
  }
  return { spans, deltas };
}

/** The same in each scrape. */
const classicPage = `# TYPE classic_seconds histogram
classic_seconds_bucket{a="all",le="0.5"} 1
classic_seconds_bucket{a="all",le="1"} 3
classic_seconds_bucket{a="all",le="+Inf"} 4
classic_seconds_sum{a="all"} 5.5
classic_seconds_count{a="all"} 4
classic_seconds_bucket{a="first",le="-0.5"} 7
classic_seconds_bucket{a="first",le="+Inf"} 7
classic_seconds_sum{a="first"} -9
classic_seconds_count{a="first"} 7
classic_seconds_bucket{a="none",le="2"} 0
classic_seconds_bucket{a="none",le="+Inf"} 0
classic_seconds_sum{a="none"} 0
classic_seconds_count{a="none"} 0
# TYPE plain_count gauge
plain_count 3
`;

/** A target that observes something new in each scrape. */
function startTarget(): Server {
  const random = seededRandom(testSeed());
  const histograms = [0, 3, 5, -1].map((schema) => new ExposedHistogram(schema));
  let count = 0;
  return createServer((request, response) => {
    if (request.url === "/classic") return void response.setHeader("Content-Type", "text/plain; version=0.0.4").end(classicPage);
    for (const histogram of histograms) for (let i = 0; i < 20; i++) histogram.observe(random.int(20) === 0 ? 0 : Math.exp(random.next() * 6 - 3) * (random.int(7) === 0 ? -1 : 1));
    const nowMs = Date.now();
    const exemplar = { label: [{ name: "trace_id", value: `t${++count}` }], value: 0.5, timestamp: { seconds: Math.floor(nowMs / 1000), nanos: (nowMs % 1000) * 1e6 } };
    response.setHeader("Content-Type", expositionContentType);
    response.end(encodeExposition([
      { name: "latency_seconds", help: "Latency.", type: 4, metric: histograms.map((histogram) => ({ label: [{ name: "schema", value: String(histogram.schema) }], histogram: histogram.message(exemplar) })) },
      { name: "requests_total", type: 0, metric: [{ counter: { value: count, exemplar } }] },
    ]));
  }).listen(0, "127.0.0.1");
}

function classicJob(address: string): string {
  return `- {job_name: classic, metrics_path: /classic, convert_classic_histograms_to_nhcb: true, static_configs: [{targets: ["${address}"]}]}\n`;
}

let folder: string;
let target: Server;
let prometheus: PeerProcess | undefined;
let prometheusUrl: string;
let tidemark: Awaited<ReturnType<typeof startTidemark>>;
/** Seconds, whole ones. */
let time: number;

async function ask(url: string, path: string, parameters: Record<string, string>): Promise<{ status: string; data: unknown }> {
  return (await (await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`)).json()) as { status: string; data: unknown };
}

before(async () => {
  if (skip !== false) return;
  folder = mkdtempSync(join(tmpdir(), "tidemark-peer-"));
  target = startTarget();
  await once(target, "listening");
  const targetAddress = `127.0.0.1:${(target.address() as AddressInfo).port}`;
  const scrape = (job: string, more: string): string => `global: {scrape_interval: 1s}\nscrape_configs:\n- {job_name: ${job}, static_configs: [{targets: ["${targetAddress}"]}]${more}}\n${classicJob(targetAddress)}`;
  writeFileSync(join(folder, "scrape.yml"), scrape("direct", ", scrape_native_histograms: true"));
  tidemark = await startTidemark(`-storageDataPath=${join(folder, "data")}`, "-selfScrapeInterval=0", `-promscrape.config=${join(folder, "scrape.yml")}`);
  const port = await freePort();
  const remoteWrite = `remote_write:\n- {url: "${tidemark.url}/api/v1/write", send_native_histograms: true, send_exemplars: true, queue_config: {batch_send_deadline: 200ms}, write_relabel_configs: [{source_labels: [job], regex: classic, action: drop}]}\n`;
  writeFileSync(join(folder, "prometheus.yml"), scrape("sent", ", always_scrape_classic_histograms: true, scrape_protocols: [PrometheusProto]") + remoteWrite);
  prometheusUrl = `http://127.0.0.1:${port}`;
  prometheus = new PeerProcess(command!, [
    `--config.file=${join(folder, "prometheus.yml")}`, `--storage.tsdb.path=${join(folder, "prometheus")}`, `--web.listen-address=127.0.0.1:${port}`,
    "--enable-feature=native-histograms,exemplar-storage",
  ]);
  await waitFor("Prometheus", () => isAnswering(`${prometheusUrl}/-/ready`));
  time = await waitFor("samples", async () => {
    const second = Math.floor(Date.now() / 1000) - 3;
    const { data } = await ask(tidemark.url, "query", { query: 'min(count_over_time(requests_total{job="sent"}[1m]))', time: String(second), dialect: "promql" });
    const { result } = data as { result: { value: [number, string] }[] };
    return result.length === 1 && Number(result[0].value[1]) >= scrapes ? second : undefined;
  });
});
after(async () => {
  if (skip !== false) return;
  await prometheus?.[Symbol.asyncDispose]();
  await tidemark[Symbol.asyncDispose]();
  target.close();
  target.closeAllConnections();
  rmSync(folder, { recursive: true });
});

const convertedQueries = [
  "classic_seconds", "histogram_quantile(0.3, classic_seconds)", "sum by (a) (classic_seconds)", "histogram_avg(classic_seconds)", "histogram_count(classic_seconds)", "classic_seconds_count", "plain_count",
];
const selector = 'latency_seconds{job="sent"}';
const queries = [
  selector, `rate(${selector}[5s])`, `increase(${selector}[10s])`, `irate(${selector}[5s])`, `sum(rate(${selector}[5s]))`, `sum(${selector})`, `avg(${selector})`, `-${selector}`, `${selector} * 2`,
  `histogram_quantile(0.9, ${selector})`, `histogram_quantile(0.1, sum(rate(${selector}[8s])))`, `histogram_fraction(0, 1, ${selector})`, `histogram_stddev(${selector})`,
  `histogram_avg(${selector})`, `histogram_count(${selector})`, `histogram_sum(${selector})`, `resets(${selector}[10s])`, `changes(${selector}[10s])`, `count_over_time(${selector}[10s])`,
  `avg_over_time(${selector}[5s])`, `sum_over_time(${selector}[5s])`, 'latency_seconds{schema="3",job="sent"} + on (job) latency_seconds{schema="0",job="sent"}', 'latency_seconds_bucket{job="sent"}', 'absent(latency_seconds{job="sent"})',
];
for (const query of [...queries, ...convertedQueries]) {
  test(`prometheus: ${query}`, { skip }, async () => {
    const parameters = { query, time: String(time) };
    const [expected, found] = await Promise.all([ask(prometheusUrl, "query", parameters), ask(tidemark.url, "query", { ...parameters, dialect: "promql" })]);
    assertNear(found, expected);
  });
}

test("prometheus: exemplars", { skip }, async () => {
  const parameters = { query: '{__name__=~"requests_total|latency_seconds",job="sent"}', start: String(time - 5), end: String(time) };
  const [expected, found] = await Promise.all([ask(prometheusUrl, "query_exemplars", parameters), ask(tidemark.url, "query_exemplars", parameters)]);
  const byLabels = (answer: { data: unknown }): unknown[] => (answer.data as { seriesLabels: object }[]).map((one) => [JSON.stringify(Object.entries(one.seriesLabels).sort()), one]).sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
  assert.equal(byLabels(found).length, 5);
  assert.deepEqual(byLabels(found), byLabels(expected));
});

test("scraped itself: the histograms are there in both languages", { skip }, async () => {
  const count = await ask(tidemark.url, "query", { query: 'histogram_count(latency_seconds{job="direct"}) > 0', dialect: "promql" });
  assert.equal((count.data as { result: unknown[] }).result.length, 4);
  const quantile = await ask(tidemark.url, "query", { query: 'histogram_quantile(0.5, sum(rate(latency_seconds_bucket{job="direct"}[5s])) by (vmrange, schema))' });
  assert.equal((quantile.data as { result: unknown[] }).result.length, 4);
});

/** The data of both answers is equal: series in any order, numbers up to the last digits. */
function assertNear(found: { data: unknown }, expected: { data: unknown }): void {
  const [left, right] = [found, expected].map(({ data }) => (data as { result: { metric: object }[] }).result.map((one) => [JSON.stringify(Object.entries(one.metric).sort()), one] as const).sort((a, b) => (a[0] < b[0] ? -1 : 1)));
  const round = (_key: string, value: unknown): unknown => (typeof value === "string" && value !== "" && Number.isFinite(Number(value)) ? Number(value).toPrecision(10) : value);
  assert.deepEqual(JSON.parse(JSON.stringify(left, round)), JSON.parse(JSON.stringify(right, round)));
}
