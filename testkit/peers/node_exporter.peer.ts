// A real node_exporter, scraped by the installed program: its series and what queries make of them, staleness when it goes away, reloads.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { findPeer, freePort, isAnswering, PeerProcess, startTidemark, waitFor } from "./peer_process.ts";
import { queryInstant, queryNumber } from "./prometheus_api.ts";

const command = findPeer("node_exporter", "NODE_EXPORTER_CMD", "/usr/bin/prometheus-node-exporter");
const skip = command === undefined ? "PEER MISSING: node_exporter" : false;

let folder: string;
let port: number;
let exporter: PeerProcess;
let tidemark: Awaited<ReturnType<typeof startTidemark>>;

const configPath = (): string => join(folder, "prometheus.yml");
const config = (more = ""): string => `
global: {scrape_interval: 1s}
scrape_configs:
- job_name: node
  static_configs: [{targets: ["127.0.0.1:${port}"], labels: {env: test}}]
  metric_relabel_configs:
  - {action: drop, source_labels: [__name__], regex: "node_scrape_collector_.*"}
${more}`;

const startExporter = (): PeerProcess => new PeerProcess(command!, [`--web.listen-address=127.0.0.1:${port}`]);
const number = (query: string): Promise<number | undefined> => queryNumber(tidemark.url, query);

before(async () => {
  if (skip !== false) return;
  folder = mkdtempSync(join(tmpdir(), "tidemark-peer-"));
  port = await freePort();
  exporter = startExporter();
  await waitFor("node_exporter", () => isAnswering(`http://127.0.0.1:${port}/metrics`));
  writeFileSync(configPath(), config());
  tidemark = await startTidemark(`-storageDataPath=${join(folder, "data")}`, `-promscrape.config=${configPath()}`, "-selfScrapeInterval=0");
  await waitFor("five scrapes", async () => ((await number('count_over_time(up{job="node"}[1m])')) ?? 0) >= 5 || undefined);
});
after(async () => {
  if (skip !== false) return;
  await exporter[Symbol.asyncDispose]();
  await tidemark[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test("node_exporter: the target is up and says so", { skip }, async () => {
  assert.equal(await number('up{job="node"}'), 1);
  const { data } = (await (await fetch(`${tidemark.url}/api/v1/targets`)).json()) as { data: { activeTargets: Record<string, unknown>[] } };
  assert.equal(data.activeTargets.length, 1);
  const [target] = data.activeTargets;
  assert.deepEqual([target["health"], target["lastError"], target["scrapePool"]], ["up", "", "node"]);
  assert.deepEqual(target["labels"], { env: "test", instance: `127.0.0.1:${port}`, job: "node" });
});

test("node_exporter: every metric of its page is there, but for the dropped ones", { skip }, async () => {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const names = new Set(page.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => /^[\w:]+/.exec(line)![0]));
  const answer = (await (await fetch(`${tidemark.url}/api/v1/label/__name__/values`)).json()) as { data: string[] };
  const stored = new Set(answer.data);
  const missing = [...names].filter((name) => !stored.has(name));
  assert.ok(names.size > 150, `${names.size} names`);
  assert.deepEqual(missing, [...names].filter((name) => name.startsWith("node_scrape_collector_")));
  const scraped = await number('scrape_samples_scraped{job="node"}');
  const stored2 = await number('scrape_samples_post_metric_relabeling{job="node"}');
  assert.ok(scraped! > stored2! && stored2! > 300, `${scraped} scraped, ${stored2} stored`);
  assert.equal(await number('count({job="node",env="test"})'), stored2! + 7, "the series of the page and the automatic ones");
});

test("node_exporter: values are those of this machine", { skip }, async () => {
  const memory = Number(/^MemTotal:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))![1]) * 1024;
  assert.equal(await number("node_memory_MemTotal_bytes"), memory);
  const cpus = Number(await number('count(node_cpu_seconds_total{mode="idle"})'));
  assert.ok(cpus >= availableParallelism());
  assert.equal(await number("count(count by (mode) (node_cpu_seconds_total))"), await number('count(node_cpu_seconds_total{cpu="0"})'));
  const busy = await number("sum(rate(node_cpu_seconds_total[5s]))");
  assert.ok(busy! > cpus * 0.7 && busy! < cpus * 1.3, `${busy} CPU seconds a second on ${cpus} CPUs`);
  const [uname] = await queryInstant(tidemark.url, "node_uname_info");
  assert.equal(uname.metric["sysname"], "Linux");
  const bootTime = await number("node_boot_time_seconds");
  assert.ok(Math.abs(Date.now() / 1000 - bootTime! - Number(await number("node_time_seconds - node_boot_time_seconds"))) < 60);
  const share = await number("node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes");
  assert.ok(share! > 0 && share! < 1);
  assert.equal(await number('max_over_time(scrape_timeout_seconds{job="node"}[1m])'), 1);
});

test("node_exporter: metadata", { skip }, async () => {
  const response = await fetch(`${tidemark.url}/api/v1/metadata?metric=node_cpu_seconds_total`);
  const { data } = (await response.json()) as { data: Record<string, { type: string; help: string }[]> };
  assert.deepEqual(data["node_cpu_seconds_total"].map(({ type, help }) => [type, help]), [["counter", "Seconds the CPUs spent in each mode."]]);
});

test("node_exporter: a wrong configuration is refused with its position and changes nothing; a good one is followed", { skip }, async () => {
  writeFileSync(configPath(), config("- job_name: node\n  scrape_intervall: 1s\n"));
  const response = await fetch(`${tidemark.url}/-/reload`, { method: "POST" });
  const body = await response.text();
  assert.equal(response.status, 400);
  assert.match(body, /prometheus\.yml:8:3: scrape_configs\[1\]\.job_name: there is a job .*node.* in line 4 already/);
  assert.match(body, /prometheus\.yml:9:3: scrape_configs\[1\]\.scrape_intervall: unknown key; did you mean scrape_interval\?/);
  assert.equal(await number('up{job="node"}'), 1);
  const scrapes = Number(await number('count_over_time(up{job="node"}[10m])'));
  writeFileSync(configPath(), config(`- job_name: again\n  static_configs: [{targets: ["127.0.0.1:${port}"]}]\n`));
  tidemark.signal("SIGHUP");
  await waitFor("the second job", async () => (await number('up{job="again"}')) === 1 || undefined);
  await waitFor("the first job to go on", async () => Number(await number('count_over_time(up{job="node"}[10m])')) > scrapes || undefined);
  assert.equal(await number('max_over_time(scrape_series_added{job="node"}[10m])'), await number('scrape_samples_post_metric_relabeling{job="node"}'), "its loop was not restarted");
});

test("node_exporter: its series end when it dies and begin again when it is back", { skip }, async () => {
  await exporter[Symbol.asyncDispose]();
  await waitFor("up to be 0", async () => (await number('up{job="node"}')) === 0 || undefined);
  await waitFor("stale markers", async () => (await queryInstant(tidemark.url, 'node_load1{job="node"}')).length === 0 || undefined, 5_000);
  exporter = startExporter();
  await waitFor("up to be 1", async () => (await number('up{job="node"}')) === 1 || undefined);
  assert.equal((await queryInstant(tidemark.url, 'node_load1{job="node"}')).length, 1);
});
