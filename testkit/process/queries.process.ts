/** Queries that are heavy, that nobody waits for any more, or that are over a limit; and the own metrics, read back by their own server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fleetSeries } from "../remote_write_body.ts";
import { ServerProcess, temporaryFolder, waitUntil } from "./server_process.ts";

const baseMs = Date.UTC(2026, 5, 1);
const stepMs = 15_000;
const seriesCount = 2000;
const sampleCount = 240;
const endMs = baseMs + (sampleCount - 1) * stepMs;

/** Value of sample `k` of series `i`. */
const valueOf = (i: number, k: number): number => i + k / 256;

/** An hour of 2,000 series. */
async function load(server: ServerProcess): Promise<void> {
  const timestampsMs = Array.from({ length: sampleCount }, (_, k) => baseMs + k * stepMs);
  for (let from = 0; from < seriesCount; from += 250) {
    const series = Array.from({ length: 250 }, (_, offset) => {
      const i = from + offset;
      const labels = [{ name: "__name__", value: "heavy" }, { name: "group", value: String(i % 10) }, { name: "number", value: String(i) }];
      return { labels, timestampsMs, values: Float64Array.from(timestampsMs, (_, k) => valueOf(i, k)) };
    });
    assert.equal((await server.write(series)).status, 204);
  }
}

const heavyQuery = "quantile by (group) (0.9, stddev_over_time(heavy[15m:15s])) + sum by (group) (max_over_time(rate(heavy[5m])[20m:15s]))";
const rangeOf = (query: string): string =>
  `/api/v1/query_range?${new URLSearchParams({ query, start: String(baseMs / 1000), end: String(endMs / 1000), step: "15", nocache: "1" })}`;

test("queries: heavy ones side by side, light ones between them, and clients that go away", async (context) => {
  using folder = temporaryFolder();
  await using server = await ServerProcess.start(folder.path);
  await load(server);

  const sinceMs = performance.now();
  let heavyDone = 0;
  const heavy = [0, 1].map(async () => {
    const answer = await server.request(rangeOf(heavyQuery));
    heavyDone++;
    return answer;
  });
  const health: number[] = [];
  while (heavyDone === 0) {
    const askedMs = performance.now();
    assert.equal((await server.request("/health")).status, 200);
    assert.equal((await server.write(fleetSeries(100, endMs))).status, 204);
    health.push(performance.now() - askedMs);
  }
  const [first, second] = await Promise.all(heavy);
  context.diagnostic(`two heavy queries: ${Math.round(performance.now() - sinceMs)} ms; ${health.length} writes meanwhile, the slowest took ${Math.round(Math.max(...health))} ms`);
  assert.equal(first.status, 200, first.text);
  const resultOf = (text: string): unknown => (JSON.parse(text) as { data: unknown }).data;
  assert.deepEqual(resultOf(first.text), resultOf(second.text));
  assert.ok(Math.max(...health) < 2000, "queries do not keep writes waiting");

  const aborts = Array.from({ length: 10 }, (_, i) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20 + i * 20);
    return assert.rejects(server.request(rangeOf(heavyQuery), { signal: controller.signal }), { name: "AbortError" });
  });
  await Promise.all(aborts);
  const askedMs = performance.now();
  assert.equal((await server.query("count(heavy)", endMs)).get("{}"), String(seriesCount));
  context.diagnostic(`a light query after ten that were given up: ${Math.round(performance.now() - askedMs)} ms`);
  assert.ok(performance.now() - askedMs < 5000, "queries that nobody waits for make room");

  const sums = await server.query("sum by (group) (heavy)", endMs);
  for (let group = 0; group < 10; group++) {
    const members = Array.from({ length: seriesCount / 10 }, (_, k) => valueOf(k * 10 + group, sampleCount - 1));
    assert.equal(Number(sums.get(JSON.stringify({ group: String(group) }))), members.reduce((sum, value) => sum + value));
  }
  assert.doesNotMatch(server.errors, /\t(error|fatal|panic)\t/);
});

const group = encodeURIComponent('{__name__="heavy",group="1"}'); // 200 series

const limitRows: { flag: string; path: string }[] = [
  { flag: "-search.maxUniqueTimeseries=1500", path: `/api/v1/query?query=heavy&time=${endMs / 1000}` },
  { flag: "-search.maxSamplesPerQuery=20000", path: `/api/v1/query?query=sum_over_time(${group}[1h])&time=${endMs / 1000}` },
  { flag: "-search.maxPointsPerTimeseries=300", path: `/api/v1/query_range?query=1&start=${baseMs / 1000}&end=${endMs / 1000}&step=1` },
  { flag: "-search.maxPointsSubqueryPerTimeseries=100", path: `/api/v1/query?query=max_over_time(${group}[1h:15s])&time=${endMs / 1000}` },
  { flag: "-search.maxMemoryPerQuery=300000", path: `/api/v1/query_range?query=${group}&start=${baseMs / 1000}&end=${baseMs / 1000 + 299}&step=1` },
  { flag: "-search.maxQueryLen=90", path: `/api/v1/query?query=${"a".repeat(91)}` },
  { flag: "-search.maxSeriesPerAggrFunc=50", path: `/api/v1/query?query=count_values("v",${group})&time=${endMs / 1000}` },
  { flag: "-search.maxResponseSeries=199", path: `/api/v1/query?query=${group}&time=${endMs / 1000}` },
  { flag: "-search.maxSeries=20", path: `/api/v1/series?match[]=${group}&start=${baseMs / 1000}` },
  { flag: "-search.maxExportSeries=150", path: `/api/v1/export?match[]=${group}` },
];

test("queries: over a limit, the answer names the flag", async (context) => {
  using folder = temporaryFolder();
  {
    await using server = await ServerProcess.start(folder.path);
    await load(server);
    assert.equal((await server.stop()).code, 0);
  }
  await using server = await ServerProcess.start(folder.path, limitRows.map(({ flag }) => flag));
  for (const row of limitRows) {
    await context.test(row.flag, async () => {
      const answer = await server.request(row.path);
      assert.equal(answer.status, 422, answer.text.slice(0, 300));
      const { status, error } = JSON.parse(answer.text) as { status: string; error: string };
      assert.equal(status, "error");
      const [name, limit] = row.flag.split("=");
      assert.ok(error.includes(name), error);
      assert.ok(error.includes(limit), error);
    });
  }
  await context.test("a query within the limits", async () => {
    assert.equal((await server.query('heavy{number="7"}', endMs)).size, 1);
  });
});

test("queries: longer than allowed", async () => {
  using folder = temporaryFolder();
  await using server = await ServerProcess.start(folder.path);
  await load(server);
  const answer = await server.request(`${rangeOf(heavyQuery)}&timeout=50ms`);
  assert.equal(answer.status, 503, answer.text.slice(0, 300));
  const { errorType, error } = JSON.parse(answer.text) as { errorType: string; error: string };
  assert.equal(errorType, "timeout");
  assert.match(error, /-search\.maxQueryDuration|timeout/);
});

test("metrics: their own server reads them back whole", async () => {
  using folder = temporaryFolder();
  await using server = await ServerProcess.start(folder.path);
  await server.importText("warm 1\n");
  await server.query("warm", Date.now());
  const { text, headers } = await server.request("/metrics");
  assert.match(headers.get("Content-Type") ?? "", /^text\/plain/);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  assert.ok(lines.length > 50);
  const timestampMs = Date.now();
  const answer = await server.post(`/api/v1/import/prometheus?timestamp=${timestampMs}&extra_label=imported=yes`, text);
  assert.equal(answer.status, 204, answer.text);
  assert.equal(answer.headers.get("X-Tidemark-Dropped-Rows"), null);
  const exported = await server.exportLines('{imported="yes"}');
  assert.equal(exported.length, lines.length, "every line is a series of its own");
  for (const line of lines) {
    const name = /^[a-zA-Z_:][\w:]*/.exec(line)?.[0];
    assert.ok(exported.some(({ metric }) => metric["__name__"] === name), line);
  }
  await waitUntil("an own scrape would see the import", 5000, async () => (await server.metric('vm_rows_inserted_total{type="prometheus"}')) === lines.length + 1);
});
