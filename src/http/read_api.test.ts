/** Reading endpoints over a real socket: arguments, answers, errors, and what the server does around them. */
import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type HttpNode, startHttpNode } from "../../testkit/http_node.ts";
import { InputError, UnsupportedError } from "../base/errors.ts";
import { parseExpr } from "../metricsql/parser.ts";
import type { LabelsRequest } from "../model/store.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import type { InstantRequest, QueryRunner, RangeRequest } from "./query_runner.ts";
import { startingRoutes } from "./starting_routes.ts";
import { StaticFiles } from "./static_files.ts";

const nowMs = Date.now();
const asked: (InstantRequest | RangeRequest)[] = [];

/** Parses the query, and answers with a document that says nothing. Some queries are special. */
const runner: QueryRunner = { instant: run, range: run };

async function run(request: InstantRequest | RangeRequest): Promise<{ body: Uint8Array }> {
  asked.push(request);
  if (request.query === "boom") throw new TypeError("a bug");
  if (request.query === "unsupported") throw new UnsupportedError("holt_winters", "holt_winters() is not supported yet");
  if (request.query === "slow") await new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason), { once: true }));
  parseExpr(request.query);
  return { body: Buffer.from('{"status":"success","data":{"resultType":"vector","result":[]}}') };
}

let node: HttpNode;
let webFolder: string;

before(async () => {
  webFolder = mkdtempSync(join(tmpdir(), "tidemark-web-"));
  mkdirSync(join(webFolder, "assets"));
  writeFileSync(join(webFolder, "index.html"), "<!doctype html><title>UI</title>" + " ".repeat(1000));
  writeFileSync(join(webFolder, "assets", "main-ABC.js"), "export {};\n");
  const reload = (): Promise<void> => Promise.reject(new InputError("bad_config", "line 3, column 5: unknown key"));
  node = await startHttpNode({ api: { queryRunner: runner, userInterface: StaticFiles.read(webFolder), reload }, concurrentQueriesMax: 2 });
  const lines = [
    'up{job="a",instance="x"} 1', 'up{job="a",instance="y"} 0', 'up{job="b",instance="x"} 1', 'temperature{room="kitchen"} -1.5', "# TYPE temperature gauge", "# HELP temperature How warm.",
    `special 1 ${nowMs - 3000}`, `special +Inf ${nowMs - 2000}`, `special -Inf ${nowMs - 1000}`, `old 1 ${nowMs - 3 * 86_400_000}`, "",
  ];
  assert.equal((await fetch(`${node.url}/api/v1/import/prometheus`, { method: "POST", body: lines.join("\n") })).status, 204);
});

/** Answers nothing until the request is given up. */
class HangingStore extends MemoryStore {
  override labelNames = hang;
  override labelValues = (_: string, request: LabelsRequest): Promise<never> => hang(request);
  override series = hang;
  override search = hang;
}

function hang({ signal }: { readonly signal?: AbortSignal }): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true }));
}

for (const [path, flag] of [
  ["labels", "-search.maxLabelsAPIDuration"], ["label/a/values", "-search.maxLabelsAPIDuration"], ["series?match[]=a", "-search.maxLabelsAPIDuration"], ["export?match[]=a", "-search.maxExportDuration"],
]) {
  test(`read: ${path} takes no longer than ${flag}`, async () => {
    await using other = await startHttpNode({ api: { store: new HangingStore() }, limits: { labelsDurationMsMax: 20, exportDurationMsMax: 20 } });
    const answer = await fetch(`${other.url}/api/v1/${path}`);
    assert.equal(answer.status, 503);
    const { errorType, error } = (await answer.json()) as { errorType: string; error: string };
    assert.deepEqual([errorType, error], ["timeout", `the request took longer than 0.02s (${flag})`]);
  });
}

test("series: as many as are asked for, of more than may be listed", async () => {
  await using other = await startHttpNode();
  const lines = Array.from({ length: 1001 }, (_, i) => `many{i="${i}"} 1`);
  assert.equal((await fetch(`${other.url}/api/v1/import/prometheus`, { method: "POST", body: `${lines.join("\n")}\n` })).status, 204);
  const first = (await (await fetch(`${other.url}/api/v1/series?match[]=many&limit=1000`)).json()) as { data: unknown[] };
  assert.equal(first.data.length, 1000);
  const refused = await fetch(`${other.url}/api/v1/series?match[]=many`);
  assert.equal(refused.status, 422);
  assert.match(await refused.text(), /more than 1000 series match, the limit is 1000 \(-search.maxSeries\); select less, or ask for the first ones with the argument limit/);
});
after(async () => {
  await node[Symbol.asyncDispose]();
  rmSync(webFolder, { recursive: true });
});

async function get(path: string, init?: RequestInit): Promise<{ status: number; headers: Headers; text: string; json: { status?: string; data?: unknown; error?: string; errorType?: string; position?: number } }> {
  const response = await fetch(node.url + path, { redirect: "manual", ...init });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: text !== "" && response.headers.get("content-type") === "application/json" ? JSON.parse(text) : {} };
}

const answers: { name: string; path: string; data: unknown }[] = [
  { name: "labels", path: "/api/v1/labels", data: ["__name__", "instance", "job", "room"] },
  { name: "labels of a selector", path: "/api/v1/labels?match[]=temperature", data: ["__name__", "room"] },
  { name: "labels, limited", path: "/api/v1/labels?limit=2", data: ["__name__", "instance"] },
  { name: "labels with enforced filters", path: '/api/v1/labels?extra_filters[]={job="a"}', data: ["__name__", "instance", "job"] },
  { name: "label values", path: "/api/v1/label/job/values", data: ["a", "b"] },
  { name: "label values of names within a day", path: "/api/v1/label/__name__/values", data: ["special", "temperature", "up"] },
  { name: "label values of all time", path: "/api/v1/label/__name__/values?start=0", data: ["old", "special", "temperature", "up"] },
  { name: "label values in a range", path: "/api/v1/label/__name__/values?start=-4d&end=-2d", data: ["old"] },
  { name: "label values, two selectors", path: '/api/v1/label/instance/values?match[]=up{job="b"}&match[]=up{instance="y"}', data: ["x", "y"] },
  { name: "label values, unknown label", path: "/api/v1/label/nope/values", data: [] },
  { name: "label values, escaped name", path: "/api/v1/label/U__job/values", data: ["a", "b"] },
  { name: "series", path: '/api/v1/series?match[]=up{job="a"}', data: [{ __name__: "up", instance: "x", job: "a" }, { __name__: "up", instance: "y", job: "a" }] },
  { name: "series with an enforced label", path: "/api/v1/series?match[]=up&extra_label=instance=y", data: [{ __name__: "up", instance: "y", job: "a" }] },
  { name: "series, limited", path: "/prometheus/api/v1/series?match=up&limit=1", data: [{ __name__: "up", instance: "x", job: "a" }] },
  { name: "metadata", path: "/api/v1/metadata?metric=temperature", data: { temperature: [{ type: "gauge", help: "How warm.", unit: "" }] } },
  { name: "targets", path: "/api/v1/targets?state=active", data: { activeTargets: [], droppedTargets: [] } },
  { name: "build info", path: "/api/v1/status/buildinfo", data: { version: "2.24.0", application: "tidemark", applicationVersion: "0.0.0-test" } },
];

for (const row of answers) {
  test(`read: ${row.name}`, async () => {
    const answer = await get(row.path);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.json, { status: "success", data: row.data });
    assert.equal(answer.headers.get("content-type"), "application/json");
    assert.equal(answer.headers.get("access-control-allow-origin"), "*");
  });
}

test("read: arguments may come as a form, which comes first", async () => {
  const answer = await get("/api/v1/series?match[]=temperature", { method: "POST", body: new URLSearchParams({ "match[]": "special" }) });
  assert.deepEqual(answer.json.data, [{ __name__: "special" }, { __name__: "temperature", room: "kitchen" }]);
  await get("/api/v1/query?query=a", { method: "POST", body: new URLSearchParams({ query: "b" }) });
  assert.equal(asked.at(-1)!.query, "b");
});

const refusals: { name: string; path: string; init?: RequestInit; status: number; errorType?: string; error: RegExp; position?: number }[] = [
  { name: "no query", path: "/api/v1/query", status: 400, error: /argument "query" is missing/ },
  { name: "syntax error", path: "/api/v1/query?query=" + encodeURIComponent("sum(up"), status: 422, error: /line 1, column 7/, position: 6 },
  { name: "syntax error in a range query", path: "/api/v1/query_range?query=" + encodeURIComponent("up{job=}"), status: 422, error: /line 1, column 8/, position: 7 },
  { name: "unsupported function", path: "/api/v1/query?query=unsupported", status: 422, errorType: "execution", error: /holt_winters/ },
  { name: "bug", path: "/api/v1/query?query=boom", status: 500, errorType: "internal", error: /a bug/ },
  { name: "bad time", path: "/api/v1/query?query=up&time=yesterday", status: 400, error: /bad time "yesterday" in argument "time"/ },
  { name: "bad step", path: "/api/v1/query_range?query=up&step=abc", status: 400, error: /bad duration "abc" in argument "step"/ },
  { name: "bad limit", path: "/api/v1/query?query=up&limit=-1", status: 400, error: /"limit"; allowed: a whole number/ },
  { name: "too many points", path: "/api/v1/query_range?query=up&start=0&end=1000000&step=1", status: 422, errorType: "execution", error: /1000001 points per series, the limit is 30000 \(-search.maxPointsPerTimeseries\)/ },
  { name: "long query", path: "/api/v1/query", init: { method: "POST", body: new URLSearchParams({ query: "x".repeat(20_000) }) }, status: 422, errorType: "execution", error: /20000 bytes long, the limit is 16384 \(-search.maxQueryLen\)/ },
  { name: "timeout", path: "/api/v1/query?query=slow&timeout=50ms", status: 503, errorType: "timeout", error: /longer than 0.05s/ },
  { name: "series without selector", path: "/api/v1/series", status: 400, error: /"match\[\]" is missing/ },
  { name: "bad selector", path: "/api/v1/series?match[]=sum(up)", status: 422, error: /expected a selector/, position: 0 },
  { name: "bad regular expression", path: '/api/v1/labels?match[]={a=~"("}', status: 422, error: /./ },
  { name: "export in another format", path: "/api/v1/export?match[]=up&format=csv", status: 422, errorType: "execution", error: /format=csv/ },
  { name: "bad target state", path: "/api/v1/targets?state=x", status: 400, error: /allowed: active, dropped, any/ },
  { name: "unknown path", path: "/api/v1/querry", status: 404, errorType: "not_found", error: /did you mean \/api\/v1\/query\?/ },
  { name: "wrong method", path: "/api/v1/write", status: 405, error: /with POST or PUT, not GET/ },
  { name: "refused configuration", path: "/-/reload", init: { method: "POST" }, status: 400, error: /line 3, column 5/ },
  { name: "unknown asset", path: "/assets/nope.js", status: 404, errorType: "not_found", error: /nothing is served/ },
  { name: "asset outside the folder", path: "/assets/..%2f..%2fpackage.json", status: 404, errorType: "not_found", error: /nothing is served/ },
];

for (const row of refusals) {
  test(`read: refused: ${row.name}`, async () => {
    const answer = await get(row.path, row.init);
    assert.equal(answer.status, row.status, answer.text);
    assert.equal(answer.json.status, "error");
    assert.equal(answer.json.errorType, row.errorType ?? "bad_data");
    assert.match(answer.json.error!, row.error);
    if (row.position !== undefined) assert.equal(answer.json.position, row.position);
    if (row.status === 405) assert.equal(answer.headers.get("allow"), "POST, PUT");
    if (row.status === 503) assert.equal(answer.headers.get("retry-after"), "1");
  });
}

test("query: defaults are now and 5 minutes", async () => {
  await get("/api/v1/query?query=up");
  const instant = asked.at(-1) as InstantRequest;
  assert.ok(Math.abs(instant.timeMs - Date.now()) < 2000);
  assert.equal(instant.stepMs, 300_000);
  await get("/api/v1/query_range?query=up");
  const range = asked.at(-1) as RangeRequest;
  assert.ok(Math.abs(range.endMs - Date.now()) < 2000);
  assert.deepEqual([range.endMs - range.startMs, range.stepMs], [300_000, 300_000]);
});

test("query: arguments reach the runner", async () => {
  await get('/api/v1/query?query=up&time=1700000000&step=1m&limit=7&round_digits=2&max_lookback=1h&extra_filters[]={a="b"}&extra_filters[]={c="d"}&extra_label=e=f');
  const { timeMs, stepMs, seriesLimit, roundDigits, lookbackMs, enforcedFilters } = asked.at(-1) as InstantRequest;
  assert.deepEqual([timeMs, stepMs, seriesLimit, roundDigits, lookbackMs], [1_700_000_000_000, 60_000, 7, 2, 3_600_000]);
  assert.deepEqual(enforcedFilters.map((group) => group.map((matcher) => matcher.name + matcher.op + matcher.value)), [["a=b", "e=f"], ["c=d", "e=f"]]);
});

const grids: { name: string; query: string; grid: [number, number, number] }[] = [
  { name: "short grids stay", query: "start=1000.5&end=1010.5&step=1", grid: [1_000_500, 1_010_500, 1000] },
  { name: "long grids are aligned", query: "start=1000.5&end=1100.5&step=1", grid: [1_000_000, 1_100_000, 1000] },
  { name: "not with nocache=1", query: "start=1000.5&end=1100.5&step=1&nocache=1", grid: [1_000_500, 1_100_500, 1000] },
  { name: "an end before the start", query: "start=5000.0&end=1.0", grid: [5_000_000, 5_300_000, 300_000] },
];
for (const row of grids) {
  test(`query_range: ${row.name}`, async () => {
    assert.equal((await get(`/api/v1/query_range?query=up&${row.query}`)).status, 200);
    const { startMs, endMs, stepMs } = asked.at(-1) as RangeRequest;
    assert.deepEqual([startMs, endMs, stepMs], row.grid);
  });
}

test("query: the dialect reaches the runner", async () => {
  await get("/api/v1/query?query=up");
  assert.equal(asked.at(-1)?.dialect, "metricsql");
  await get("/api/v1/query?query=up&dialect=promql&time=1700000000&latency_offset=30s");
  const { dialect, lookbackMs, timeMs } = asked.at(-1) as InstantRequest;
  assert.deepEqual([dialect, lookbackMs, timeMs], ["promql", 300_000, 1_700_000_000_000]);
  await get("/api/v1/query?query=up&dialect=promql&lookback_delta=90s&max_lookback=1h");
  assert.equal(asked.at(-1)?.lookbackMs, 90_000);
  await get("/api/v1/query_range?query=up&dialect=promql&start=1000.5&end=1100.5&step=1");
  const { startMs, endMs } = asked.at(-1) as RangeRequest;
  assert.deepEqual([startMs, endMs], [1_000_500, 1_100_500]);
  assert.equal(asked.at(-1)?.delaysNameRemoval, false);
  await get("/api/v1/query?query=up&dialect=promql&delayed_name_removal=1");
  assert.equal(asked.at(-1)?.delaysNameRemoval, true);
  assert.equal((await get("/api/v1/query?query=up&dialect=sql")).status, 400);
});

test("query: a latency offset hides what is newer", async () => {
  await get("/api/v1/query?query=up&latency_offset=30s");
  assert.ok(Math.abs((asked.at(-1) as InstantRequest).timeMs - (Date.now() - 30_000)) < 2000);
  await get("/api/v1/query?query=up&latency_offset=30s&time=1700000000");
  assert.equal((asked.at(-1) as InstantRequest).timeMs, 1_700_000_000_000);
  await get("/api/v1/query_range?query=up&latency_offset=30s&step=10s&start=-2m");
  const range = asked.at(-1) as RangeRequest;
  assert.ok(range.endMs <= Date.now() - 30_000 && range.endMs > Date.now() - 45_000);
});

test("query: a client that goes away stops its query", async () => {
  const socket = connect(node.port, "127.0.0.1");
  socket.write("GET /api/v1/query?query=slow HTTP/1.1\r\nHost: x\r\n\r\n");
  await waitFor(() => asked.at(-1)?.query === "slow" && !asked.at(-1)!.signal.aborted);
  socket.destroy();
  await waitFor(() => asked.at(-1)!.signal.aborted);
  await waitFor(() => node.api.queryGate.current === 0);
});

test("query: more than may run at once wait, then get 429 with Retry-After", async () => {
  const slow = [1, 2].map(() => get("/api/v1/query?query=slow&timeout=1s"));
  await waitFor(() => node.api.queryGate.current === 2);
  const third = await get("/api/v1/query?query=up");
  assert.equal(third.status, 429);
  assert.equal(third.headers.get("retry-after"), "1");
  assert.match(third.json.error!, /-search.maxConcurrentRequests.*-search.maxQueueDuration/);
  assert.deepEqual((await Promise.all(slow)).map((answer) => answer.status), [503, 503]);
});

test("export: lines that import takes back, special values included", async () => {
  const answer = await get("/api/v1/export?match[]=special");
  assert.equal(answer.headers.get("content-type"), "application/stream+json");
  assert.equal(answer.text, `{"metric":{"__name__":"special"},"values":[1,"Infinity","-Infinity"],"timestamps":[${nowMs - 3000},${nowMs - 2000},${nowMs - 1000}]}\n`);
  const short = await get("/api/v1/export?match[]=special&max_rows_per_line=2");
  assert.equal(short.text.split("\n").length, 3);
  await using other = await startHttpNode();
  assert.equal((await fetch(`${other.url}/api/v1/import`, { method: "POST", body: short.text })).status, 204);
  assert.equal(await (await fetch(`${other.url}/api/v1/export?match[]=special`)).text(), answer.text);
});

test("export: a large answer is streamed whole", async () => {
  await using large = await startHttpNode({ limits: { insertBytesMax: 8 << 20 } });
  const lines = Array.from({ length: 50 }, (_, s) => Array.from({ length: 1000 }, (_, i) => `wide{series="${s}"} ${i}.25 ${nowMs - i}`).join("\n")).join("\n");
  assert.equal((await fetch(`${large.url}/api/v1/import/prometheus`, { method: "POST", body: lines })).status, 204);
  const text = await (await fetch(`${large.url}/api/v1/export?match[]=wide`)).text();
  assert.equal(text.split("\n").filter((line) => line !== "" && (JSON.parse(line) as { values: number[] }).values.length === 1000).length, 50);
});

test("server: health, readiness, metrics, maintenance", async () => {
  for (const path of ["/health", "/-/healthy", "/-/ready", "/internal/force_flush", "/internal/force_merge", "/internal/resetRollupResultCache", "/metrics", "/prometheus/metrics"]) assert.equal((await get(path)).status, 200, path);
  assert.match((await get("/metrics")).text, /vm_request_duration_seconds\{path="\/health",quantile="0.5"\} /);
});

test("server: HEAD and OPTIONS", async () => {
  const head = await get("/api/v1/status/buildinfo", { method: "HEAD" });
  assert.deepEqual([head.status, head.text], [200, ""]);
  assert.ok(Number(head.headers.get("content-length")) > 50);
  const options = await get("/api/v1/query", { method: "OPTIONS" });
  assert.deepEqual([options.status, options.headers.get("allow")], [204, "GET, POST, HEAD, OPTIONS"]);
});

test("server: large answers are compressed for who takes it", async () => {
  const lengthOf = async (encoding: string): Promise<[string | undefined, number]> => {
    const { promise, resolve } = Promise.withResolvers<[string | undefined, number]>();
    httpRequest(`${node.url}/metrics`, { headers: { "accept-encoding": encoding } }, (response) => {
      let sizeBytes = 0;
      response.on("data", (chunk: Buffer) => (sizeBytes += chunk.length));
      response.on("end", () => resolve([response.headers["content-encoding"], sizeBytes]));
    }).end();
    return promise;
  };
  const [none, plainBytes] = await lengthOf("br, gzip;q=0");
  const [gzip, compressedBytes] = await lengthOf("deflate, gzip;q=1.0");
  assert.deepEqual([none, gzip], [undefined, "gzip"]);
  assert.ok(compressedBytes < plainBytes / 2);
});

test("user interface: page, assets, caching, policy", async () => {
  const page = await get("/");
  assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(page.text, /<title>UI/);
  assert.match(page.headers.get("content-security-policy")!, /default-src 'none'; script-src 'self'/);
  assert.equal(page.headers.get("cache-control"), "no-cache");
  assert.equal((await get("/", { headers: { "if-none-match": page.headers.get("etag")! } })).status, 304);
  assert.equal((await get("/prometheus/")).text, page.text);
  const asset = await get("/assets/main-ABC.js");
  assert.equal(asset.headers.get("cache-control"), "public, max-age=31536000, immutable");
  assert.equal(asset.headers.get("content-type"), "text/javascript; charset=utf-8");
});

for (const [path, location] of [["/vmui?g0.expr=up", "./?g0.expr=up"], ["/vmui/?a=b", "../?a=b"], ["/graph?g0.expr=up&g0.tab=0", "./?g0.expr=up&g0.tab=0"], ["/graph", "./"], ["/prometheus/graph", "./"], ["/prometheus", "prometheus/"]]) {
  test(`user interface: ${path} redirects`, async () => {
    const answer = await get(path);
    assert.deepEqual([answer.status, answer.headers.get("location")], [302, location]);
  });
}

test("user interface: without a build a text says how", async () => {
  await using bare = await startHttpNode();
  assert.match(await (await fetch(`${bare.url}/`)).text(), /npm run build:web/);
});

test("server: while the log is replayed it is healthy, not ready, and answers 503", async () => {
  await using starting = await startHttpNode();
  starting.server.setRoutes(startingRoutes(starting.api.metrics));
  assert.equal((await fetch(`${starting.url}/health`)).status, 200);
  assert.equal((await fetch(`${starting.url}/metrics`)).status, 200);
  for (const path of ["/-/ready", "/api/v1/query?query=up", "/"]) {
    const response = await fetch(starting.url + path);
    assert.deepEqual([response.status, response.headers.get("retry-after")], [503, "1"]);
    assert.match(await response.text(), /"errorType":"unavailable","error":"the node is starting/);
  }
  assert.equal((await fetch(`${starting.url}/api/v1/write`, { method: "POST", body: "x" })).status, 503);
});

test("server: a connection serves many requests", async () => {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  httpRequest(`${node.url}/health`, { agent: new Agent({ keepAlive: true }) }, (response) => {
    response.resume();
    resolve(response.headers.connection);
  }).end();
  assert.equal(await promise, "keep-alive");
});

test("server: closing lets requests in flight finish and takes no new ones", async () => {
  const closing = await startHttpNode({ api: { queryRunner: { instant: async () => (await new Promise((resolve) => setTimeout(resolve, 100)), { body: Buffer.from("{}") }), range: run } } });
  const inFlight = fetch(`${closing.url}/api/v1/query?query=up`);
  await waitFor(() => closing.api.queryGate.current === 1);
  const closed = closing.server.close(5000);
  await assert.rejects(fetch(`${closing.url}/health`));
  assert.equal((await inFlight).status, 200);
  await closed;
});

test("server: headers that come too slowly end the connection", async () => {
  await using impatient = await startHttpNode({ requestTimeoutMs: 100 });
  const socket = connect(impatient.port, "127.0.0.1");
  let answer = "";
  socket.on("data", (bytes) => (answer += bytes.toString()));
  socket.write("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ");
  await new Promise((resolve) => socket.once("close", resolve));
  assert.match(answer, /^HTTP\/1.1 408 /);
});

async function waitFor(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail("waited in vain");
}
