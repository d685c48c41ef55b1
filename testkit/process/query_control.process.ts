/** Queries under control, in a whole server: listed, cancelled, queued, timed out and logged; traced across threads; hints; and metadata over a restart. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, ServerProcess, temporaryFolder, waitUntil } from "./server_process.ts";

const baseMs = Date.UTC(2026, 5, 1);
const timestampsMs = Array.from({ length: 60 }, (_, k) => baseMs + k * 60_000);

async function load(server: ServerProcess): Promise<void> {
  const series = Array.from({ length: 1000 }, (_, i) => ({
    labels: [{ name: "__name__", value: "heavy" }, { name: "number", value: String(i) }],
    timestampsMs,
    values: Float64Array.from(timestampsMs, (_, k) => i * k),
  }));
  assert.equal((await server.write(series)).status, 204);
}

/** A minute of work or so. */
const endless = rangePath("sum(stddev_over_time(heavy[30m:1s]))", 1);

function rangePath(query: string, stepS: number, others: Record<string, string> = {}): string {
  const times = { start: String(baseMs / 1000), end: String(timestampsMs.at(-1)! / 1000), step: String(stepS) };
  return `/api/v1/query_range?${new URLSearchParams({ query, ...times, ...others })}`;
}

interface Listed {
  readonly id: string;
  readonly query: string;
}

async function activeQueries(server: ServerProcess): Promise<readonly Listed[]> {
  return (JSON.parse((await server.request("/api/v1/status/active_queries")).text) as { data: Listed[] }).data;
}

test("query control: queries are listed and cancelled, wait for their turn, end in time, and leave their thread", async (context) => {
  using folder = temporaryFolder();
  await using server = await ServerProcess.start(folder.path, [
    "-search.maxConcurrentRequests=2", "-search.maxQueueDuration=300ms", "-search.maxQueryDuration=20s", "-search.logSlowQueryDuration=200ms",
  ]);
  await load(server);
  const running: Promise<Answer>[] = [server.request(endless), server.request(endless)];
  await waitUntil("both are listed", 10_000, async () => (await activeQueries(server)).length === 2);

  const queued = await server.request("/api/v1/query?query=1");
  assert.equal(queued.status, 429, queued.text);
  assert.match(queued.headers.get("Retry-After") ?? "", /^\d+$/);
  assert.match(queued.text, /2 requests are at work \(-search\.maxConcurrentRequests\).* for 0\.3s \(-search\.maxQueueDuration\)/);

  for (const { id, query } of await activeQueries(server)) {
    const answer = await server.request(`/api/v1/status/active_queries?id=${id}`, { method: "DELETE" });
    assert.deepEqual([answer.status, JSON.parse(answer.text)], [200, { status: "success", data: { id, query } }]);
  }
  for (const answer of await Promise.all(running)) {
    assert.equal(answer.status, 499, answer.text);
    assert.match(answer.text, /the query [0-9A-F]{16} was cancelled through \/api\/v1\/status\/active_queries/);
  }
  const sinceMs = performance.now();
  const answer = await server.request("/api/v1/query?query=count(heavy)&time=" + baseMs / 1000);
  assert.equal(answer.status, 200, answer.text);
  context.diagnostic(`a light query after two that were cancelled: ${Math.round(performance.now() - sinceMs)} ms`);
  assert.ok(performance.now() - sinceMs < 5000);

  const late = await server.request(`${endless}&timeout=300ms`);
  assert.equal(late.status, 503, late.text);
  assert.match(late.text, /longer than 0\.3s \(argument timeout, -search\.maxQueryDuration\)/);
  const [line] = server.errors.split("\n").filter((text) => text.includes("longer than 0.3s"));
  assert.match(line, /\twarn\tslow query \(-search\.logSlowQueryDuration=0\.2s\): duration=0\.[3-9]\d\ds waited=.* path=\/api\/v1\/query_range .* query="sum\(stddev_over_time\(heavy\[30m:1s\]\)\)"$/);
  assert.ok((await server.metric("vm_slow_queries_total")) >= 3);
  const top = JSON.parse((await server.request("/api/v1/status/top_queries?topN=1")).text) as { topBySumDuration: { query: string; count: number }[] };
  assert.deepEqual([top.topBySumDuration[0].query, top.topBySumDuration[0].count], ["sum(stddev_over_time(heavy[30m:1s]))", 3]);
});

test("query control: -search.maxQueryDuration ends what asks for more time", async () => {
  using folder = temporaryFolder();
  await using server = await ServerProcess.start(folder.path, ["-search.maxQueryDuration=500ms"]);
  await load(server);
  const late = await server.request(`${endless}&timeout=1h`);
  assert.equal(late.status, 503, late.text);
  assert.match(late.text, /longer than 0\.5s \(argument timeout, -search\.maxQueryDuration\)/);
});

interface Traced {
  readonly message: string;
  readonly duration_msec: number;
  readonly children?: readonly Traced[];
}

test("query control: traces across threads, hints, and answers in zstd", async () => {
  using folder = temporaryFolder();
  await using server = await ServerProcess.start(folder.path);
  await load(server);
  const traced = JSON.parse((await server.request(rangePath("sum(rate(heavy[5m]))", 60, { trace: "1" }))).text) as { data: { result: unknown[] }; trace: Traced };
  assert.equal(traced.data.result.length, 1);
  const messages = (node: Traced): string[] => [node.message, ...(node.children ?? []).flatMap(messages)];
  const all = messages(traced.trace).join("\n");
  for (const part of [/aggregate sum/, /rollup rate/, /select series of heavy/, /read \d+ samples .* of 1000 series/, /encode 1 series as \d+ bytes/]) assert.match(all, part);
  assert.ok(traced.trace.duration_msec > 0);

  const hinted = JSON.parse((await server.request(rangePath('heavy{number="10000"}', 60))).text) as { hints: string[] };
  assert.deepEqual(hinted.hints, ['no series of heavy has number="10000"; did you mean number="100"?']);

  const compressed = await server.request(rangePath("heavy", 60), { headers: { "Accept-Encoding": "zstd, gzip" } });
  assert.equal(compressed.headers.get("Content-Encoding"), "zstd");
  assert.equal((JSON.parse(compressed.text) as { data: { result: unknown[] } }).data.result.length, 1000);
});

test("query control: metadata survives a restart, a kill and a checkpoint", async () => {
  using folder = temporaryFolder();
  const page = (help: string): string => `# TYPE requests_total counter\n# HELP requests_total ${help}\nrequests_total 1\n`;
  const metadataOf = async (server: ServerProcess): Promise<unknown> => (JSON.parse((await server.request("/api/v1/metadata?metric=requests_total")).text) as { data: unknown }).data;
  const expected = (help: string): unknown => ({ requests_total: [{ type: "counter", help, unit: "" }] });
  {
    await using server = await ServerProcess.start(folder.path);
    await server.importText(page("First."));
    assert.deepEqual(await metadataOf(server), expected("First."));
    assert.equal((await server.stop()).code, 0);
  }
  {
    await using server = await ServerProcess.start(folder.path);
    assert.deepEqual(await metadataOf(server), expected("First."));
    await server.importText(page("Second."));
    await server.stop("SIGKILL");
  }
  await using server = await ServerProcess.start(folder.path);
  assert.deepEqual(await metadataOf(server), expected("Second."));
  await server.flush();
  await server.stop("SIGKILL");
  await using again = await ServerProcess.start(folder.path);
  assert.deepEqual(await metadataOf(again), expected("Second."));
});
