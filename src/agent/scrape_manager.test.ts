// Whole scrapes on a simulated clock: what reaches the store for pages, failures and reloads, and when.
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeExposition, expositionContentType } from "../../testkit/exposition_body.ts";
import { SimulatedClock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import { MetricRegistry } from "../base/metrics.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { labelsToRecord } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { isStaleMarker } from "../model/row_batch.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import { parseScrapeConfig } from "./scrape_config.ts";
import { type ScrapeClient, ScrapeError, type ScrapeRequest, type ScrapeResponse } from "./scrape_client.ts";
import { ScrapeManager } from "./scrape_manager.ts";

type Answer = string | { readonly error: ScrapeError } | { readonly text: string | Uint8Array; readonly contentType: string } | "never";

/** Answers by URL; each may be a function of the number of requests so far. */
class FakeClient implements ScrapeClient {
  readonly requests: ScrapeRequest[] = [];
  pages: Record<string, Answer | ((request: number) => Answer)>;
  #counts = new Map<string, number>();
  constructor(pages: Record<string, Answer | ((request: number) => Answer)>) {
    this.pages = pages;
  }
  get(request: ScrapeRequest): Promise<ScrapeResponse> {
    this.requests.push(request);
    const count = this.#counts.get(request.url) ?? 0;
    this.#counts.set(request.url, count + 1);
    const page = this.pages[request.url];
    const answer = typeof page === "function" ? page(count) : page;
    if (answer === undefined) return Promise.reject(new ScrapeError("connection", "nobody there"));
    if (answer === "never") return new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason)));
    if (typeof answer === "object" && "error" in answer) return Promise.reject(answer.error);
    const { text, contentType } = typeof answer === "string" ? { text: answer, contentType: "text/plain" } : answer;
    return Promise.resolve({ contentType, body: Buffer.from(text) });
  }
  [Symbol.dispose](): void {}
}

class Setup implements AsyncDisposable {
  readonly clock = new SimulatedClock(1_700_000_000_000);
  readonly store = new MemoryStore();
  readonly client: FakeClient;
  readonly log: string[] = [];
  readonly metrics = new MetricRegistry();
  readonly files = new MemoryFileSystem();
  readonly manager: ScrapeManager;

  constructor(pages: FakeClient["pages"], config?: string, storesStarts = false) {
    this.client = new FakeClient(pages);
    const logger: Logger = { info: (line) => this.log.push(line), warn: (line) => this.log.push(line), error: (line) => this.log.push(line) };
    const { clock, store, client, files, metrics } = this;
    this.manager = new ScrapeManager({ sink: store, clock, client, files, metrics, logger, storesStarts, watchFolder: () => ({ [Symbol.dispose]() {} }) });
    if (config !== undefined) this.apply(config);
  }

  apply(config: string): void {
    this.manager.applyConfig(parseScrapeConfig(config, "/etc/prometheus.yml"));
  }

  /** Passes time, second by second, and waits for what it sets off. */
  async pass(seconds: number): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      this.clock.advance(1_000);
      await this.manager.idle();
    }
  }

  /** Samples of the series with these labels as text: "value@seconds since the start", "stale@..". */
  async samples(name: string, labels: Record<string, string> = {}): Promise<Record<string, string>> {
    const matchers = Object.entries({ __name__: name, ...labels }).map(([label, value]) => ({ name: label, op: "=" as const, value }));
    const { batches } = await this.store.search({ tenant: defaultTenant, selector: [matchers], range: { minMs: 0, maxMs: 4e12 } });
    const found: Record<string, string> = {};
    for await (const batch of batches) {
      for (let i = 0; i < batch.seriesCount; i++) {
        const { __name__: _name, ...rest } = labelsToRecord(batch.labels(i));
        const texts = Array.from(batch.timestampsMs.subarray(batch.sampleFrom[i], batch.sampleFrom[i + 1]), (_timeMs, j) => {
          const at = batch.sampleFrom[i] + j;
          return isStaleMarker(batch.values, at) ? "stale" : String(batch.values[at]);
        });
        found[JSON.stringify(rest)] = texts.join(" ");
      }
    }
    return found;
  }

  async timestampsMs(name: string): Promise<number[]> {
    const { batches } = await this.store.search({ tenant: defaultTenant, selector: [[{ name: "__name__", op: "=", value: name }]], range: { minMs: 0, maxMs: 4e12 } });
    const times: number[] = [];
    for await (const batch of batches) times.push(...batch.timestampsMs.subarray(0, batch.sampleFrom[batch.seriesCount]));
    return times;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.manager.close();
  }
}

/** A job that scrapes http://a:1/metrics every 10 s. */
function job(more = "", global = ""): string {
  return `global: {scrape_interval: 10s${global}}\nscrape_configs:\n- job_name: j\n  static_configs: [{targets: ["a:1"]}]\n${more}`;
}

const page = "http://a:1/metrics";
const own = '{"instance":"a:1","job":"j"}';

test("a scrape stores the page with the target's labels, and the automatic series", async () => {
  await using setup = new Setup({ [page]: 'm{x="1"} 5\nm{x="2"} 6\nn 7\n' }, job("  sample_limit: 10\n  label_limit: 20\n"));
  await setup.pass(10);
  assert.deepEqual(await setup.samples("m"), { '{"instance":"a:1","job":"j","x":"1"}': "5", '{"instance":"a:1","job":"j","x":"2"}': "6" });
  const expected = {
    n: "7", up: "1", scrape_samples_scraped: "3", scrape_samples_post_metric_relabeling: "3", scrape_series_added: "3", scrape_timeout_seconds: "10",
    scrape_response_size_bytes: "26", scrape_samples_limit: "10", scrape_labels_limit: "20",
  };
  for (const [name, value] of Object.entries(expected)) assert.deepEqual(await setup.samples(name), { [own]: value }, name);
  assert.deepEqual(Object.keys(await setup.samples("scrape_duration_seconds")), [own]);
  await setup.pass(10);
  assert.deepEqual(await setup.samples("scrape_series_added"), { [own]: "3 0" });
  assert.match(setup.metrics.print(), /vm_promscrape_scrapes_total 2\n[\s\S]*vm_promscrape_targets\{type="static",status="up"\} 1\n/);
});

test("scrapes come at a fixed offset of the interval, one at a time", async () => {
  await using setup = new Setup({ [page]: "m 1\n" }, job());
  await setup.pass(35);
  const times = await setup.timestampsMs("m");
  assert.ok(times.length >= 3);
  for (const timeMs of times) assert.equal(timeMs % 10_000, times[0] % 10_000);
  assert.equal(times[1] - times[0], 10_000);
});

test("offsets spread over the interval", async () => {
  const targets = Array.from({ length: 100 }, (_, i) => `"host${i}:1"`).join(",");
  await using setup = new Setup({}, `global: {scrape_interval: 10s}\nscrape_configs: [{job_name: j, static_configs: [{targets: [${targets}]}]}]`);
  const perSecond: number[] = [];
  for (let i = 0; i < 10; i++) {
    const before = setup.client.requests.length;
    await setup.pass(1);
    perSecond.push(setup.client.requests.length - before);
  }
  assert.equal(setup.client.requests.length, 100);
  assert.ok(Math.max(...perSecond) <= 25, perSecond.join(" "));
});

test("a series that vanishes is marked stale once, and may come back", async () => {
  await using setup = new Setup({ [page]: (i) => (i === 1 ? "n 1\n" : 'm{x="1"} 1\nn 1\n') }, job());
  await setup.pass(40);
  assert.deepEqual(await setup.samples("m"), { '{"instance":"a:1","job":"j","x":"1"}': "1 stale 1 1" });
  assert.deepEqual(await setup.samples("n"), { [own]: "1 1 1 1" });
  assert.deepEqual(await setup.samples("scrape_series_added"), { [own]: "2 0 1 0" });
  assert.equal(new Set(await setup.timestampsMs("m")).size, 4);
});

test("a failed scrape marks every series stale and says up 0", async () => {
  await using setup = new Setup({ [page]: (i) => (i === 1 || i === 2 ? { error: new ScrapeError("status", "the target answers 503") } : "m 1\nn 2\n") }, job());
  await setup.pass(20);
  const [target] = setup.manager.targets().activeTargets;
  assert.equal(target.health, "down");
  assert.equal(target.lastError, "the target answers 503");
  await setup.pass(20);
  assert.deepEqual(await setup.samples("m"), { [own]: "1 stale 1" });
  assert.deepEqual(await setup.samples("up"), { [own]: "1 0 0 1" });
  assert.deepEqual(await setup.samples("scrape_samples_scraped"), { [own]: "2 0 0 2" });
  assert.equal(setup.manager.activeTargets()[0].health, "up");
  assert.deepEqual(setup.log.map((line) => line.replace(/http\S+ /, "")), [
    "scrape of (job j) failed: the target answers 503", "scrape of (job j) works again",
  ]);
});

test("a scrape that takes too long fails at its timeout", async () => {
  await using setup = new Setup({ [page]: "never" }, job("  scrape_timeout: 3s\n"));
  for (let i = 0; i < 14; i++) {
    setup.clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await setup.manager.idle();
  assert.deepEqual(await setup.samples("up"), { [own]: "0" });
  assert.match((await setup.samples("scrape_duration_seconds"))[own], /^3\b/); // and what is left of the step
  assert.match(setup.manager.activeTargets()[0].lastError, /within the timeout of 3s/);
});

test("a removed target is marked stale with its automatic series; shutting down marks nothing", async () => {
  await using setup = new Setup({ [page]: "m 1\n", "http://b:1/metrics": "m 2\n" }, job());
  await setup.pass(10);
  setup.apply(job().replace("a:1", "b:1"));
  await setup.pass(10);
  const [a, b] = ['{"instance":"a:1","job":"j"}', '{"instance":"b:1","job":"j"}'];
  assert.deepEqual(await setup.samples("m"), { [a]: "1 stale", [b]: "2" });
  assert.deepEqual(await setup.samples("up"), { [a]: "1 stale", [b]: "1" });
  assert.deepEqual(await setup.samples("scrape_series_added"), { [a]: "1 stale", [b]: "1" });
  await setup.manager.close();
  assert.deepEqual(await setup.samples("m"), { [a]: "1 stale", [b]: "2" });
});

test("no_stale_markers", async () => {
  await using setup = new Setup({ [page]: (i) => (i === 0 ? "m 1\n" : "n 1\n") }, job("  no_stale_markers: true\n"));
  await setup.pass(20);
  setup.apply("");
  await setup.manager.idle();
  assert.deepEqual(await setup.samples("m"), { [own]: "1" });
  assert.deepEqual(await setup.samples("n"), { [own]: "1" });
});

test("a reload keeps the loops of unchanged targets, and restarts changed ones", async () => {
  await using setup = new Setup({ [page]: "m 1\n" }, job());
  await setup.pass(10);
  setup.apply(job(`  # a comment\n`) + `- job_name: other\n  static_configs: [{targets: ["c:1"]}]\n`);
  await setup.pass(10);
  assert.deepEqual(await setup.samples("m"), { [own]: "1 1" });
  assert.deepEqual((await setup.samples("scrape_series_added"))[own], "1 0");
  assert.equal(setup.manager.activeTargets().length, 2);
  setup.apply(job("  honor_labels: true\n"));
  await setup.pass(10);
  assert.deepEqual((await setup.samples("m"))[own], "1 1 stale 1");
});

const labelRows: { name: string; config?: string; body: string; metric?: string; expected: Record<string, string> }[] = [
  { name: "clashing labels are renamed", body: 'm{job="x",a="1"} 1\n', expected: { '{"a":"1","exported_job":"x","instance":"a:1","job":"j"}': "1" } },
  {
    name: "a taken name is renamed once more", body: 'm{job="x",exported_job="y"} 1\n',
    expected: { '{"exported_exported_job":"x","exported_job":"y","instance":"a:1","job":"j"}': "1" },
  },
  { name: "honor_labels keeps them", config: "  honor_labels: true\n", body: 'm{job="x"} 1\nm 2\n', expected: { '{"instance":"a:1","job":"x"}': "1", [own]: "2" } },
  { name: "an empty label is none", body: 'm{job=""} 1\n', expected: { [own]: "1" } },
  {
    name: "metric_relabel_configs see the target's labels and drop", body: 'm{x="1"} 1\nm{x="2"} 2\nm{x="3"} 3\n',
    config: '  metric_relabel_configs: [{action: drop, source_labels: [x], regex: "2"}, {source_labels: [job, x], target_label: y}, {target_label: __tmp_z, replacement: z}]\n',
    expected: { '{"instance":"a:1","job":"j","x":"1","y":"j;1"}': "1", '{"instance":"a:1","job":"j","x":"3","y":"j;3"}': "3" },
  },
  {
    name: "automatic series are not relabelled", body: "m 1\n", metric: "up",
    config: "  metric_relabel_configs: [{action: drop, source_labels: [__name__], regex: '.*'}]\n", expected: { [own]: "1" },
  },
];

for (const row of labelRows) {
  test(`labels: ${row.name}`, async () => {
    await using setup = new Setup({ [page]: row.body }, job(row.config));
    await setup.pass(20);
    const expected = Object.fromEntries(Object.entries(row.expected).map(([labels, value]) => [labels, `${value} ${value}`]));
    assert.deepEqual(await setup.samples(row.metric ?? "m"), expected);
  });
}

test("external labels come last, on every series", async () => {
  await using setup = new Setup({ [page]: 'm{dc="x"} 1\nn 1\n' }, job("", ", external_labels: {dc: east}"));
  await setup.pass(10);
  assert.deepEqual(await setup.samples("m"), { '{"dc":"east","exported_dc":"x","instance":"a:1","job":"j"}': "1" });
  assert.deepEqual(await setup.samples("n"), { '{"dc":"east","instance":"a:1","job":"j"}': "1" });
  assert.deepEqual(await setup.samples("up"), { '{"dc":"east","instance":"a:1","job":"j"}': "1" });
});

const timestampRows: { name: string; config: string; answer: Answer; expectedMs: number | "scrape" }[] = [
  { name: "are those of the scrape by default", config: "", answer: "m 1 1690000000000\n", expectedMs: "scrape" },
  { name: "of the page with honor_timestamps", config: "  honor_timestamps: true\n", answer: "m 1 1690000000000\n", expectedMs: 1_690_000_000_000 },
  { name: "of the scrape where the page has none", config: "  honor_timestamps: true\n", answer: "m 1\n", expectedMs: "scrape" },
  {
    name: "are seconds in OpenMetrics", config: "  honor_timestamps: true\n", expectedMs: 1_690_000_000_500,
    answer: { text: "m 1 1690000000.5\n# EOF\n", contentType: "application/openmetrics-text; version=1.0.0" },
  },
];

for (const row of timestampRows) {
  test(`timestamps: ${row.name}`, async () => {
    await using setup = new Setup({ [page]: row.answer }, job(row.config));
    await setup.pass(10);
    assert.deepEqual(await setup.timestampsMs("m"), row.expectedMs === "scrape" ? await setup.timestampsMs("up") : [row.expectedMs]);
  });
}

const limitRows: { name: string; config: string; body: string; error: RegExp | undefined }[] = [
  { name: "sample_limit", config: "  sample_limit: 2\n", body: "m 1\nn 1\no 1\n", error: /3 samples, more than sample_limit 2/ },
  { name: "sample_limit just met", config: "  sample_limit: 3\n", body: "m 1\nn 1\no 1\n", error: undefined },
  {
    name: "sample_limit counts behind relabeling", body: "m 1\nn 1\no 1\n", error: undefined,
    config: "  sample_limit: 2\n  metric_relabel_configs: [{action: drop, source_labels: [__name__], regex: o}]\n",
  },
  { name: "label_limit counts all labels", config: "  label_limit: 4\n", body: 'm{a="1",b="2"} 1\n', error: /series of m has 5 labels, more than label_limit 4/ },
  { name: "label_name_length_limit", config: "  label_name_length_limit: 8\n", body: 'm{abcdefghi="1"} 1\n', error: /label abcdefghi of m is longer/ },
  { name: "label_value_length_limit", config: "  label_value_length_limit: 3\n", body: 'm{a="1234"} 1\n', error: /value of label a of m is longer/ },
];

for (const row of limitRows) {
  test(`limits: ${row.name}`, async () => {
    await using setup = new Setup({ [page]: row.body }, job(row.config));
    await setup.pass(10);
    assert.deepEqual(await setup.samples("up"), { [own]: row.error === undefined ? "1" : "0" });
    assert.equal(Object.keys(await setup.samples("m")).length, row.error === undefined ? 1 : 0);
    assert.match(setup.manager.activeTargets()[0].lastError, row.error ?? /^$/);
  });
}

test("bad lines are left out and reported; a page without a good line is a failure", async () => {
  await using setup = new Setup({ [page]: (i) => (i === 0 ? "m 1\nn{ 2\no 3\n" : "<html>\n<body>not metrics</body>\n</html>\n") }, job());
  await setup.pass(10);
  const [target] = setup.manager.activeTargets();
  assert.deepEqual([target.health, target.lastSamplesScraped], ["up", 2]);
  assert.match(target.lastError, /^1 lines or histograms were left out; the first: line 2, column \d+: /);
  await setup.pass(10);
  assert.equal(setup.manager.activeTargets()[0].health, "down");
  assert.match(setup.manager.activeTargets()[0].lastError, /^no line can be read: line 1/);
  assert.deepEqual(await setup.samples("up"), { [own]: "1 0" });
  assert.deepEqual(await setup.samples("m"), { [own]: "1 stale" });
});

test("a page of many slices is stored whole, and its series are tracked", async () => {
  const lines = (from: number, to: number): string => Array.from({ length: to - from }, (_, i) => `m{i="${from + i}",text="some longer text to fill the page"} ${i}\n`).join("");
  await using setup = new Setup({ [page]: (i) => (i === 0 ? lines(0, 20_000) : lines(5_000, 20_001)) }, job("  metric_relabel_configs: [{action: labeldrop, regex: text}]\n"));
  await setup.pass(10);
  assert.deepEqual(await setup.samples("scrape_samples_scraped"), { [own]: "20000" });
  await setup.pass(10);
  assert.deepEqual(await setup.samples("scrape_series_added"), { [own]: "20000 1" });
  assert.deepEqual(await setup.samples("m", { i: "0" }), { '{"i":"0","instance":"a:1","job":"j"}': "0 stale" });
  assert.deepEqual(await setup.samples("m", { i: "5000" }), { '{"i":"5000","instance":"a:1","job":"j"}': "5000 0" });
  assert.deepEqual(await setup.samples("m", { i: "20000" }), { '{"i":"20000","instance":"a:1","job":"j"}': "15000" });
});

test("target relabeling: labels, drops, intervals, duplicates", async () => {
  const config = `
global: {scrape_interval: 10s}
scrape_configs:
- job_name: j
  params: {module: [x, y]}
  static_configs:
  - targets: ["a:1", "b:1", "c:1", "a:1"]
    labels: {env: prod, __meta_rack: r7}
  relabel_configs:
  - {source_labels: [__address__], regex: "b:.*", action: drop}
  - {source_labels: [__meta_rack], target_label: rack}
  - {source_labels: [__address__], regex: "c:1", target_label: __scrape_interval__, replacement: 5s}
  - {source_labels: [__param_module], target_label: module}
`;
  await using setup = new Setup({}, config);
  const { activeTargets, droppedTargets } = setup.manager.targets();
  assert.deepEqual(activeTargets.map(({ scrapeUrl, scrapeInterval, scrapeTimeout }) => [scrapeUrl, scrapeInterval, scrapeTimeout]), [
    ["http://a:1/metrics?module=x&module=y", "10s", "10s"], ["http://c:1/metrics?module=x&module=y", "5s", "5s"],
  ]);
  assert.deepEqual(activeTargets[0].labels, { env: "prod", instance: "a:1", job: "j", module: "x", rack: "r7" });
  assert.equal(activeTargets[0].discoveredLabels["__meta_rack"], "r7");
  assert.deepEqual([activeTargets[0].health, activeTargets[0].lastScrape], ["unknown", "0001-01-01T00:00:00Z"]);
  assert.deepEqual(droppedTargets.map(({ discoveredLabels }) => discoveredLabels["__address__"]), ["b:1"]);
  assert.match(setup.log.join("\n"), /the target http:\/\/a:1\/metrics\?module=x&module=y with the same labels twice/);
});

test("file_sd: files are found, changed, broken and removed", async () => {
  await using setup = new Setup({});
  const write = (name: string, text: string): void => {
    using file = setup.files.open(`/etc/targets/${name}`, "create");
    file.write(Buffer.from(text), 0);
  };
  const addresses = (): string[] => setup.manager.activeTargets().map(({ labels }) => labels["instance"]);
  setup.files.makeDirectory("/etc/targets");
  write("one.json", '[{"targets": ["a:1"], "labels": {"x": "1"}}]');
  write("skipped.txt", "");
  setup.apply("scrape_configs: [{job_name: j, file_sd_configs: [{files: ['targets/*.json', 'targets/t[0-9].yml'], refresh_interval: 5s}]}]");
  assert.deepEqual(addresses(), ["a:1"]);
  assert.equal(setup.manager.activeTargets()[0].discoveredLabels["__meta_filepath"], "/etc/targets/one.json");
  assert.equal(setup.manager.activeTargets()[0].labels["x"], "1");
  write("t2.yml", "- targets: [b:1, c:1]\n");
  await setup.pass(5);
  assert.deepEqual(addresses(), ["a:1", "b:1", "c:1"]);
  write("t2.yml", "- targets: [b:1\n");
  await setup.pass(20);
  assert.deepEqual(addresses(), ["a:1", "b:1", "c:1"]);
  assert.equal(setup.log.filter((line) => line.includes("t2.yml")).length, 1, setup.log.join("\n"));
  assert.match(setup.log.join("\n"), /the old ones stay: \/etc\/targets\/t2.yml:2:1: bad YAML/);
  write("t2.yml", "- targets: [c:1]\n  label: {}\n");
  await setup.pass(5);
  assert.match(setup.log.join("\n"), /\/etc\/targets\/t2.yml:2:3: \[0\].label: unknown key; did you mean labels\?/);
  write("t2.yml", "- targets: [c:1]\n");
  setup.files.remove("/etc/targets/one.json");
  await setup.pass(5);
  assert.deepEqual(addresses(), ["c:1"]);
});

test("a store that refuses is reported, and the target stays up", async () => {
  await using setup = new Setup({ [page]: "m 1\n" });
  setup.store.write = () => Promise.reject(new Error("disk full"));
  setup.apply(job());
  await setup.pass(20);
  const [target] = setup.manager.activeTargets();
  assert.deepEqual([target.health, target.lastError], ["up", "cannot store: disk full"]);
});

test("what is asked of a target: URL, timeout, limits, settings", async () => {
  await using setup = new Setup({ "https://a:1/m?x=1": "m 1\n" }, job("  scheme: https\n  metrics_path: /m\n  params: {x: ['1']}\n  scrape_timeout: 2s\n  max_scrape_size: 1MiB\n  bearer_token: secret\n"));
  await setup.pass(10);
  const [request] = setup.client.requests;
  assert.deepEqual([request.url, request.timeoutMs, request.bodyBytesMax], ["https://a:1/m?x=1", 2_000, 1 << 20]);
  assert.deepEqual(request.http.authorization, { kind: "header", type: "Bearer", credentials: { text: "secret" } });
  assert.equal(setup.manager.activeTargets()[0].health, "up");
});

test("native histograms: asked for by protobuf, relabeled as one series, counted as one sample, stale when they are gone", async () => {
  const histogram = { sample_count: 3, sample_sum: 4, schema: 0, zero_threshold: 0.5, zero_count: 1, positive_span: [{ offset: 1, length: 1 }], positive_delta: [2], bucket: [{ cumulative_count: 3, upper_bound: 9 }] };
  const families = [{ name: "h", type: 4, metric: [{ label: [{ name: "job", value: "own" }], histogram }] }, { name: "g", type: 1, metric: [{ gauge: { value: 1 } }] }];
  const pages = { "http://a:1/metrics": (request: number) => ({ text: encodeExposition(request === 0 ? families : families.slice(1)), contentType: expositionContentType }) };
  const config = `
global:
  scrape_interval: 10s
scrape_configs:
  - job_name: a
    scrape_native_histograms: true
    sample_limit: 2
    metric_relabel_configs: [{ target_label: zone, replacement: z }]
    static_configs: [{ targets: ["a:1"] }]`;
  await using setup = new Setup(pages, config);
  await setup.pass(20);
  assert.match(setup.client.requests[0].accept ?? "", /^application\/vnd\.google\.protobuf;proto=io\.prometheus\.client\.MetricFamily;encoding=delimited;q=0\.6,application\/openmetrics-text;version=1\.0\.0;q=0\.5,/);
  const components = await setup.samples("h");
  const key = (component: string): string => Object.keys(components).find((labels) => labels.includes(`"${component}"`)) ?? "";
  assert.deepEqual(["count", "p0:1", "z:0.5", "schema"].map((component) => components[key(component)]), ["3 stale", "2 stale", "1 stale", "516 stale"]);
  for (const part of ['"zone":"z"', '"job":"a"', '"exported_job":"own"']) assert(key("count").includes(part), key("count"));
  const scraped = Object.values(await setup.samples("scrape_samples_scraped"))[0];
  assert.equal(scraped, "2 1");
  assert.deepEqual(await setup.samples("h_bucket"), {});
});

/** The values of a component, by the other labels. */
async function componentOf(setup: Setup, name: string, component: string): Promise<Record<string, string>> {
  const found = Object.entries(await setup.samples(name, { __histogram__: component }));
  return Object.fromEntries(found.map(([labels, values]) => [Object.entries(JSON.parse(labels) as Record<string, string>).filter(([label]) => !/^(?:__histogram__|instance|job)$/.test(label)).map(([label, value]) => `${label}=${value}`).join(), values]));
}

const classicPage = `# TYPE h histogram
h_bucket{a="1",le="0.5"} 1
h_bucket{a="1",le="1"} 3
h_bucket{a="1",le="+Inf"} 4
h_sum{a="1"} 5.5
h_count{a="1"} 4
h_bucket{a="2",le="+Inf"} 2
h_sum{a="2"} 1
# TYPE other gauge
other_count 7
# TYPE broken histogram
broken_bucket{le="1"} 3
broken_bucket{le="+Inf"} 2
broken_count 2
`;
const classicFamilies = [{ name: "h", type: 4, metric: [{ label: [{ name: "a", value: "1" }], histogram: { sample_count: 4, sample_sum: 5.5, bucket: [{ cumulative_count: 1, upper_bound: 0.5 }, { cumulative_count: 3, upper_bound: 1 }] } }] }];
const converted: { name: string; page: Answer; more: string; classic: number }[] = [
  { name: "text", page: classicPage, more: "  convert_classic_histograms_to_nhcb: true\n  sample_limit: 3\n", classic: 0 },
  { name: "text, classic ones kept", page: classicPage, more: "  convert_classic_histograms_to_nhcb: true\n  always_scrape_classic_histograms: true\n", classic: 3 },
  { name: "protobuf", page: { text: encodeExposition(classicFamilies), contentType: expositionContentType }, more: "  convert_classic_histograms_to_nhcb: true\n", classic: 0 },
  { name: "protobuf, classic ones kept", page: { text: encodeExposition(classicFamilies), contentType: expositionContentType }, more: "  convert_classic_histograms_to_nhcb: true\n  always_scrape_classic_histograms: true\n", classic: 3 },
];
for (const row of converted) {
  test(`classic histograms are converted: ${row.name}`, async () => {
    await using setup = new Setup({ [page]: (request) => (request === 0 ? row.page : "m 1\n") }, job(row.more));
    await setup.pass(20);
    // 92 is the schema -53 with whole counts.
    for (const [component, value] of [["schema", "92 stale"], ["count", "4 stale"], ["sum", "5.5 stale"], ["c:0.5", "1 stale"], ["c:1", "2 stale"], ["c:+Inf", "1 stale"]]) {
      assert.equal((await componentOf(setup, "h", component))["a=1"], value, component);
    }
    assert.equal(Object.keys(await setup.samples("h_bucket", { a: "1" })).length, row.classic);
    assert.equal(Object.keys(await setup.samples("h_sum", { a: "1" })).length, row.classic === 0 ? 0 : 1);
    if (!row.name.startsWith("text")) return;
    assert.equal((await componentOf(setup, "h", "c:+Inf"))["a=2"], "2 stale");
    assert.deepEqual(Object.values(await setup.samples("other_count")), ["7 stale"]);
    assert.deepEqual(await setup.samples("broken", { __histogram__: "count" }), {});
  });
}

test("a histogram that cannot be converted is told about", async () => {
  await using setup = new Setup({ [page]: classicPage }, job("  convert_classic_histograms_to_nhcb: true\n"));
  await setup.pass(10);
  assert.match(setup.manager.activeTargets()[0].lastError, /invalid classic histogram: the bucket up to Infinity counts less/);
});

const openMetrics = `# TYPE c counter
c_total{a="1"} 5
c_created{a="1"} 1600000000.25
# TYPE h histogram
h_bucket{le="1.0"} 1
h_bucket{le="+Inf"} 2
h_sum 3
h_count 2
h_created 1600000001
# TYPE g_created gauge
g_created 7
# EOF
`;
test("start timestamps: of OpenMetrics text", async () => {
  const pages = { [page]: { text: openMetrics, contentType: "application/openmetrics-text; version=1.0.0" } };
  await using setup = new Setup(pages, job(), true);
  await setup.pass(20);
  assert.match(setup.client.requests[0].accept ?? "", /^application\/vnd\.google\.protobuf;/);
  assert.deepEqual(await componentOf(setup, "c_total", "start"), { "a=1": "1600000000250 1600000000250" });
  assert.deepEqual(await componentOf(setup, "h_bucket", "start"), { "le=1.0": "1600000001000 1600000001000", "le=+Inf": "1600000001000 1600000001000" });
  assert.deepEqual(await componentOf(setup, "h_count", "start"), { "": "1600000001000 1600000001000" });
  assert.deepEqual([await setup.samples("c_created"), Object.values(await setup.samples("g_created"))], [{}, ["7 7"]]);
  assert.deepEqual(Object.values(await setup.samples("scrape_samples_post_metric_relabeling")), ["6 6"]);
});

test("start timestamps: of protobuf, of converted histograms, and none unless asked for", async () => {
  const created_timestamp = { seconds: 1_600_000_000, nanos: 5_000_000 };
  const families = [
    { name: "c_total", type: 0, metric: [{ counter: { value: 5, created_timestamp } }] },
    { name: "s", type: 2, metric: [{ summary: { sample_count: 1, sample_sum: 2, quantile: [{ quantile: 0.5, value: 2 }], created_timestamp } }] },
    { name: "h", type: 4, metric: [{ histogram: { sample_count: 1, sample_sum: 2, bucket: [{ cumulative_count: 1, upper_bound: 1 }], created_timestamp } }] },
  ];
  const pages = { [page]: { text: encodeExposition(families), contentType: expositionContentType } };
  for (const storesStarts of [true, false]) {
    await using setup = new Setup(pages, job("  convert_classic_histograms_to_nhcb: true\n"), storesStarts);
    await setup.pass(10);
    const expected = storesStarts ? { "": "1600000000005" } : {};
    for (const name of ["c_total", "s_sum", "s_count", "h"]) assert.deepEqual(await componentOf(setup, name, "start"), expected, name);
    assert.deepEqual(await componentOf(setup, "s", "start"), {});
    assert.equal(setup.client.requests[0].accept?.startsWith("application/vnd") ?? false, storesStarts);
  }
});
