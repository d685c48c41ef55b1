/** Listing, cancelling, counting and explaining queries, over a real socket and a real engine on a naive store. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import snappy from "snappyjs";
import { encodeHistogramRequest } from "../../testkit/histogram_body.ts";
import { type HttpNode, startHttpNode } from "../../testkit/http_node.ts";
import { createLogger } from "../base/logger.ts";
import { Kernel } from "../kernel/kernel.ts";
import { consecutiveBuckets, createHistogram } from "../model/native_histogram.ts";
import { Engine } from "../query/engine.ts";
import { QueryTrace, type TraceNode } from "../query/query_trace.ts";
import type { QueryResult } from "../query/result.ts";
import { encodeResult } from "../query/result_encoder.ts";
import type { EncodedAnswer, InstantRequest, QueryRunner, RangeRequest } from "./query_runner.ts";

const nowMs = Date.now();
const dayMs = 86_400_000;
const logged: string[] = [];
const ended: { query: string; reason: unknown }[] = [];
let node: HttpNode;

/** An engine, but for queries that begin with "slow": they end when they are given up. */
function engineRunner(): QueryRunner {
  const kernel = new Kernel();
  let engine: Engine | undefined;
  const answer = async (request: InstantRequest | RangeRequest, evaluate: (engine: Engine, trace: QueryTrace | undefined) => Promise<QueryResult>): Promise<EncodedAnswer> => {
    if (request.query.startsWith("slow")) {
      await new Promise((_, reject) => {
        const give = (): void => {
          ended.push({ query: request.query, reason: request.signal.reason });
          reject(request.signal.reason);
        };
        if (request.signal.aborted) give();
        else request.signal.addEventListener("abort", give, { once: true });
      });
    }
    engine ??= new Engine({ store: node.store, kernel, nowMs: Date.now });
    const trace = request.isTraced ? new QueryTrace("engine", () => performance.now()) : undefined;
    const result = await evaluate(engine, trace);
    return { body: encodeResult(result, kernel), stats: result.stats, ...(trace === undefined ? {} : { trace: trace.root.node() }) };
  };
  return {
    instant: (request) => answer(request, (engine, trace) => engine.instant({ ...request, trace, lookbackMs: request.lookbackMs || 0 })),
    range: (request) => answer(request, (engine, trace) => engine.range({ ...request, trace, lookbackMs: request.lookbackMs || 0 })),
  };
}

before(async () => {
  const logger = createLogger({ level: "INFO", format: "default", write: (line) => logged.push(line), nowMs: Date.now });
  node = await startHttpNode({ api: { queryRunner: engineRunner() }, logger, limits: { slowQueryMsMin: 100 } });
  const lines = [
    'up{job="node_exporter",instance="a:9100"} 1', 'up{job="node_exporter",instance="b:9100"} 1', 'up{job="prometheus",instance="a:9090"} 1', "node_cpu_seconds_total 5",
    `ended{job="x"} 1 ${nowMs - 3 * dayMs}`, "",
  ];
  assert.equal((await fetch(`${node.url}/api/v1/import/prometheus`, { method: "POST", body: lines.join("\n") })).status, 204);
  const histogram = createHistogram({ positive: consecutiveBuckets(1, [1, 2]), count: 3, sum: 5 });
  const body = snappy.compress(encodeHistogramRequest([{ labels: [{ name: "__name__", value: "latency_seconds" }], histograms: [[nowMs, histogram]] }]));
  assert.equal((await fetch(`${node.url}/api/v1/write`, { method: "POST", body: Buffer.from(body), headers: { "Content-Encoding": "snappy" } })).status, 204);
});
after(() => node[Symbol.asyncDispose]());

/** What answers may hold; those under test have many forms. */
interface Json {
  readonly status?: string;
  readonly hints?: readonly string[];
  readonly trace?: TraceNode;
  readonly data: readonly Record<string, string | number>[] & { readonly result: readonly { readonly value: readonly [number, string] }[] } & Explanation;
  readonly [key: string]: unknown;
}

interface Explanation {
  readonly query: string;
  readonly text: string;
  readonly plan: { readonly message: string; readonly children: readonly { readonly message: string }[] };
}

interface TopQuery {
  readonly query: string;
  readonly timeRangeSeconds: number;
  readonly count: number;
  readonly avgMemoryBytes: number;
}

interface Answer {
  readonly status: number;
  readonly json: Json;
}

async function ask(path: string, query: Record<string, string> = {}, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`${node.url}${path}?${new URLSearchParams(query)}`, init);
  return { status: response.status, json: (await response.json()) as Json };
}

async function waitFor(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(condition(), "in time");
}

test("active queries: what runs is listed with its times", async () => {
  const controller = new AbortController();
  const slow = ask("/api/v1/query_range", { query: "slow_one", start: "1000.0", end: "1600.0", step: "60" }, { signal: controller.signal, headers: { "X-Forwarded-For": "10.1.2.3" } });
  await waitFor(() => node.api.activeQueries.list().length === 1);
  const { status, json } = await ask("/api/v1/status/active_queries");
  assert.deepEqual([status, json.status, json.data.length], [200, "ok", 1]);
  const { duration, id, remote_addr: remoteAddress, ...rest } = json.data[0];
  assert.match(String(duration), /^\d+\.\d{3}s$/);
  assert.match(String(id), /^[0-9A-F]{16}$/);
  assert.match(String(remoteAddress), /^127\.0\.0\.1:\d+, X-Forwarded-For: 10\.1\.2\.3$/);
  assert.deepEqual(rest, { query: "slow_one", start: 1_000_000, end: 1_600_000, step: 60_000, path: "/api/v1/query_range" });
  controller.abort();
  await assert.rejects(slow, { name: "AbortError" });
  await waitFor(() => node.api.activeQueries.list().length === 0);
  assert.match(String(ended.at(-1)!.reason), /the client closed the connection/);
});

for (const [name, cancel] of [
  ["DELETE with id", (id: string) => ask("/api/v1/status/active_queries", { id }, { method: "DELETE" })],
  ["POST with cancel", (id: string) => ask("/api/v1/status/active_queries", { cancel: id }, { method: "POST" })],
] as const) {
  test(`active queries: ${name} ends a query, whose client is told`, async () => {
    const slow = ask("/api/v1/query", { query: "slow_two" });
    await waitFor(() => node.api.activeQueries.list().length === 1);
    const [{ id }] = node.api.activeQueries.list();
    assert.deepEqual(await cancel(id), { status: 200, json: { status: "success", data: { id, query: "slow_two" } } });
    const { status, json } = await slow;
    assert.equal(status, 499);
    assert.deepEqual(json, { status: "error", errorType: "canceled", error: `the query ${id} was cancelled through /api/v1/status/active_queries` });
    await waitFor(() => node.api.queryGate.current === 0);
    assert.equal(ended.at(-1)!.query, "slow_two");
    assert.equal((await cancel(id)).status, 404);
  });
}

test("active queries: GET cancels nothing, an id has to be given", async () => {
  assert.equal((await ask("/api/v1/status/active_queries", { cancel: "1" })).status, 200);
  assert.equal((await ask("/api/v1/status/active_queries", {}, { method: "DELETE" })).status, 400);
});

test("active queries: one that waits for its turn can be cancelled too", async () => {
  const slow = Array.from({ length: 4 }, () => ask("/api/v1/query", { query: "slow_three" }));
  await waitFor(() => node.api.queryGate.current === 4);
  const waiting = ask("/api/v1/query", { query: "slow_waiting" });
  await waitFor(() => node.api.queryGate.waiting === 1);
  const active = node.api.activeQueries.list();
  assert.equal(active.at(-1)!.query, "slow_waiting");
  for (const { id } of active.toReversed()) node.api.activeQueries.cancel(id);
  assert.equal((await waiting).status, 499);
  assert.deepEqual((await Promise.all(slow)).map(({ status }) => status), [499, 499, 499, 499]);
});

test("slow log: one line with what the query did", async () => {
  logged.length = 0;
  const { status } = await ask("/api/v1/query", { query: 'slow_logged{a="b"}', time: "1700000000", timeout: "150ms" });
  assert.equal(status, 503);
  assert.equal(logged.length, 1);
  assert.match(
    logged[0],
    /\twarn\tslow query \(-search\.logSlowQueryDuration=0\.1s\): duration=0\.\d{3}s waited=0\.00\ds remote_addr="127\.0\.0\.1:\d+" path=\/api\/v1\/query start=1700000000000 end=1700000000000 step=300000 error="the query took longer than 0\.15s \(argument timeout, -search\.maxQueryDuration\)" query="slow_logged\{a=\\"b\\"\}"\n$/,
  );
  await ask("/api/v1/query", { query: "up" });
  assert.equal(logged.length, 1);
});

test("top queries: by count, average and total duration, and memory", async () => {
  for (let i = 0; i < 3; i++) await ask("/api/v1/query", { query: "up + 0" });
  await ask("/api/v1/query_range", { query: "up + 0", start: "-1h", step: "1", nocache: "1" });
  const { status, json } = await ask("/api/v1/status/top_queries", { topN: "50", maxLifetime: "1m" });
  assert.equal(status, 200);
  assert.deepEqual([json.topN, json.maxLifetime, json["search.queryStats.lastQueriesCount"]], ["50", "1m0s", 100]);
  const find = (list: string, timeRangeSeconds: number): TopQuery =>
    (json[list] as TopQuery[]).find((entry) => entry.query === "up + 0" && entry.timeRangeSeconds === timeRangeSeconds)!;
  assert.equal(find("topByCount", 0).count, 3);
  assert.equal(find("topByCount", 3600).count, 1);
  for (const [list, key] of [["topByAvgDuration", "avgDurationSeconds"], ["topBySumDuration", "sumDurationSeconds"], ["topByAvgMemoryUsage", "avgMemoryBytes"]]) {
    const values = (json[list] as Record<string, number>[]).map((entry) => entry[key]);
    assert.ok(values.length > 1 && values.every((value) => typeof value === "number"), list);
    assert.deepEqual(values, values.toSorted((left, right) => right - left));
  }
  assert.ok(find("topByAvgMemoryUsage", 3600).avgMemoryBytes > find("topByAvgMemoryUsage", 0).avgMemoryBytes);
  assert.equal(((await ask("/api/v1/status/top_queries", { topN: "1" })).json.topByCount as TopQuery[]).length, 1);
  assert.equal(((await ask("/api/v1/status/top_queries", { maxLifetime: "0.000001" })).json.topByCount as TopQuery[]).length, 0);
});

test("trace: the answer tells what was done", async () => {
  const { json } = await ask("/api/v1/query", { query: "sum(up)", trace: "1" });
  assert.equal(json.data.result[0].value[1], "3");
  const { duration_msec: duration, message, children = [] } = json.trace!;
  assert.equal(typeof duration, "number");
  assert.match(message, /^query="sum\(up\)" start=\d+ end=\d+ step=300000: \d+ bytes$/);
  assert.deepEqual([children[0].message, children[1].message], ["wait for a turn (-search.maxConcurrentRequests)", "engine"]);
  assert.match(children[1].children![0].message, /^aggregate sum/);
  assert.equal((await ask("/api/v1/query", { query: "sum(up)" })).json.trace, undefined);
});

test("trace: not with -denyQueryTracing; a log of queries with much memory", async () => {
  const lines: string[] = [];
  const logger = createLogger({ level: "INFO", format: "default", write: (line) => lines.push(line), nowMs: Date.now });
  await using other = await startHttpNode({ api: { queryRunner: node.api.queryRunner }, logger, limits: { deniesTracing: true, heavyQueryBytesMin: 10 } });
  const answer = (await (await fetch(`${other.url}/api/v1/query?query=vector(1)&trace=1`)).json()) as Json;
  assert.deepEqual([answer.status, answer.trace], ["success", undefined]);
  assert.match(lines.join(""), /query with much memory \(-search\.logQueryMemoryUsage=10\): duration=.* memory_bytes=\d+ answer_bytes=\d+ query="vector\(1\)"\n$/);
});

test("explain: the plan, and nothing is run", async () => {
  const before = node.api.queryStatistics.groups(dayMs).length;
  for (const path of ["/api/v1/query", "/api/v1/query_range"]) {
    const { status, json } = await ask(path, { query: "sum(rate(slow_x[5m]))", explain: "1" });
    assert.equal(status, 200);
    assert.equal(json.data.query, "sum(rate(slow_x[5m]))");
    assert.match(json.data.plan.message, /^aggregate sum/);
    assert.match(json.data.plan.children[0].message, /^rollup rate .* of slow_x$/);
    assert.deepEqual(json.data.text.split("\n").length, 2);
  }
  assert.equal(node.api.queryStatistics.groups(dayMs).length, before);
  assert.equal((await ask("/api/v1/query", { query: "sum(", explain: "1" })).status, 422);
});

const hints: { query: string; hint: RegExp | undefined; arguments?: Record<string, string> }[] = [
  { query: 'up{job="nod_exporter"}', hint: /^no series of up has job="nod_exporter"; did you mean job="node_exporter"\?$/ },
  { query: 'up{job=~"nod_exporter.*"}', hint: /^no series of up has job=~"nod_exporter\.\*"; did you mean job="node_exporter"\?$/ },
  { query: 'up{job="zzzzzzzzzzzzz"}', hint: /^no series of up has job="zzzzzzzzzzzzz"; it is one of "node_exporter", "prometheus"$/ },
  { query: 'up{jbo="node_exporter"}', hint: /^no series of up has the label "jbo"; did you mean "job"\?$/ },
  { query: 'up{job!~".+"}', hint: /^no series of up is left by job!~"\.\+"$/ },
  { query: 'up{job="prometheus",instance="b:9100"}', hint: /^no series matches all of up\{job="prometheus",\s?instance="b:9100"\} at once/ },
  { query: "sum(rate(node_cpu_second_total[5m])) by (job)", hint: /^there is no metric "node_cpu_second_total"; did you mean "node_cpu_seconds_total"\?$/ },
  { query: "node_cpu", hint: /^there is no metric "node_cpu"; did you mean "node_cpu_seconds_total"\?$/ },
  { query: '{__graphite__="node.*.load"}', hint: /^no series has __name__=~"node\\\\\.\[\^\.\]\*\\\\\.load"; it is one of / },
  { query: "qqqqqqqqqqqqqqq", hint: /^there is no metric "qqqqqqqqqqqqqqq"$/ },
  { query: '{job="nod_exporter"}', hint: /^no series has job="nod_exporter"; did you mean/ },
  { query: "ended", hint: new RegExp(`^ended has no samples from .* to .*; the last one before was at ${new Date(nowMs - 3 * dayMs).toISOString().replaceAll(".", "\\.")}$`) },
  { query: "up offset 2d", hint: /^up has no samples from .*; there are samples after that$/ },
  { query: "rate(latency_seconds[5m])", hint: /^latency_seconds is a native histogram; in MetricsQL its series have names that end in _bucket, _sum and _count$/ },
  { query: "latency_seconds_count", hint: undefined },
  { query: "up > 1", hint: undefined },
  { query: "up", hint: undefined },
  { query: "1 > 2", hint: undefined },
  { query: "node_cpu", arguments: { "extra_filters[]": '{job="node_exporter"}' }, hint: /^there is no metric "node_cpu"$/ },
];
for (const row of hints) {
  test(`hint: ${row.query}`, async () => {
    const { status, json } = await ask("/api/v1/query", { query: row.query, ...row.arguments });
    assert.equal(status, 200, JSON.stringify(json));
    if (row.hint === undefined) assert.equal(json.hints, undefined);
    else {
      assert.equal(json.data.result.length, 0);
      assert.equal(json.hints?.length, 1, JSON.stringify(json));
      assert.match(json.hints![0], row.hint);
    }
  });
}

test("hint: one for each selector that brings nothing", async () => {
  const { json } = await ask("/api/v1/query_range", { query: 'up{job="nod_exporter"} / on (job) upp', start: "-1h" });
  assert.deepEqual(json.hints, ['no series of up has job="nod_exporter"; did you mean job="node_exporter"?', 'there is no metric "upp"; did you mean "up"?']);
});
