/**
 * Requests by chance, over HTTP: queries in both languages, valid and damaged, bytes of any kind, numbers from their edges, in every argument of every endpoint;
 * damaged bodies under all content encodings. Whatever comes, the answer is there soon and is no fault of the server (5xx), memory stays within
 * bounds, and the same process still answers right afterwards.
 *
 * TIDEMARK_REQUESTS says how many (800), TIDEMARK_TEST_SEED which.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type Random, seededRandom } from "../../src/base/random.ts";
import { labelsOf } from "../../src/model/labels.ts";
import { damage } from "../fuzz/mutation.ts";
import { randomMetricsqlQuery } from "../random_metricsql_query.ts";
import { randomVectorQuery } from "../random_promql_query.ts";
import { encodeWriteRequest, snappyCompress } from "../remote_write_body.ts";
import { testSeed } from "../seed.ts";
import { type Answer, ServerProcess, temporaryFolder } from "./server_process.ts";

const seed = testSeed();
const requests = Number(process.env["TIDEMARK_REQUESTS"] ?? 800);
const timeS = 1_700_000_000;
/** Most take some milliseconds; the machine may be busy. */
const answerMsMax = 10_000;
const residentBytesMax = 640 << 20;
const flags = ["-search.maxMemoryPerQuery=64MiB", "-search.maxQueryDuration=5s"];

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.int(list.length)];
}

// ---- values of arguments ----

type Value = (random: Random) => string | Uint8Array;

const words = ["(", ")", "{", "}", "[5m]", "[1ms:1ms]", "=~", '"', "\\", "WITH (", "offset", "@", " by ", "1e308", "NaN", "0x", "\u0000", "\ufffd", "😀", "%", "//", "label_replace(", "{__name__=~'(a*)*b'}"];

function bytes(random: Random, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, () => random.int(256));
}

const garbage: Value = (random) => bytes(random, random.int(60));
const query = (random: Random): string => (random.int(2) === 0 ? randomMetricsqlQuery : randomVectorQuery)(random, 1 + random.int(4));
const anyQuery: Value = (random) => {
  if (random.int(8) === 0) return garbage(random);
  const [one, other] = [query(random), query(random)].map((text) => new TextEncoder().encode(text));
  return random.int(3) === 0 ? one : damage(one, other, words, random);
};
const selector: Value = (random) => (random.int(3) === 0 ? anyQuery(random) : pick(random, ["gauge", '{job="test"}', '{__name__!=""}', '{job=~".*"}', "{}", "up", '{instance=~"(a+)+$"}', '{a="1" or b="2"}']));
const edges = ["0", "-1", "1", "-0", "1e308", "-1e308", "1e309", "NaN", "Inf", "-Inf", "9007199254740993", "18446744073709551616", "0.0000001", "", " ", "1_000", "0x10", "١", "1e", "--1"];
const number: Value = (random) => (random.int(10) === 0 ? garbage(random) : pick(random, edges));
const time: Value = (random) => pick(random, [String(timeS), String(timeS), String(timeS - 3600), `${timeS}.5`, "now-1h", "1h", "2023-11-14T22:13:20Z", "2023", "minTime", "maxTime", pick(random, edges), "99999-01-01T00:00:00Z"]);
const step: Value = (random) => pick(random, ["15", "60", "1m", "1h", "1ms", "1i", "5y", pick(random, edges)]);
const oneOf = (...values: string[]): Value => (random) => (random.int(6) === 0 ? number(random) : pick(random, values));

// ---- endpoints ----

interface Endpoint {
  readonly path: string;
  readonly arguments: Readonly<Record<string, Value>>;
}

const common = { dialect: oneOf("metricsql", "promql"), nocache: oneOf("1", "0"), trace: oneOf("1"), explain: oneOf("1"), timeout: oneOf("1s", "30s"), limit: number, "extra_label": selector, "extra_filters[]": selector, round_digits: number, max_lookback: step, latency_offset: step, "step": step };
const listed = { "match[]": selector, start: time, end: time, limit: number };

const endpoints: readonly Endpoint[] = [
  { path: "/api/v1/query", arguments: { query: anyQuery, time, ...common } },
  { path: "/api/v1/query_range", arguments: { query: anyQuery, start: time, end: time, ...common } },
  { path: "/prometheus/api/v1/query_range", arguments: { query: anyQuery, start: time, end: time, ...common } },
  { path: "/api/v1/query_exemplars", arguments: { query: anyQuery, start: time, end: time, dialect: common.dialect } },
  { path: "/api/v1/labels", arguments: listed },
  { path: "/api/v1/label/job/values", arguments: listed },
  { path: "/api/v1/label/U__a_2e_%ff/values", arguments: listed },
  { path: "/api/v1/series", arguments: listed },
  { path: "/api/v1/export", arguments: { ...listed, max_rows_per_line: number, format: oneOf("json"), reduce_mem_usage: oneOf("1") } },
  { path: "/api/v1/metadata", arguments: { metric: selector, limit: number, limit_per_metric: number } },
  { path: "/api/v1/parse_query", arguments: { query: anyQuery, dialect: common.dialect } },
  { path: "/api/v1/format_query", arguments: { query: anyQuery, dialect: common.dialect } },
  { path: "/prettify-query", arguments: { query: anyQuery } },
  { path: "/expand-with-exprs", arguments: { query: anyQuery, format: oneOf("json") } },
  { path: "/api/v1/status/active_queries", arguments: { cancel: number, id: number } },
  { path: "/api/v1/status/top_queries", arguments: { topN: number, maxLifetime: step } },
  { path: "/api/v1/targets", arguments: { state: oneOf("active", "dropped", "any"), scrapePool: selector } },
  { path: "/internal/resetRollupResultCache", arguments: {} },
  { path: "/internal/force_merge", arguments: { partition_prefix: oneOf("2023_11", "../..", "/") } },
];

/** Percent-encodes bytes; now and then not well. */
function encode(random: Random, value: string | Uint8Array): string {
  const text = [...Buffer.from(value)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
  return random.int(40) === 0 ? `${text}%z${text.slice(1)}` : text;
}

function randomArguments(random: Random, table: Readonly<Record<string, Value>>): string {
  const names = Object.keys(table);
  const needed = names.filter((name) => ["query", "match[]", "start", "end"].includes(name) && random.int(20) > 0);
  const chosen = [...needed, ...names.filter((name) => !needed.includes(name) && random.int(4) === 0)];
  return chosen.map((name) => `${encodeURIComponent(name)}=${encode(random, table[name](random))}`).join("&");
}

interface RandomRequest {
  readonly path: string;
  readonly options: RequestInit;
}

function randomRead(random: Random): RandomRequest {
  const endpoint = pick(random, endpoints);
  const text = randomArguments(random, endpoint.arguments);
  const headers: Record<string, string> = random.int(3) === 0 ? { "Accept-Encoding": pick(random, ["gzip", "zstd", "br", "gzip;q=0, *", "x", ""]) } : {};
  if (random.int(2) === 0) return { path: `${endpoint.path}?${text}`, options: { method: random.int(12) === 0 ? pick(random, ["DELETE", "PUT", "HEAD", "PATCH", "OPTIONS"]) : "GET", headers } };
  const type = random.int(10) === 0 ? pick(random, ["multipart/form-data; boundary=x", "application/json", "text/plain", "x"]) : "application/x-www-form-urlencoded";
  return { path: endpoint.path, options: { method: "POST", headers: { ...headers, "Content-Type": type }, body: text } };
}

// ---- bodies ----

const text = Buffer.from(Array.from({ length: 30 }, (_, i) => `fuzz_text{i="${i}"} ${i} ${timeS * 1000}\n`).join(""));
const json = Buffer.from(`{"metric":{"__name__":"fuzz_json","a":"b"},"values":[1,2.5,null,"Infinity"],"timestamps":[${timeS * 1000},${timeS * 1000 + 1},3,4]}\n`);
const protobuf = encodeWriteRequest([{ labels: labelsOf({ __name__: "fuzz_remote" }), timestampsMs: [timeS * 1000], values: Float64Array.of(1) }]);
const bodies = [
  { path: "/api/v1/write", body: snappyCompress(protobuf), type: "application/x-protobuf" },
  { path: "/api/v1/import", body: json, type: "application/json" },
  { path: "/api/v1/import/prometheus", body: text, type: "text/plain" },
  { path: "/api/v1/import/prometheus/metrics/job/a/b@base64/%ff", body: text, type: "application/openmetrics-text" },
];

function randomWrite(random: Random): RandomRequest {
  const { path, body, type } = pick(random, bodies);
  const damaged = random.int(6) === 0 ? bytes(random, random.int(3000)) : damage(new Uint8Array(body), new Uint8Array(pick(random, bodies).body), words, random);
  const encoding = pick(random, ["", "", "", "gzip", "zstd", "snappy", "deflate", "identity", "br", "gzip, zstd"]);
  const encoded = random.int(2) > 0 ? damaged : encoding === "gzip" ? gzipSync(damaged) : encoding === "zstd" ? zstdCompressSync(damaged) : damaged;
  const headers: Record<string, string> = { "Content-Type": random.int(5) === 0 ? pick(random, ["application/openmetrics-text", "application/x-protobuf;proto=io.prometheus.write.v2.Request", "é", ""]) : type };
  if (encoding !== "") headers["Content-Encoding"] = encoding;
  const options = random.int(3) === 0 ? `?${randomArguments(random, { timestamp: number, extra_label: selector })}` : "";
  return { path: path + options, options: { method: pick(random, ["POST", "POST", "PUT"]), headers, body: new Uint8Array(encoded) } };
}

/** Bytes that are no HTTP, or almost. */
async function sendBytes(server: ServerProcess, random: Random): Promise<void> {
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined); // the server may close before all is sent
  socket.resume();
  const head = pick(random, ["", "GET /api/v1/query?query=", "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", "POST /api/v1/import HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n"]);
  socket.end(Buffer.concat([Buffer.from(head), bytes(random, random.int(500))]));
  await once(socket, "close");
}

// ---- the test ----

function isFault({ status, text: body }: Answer): boolean {
  return status >= 500 && !(status === 503 && /time|busy|concurrent/.test(body)); // a query may take too long: that is said
}

test("random requests are answered soon, and never with a fault of the server", { timeout: 120_000 + requests * 100 }, async (t) => {
  using folder = temporaryFolder();
  await using server = await ServerProcess.start(folder.path, flags);
  const names = ["requests_total", "gauge", "load", "info", "seconds_bucket", "latency_bucket"];
  await server.importText(names.flatMap((name) => Array.from({ length: 400 }, (_, i) => `${name}{job="${i % 2 === 0 ? "api" : "test"}",instance="${i % 4}",a="${i % 2}"} ${i} ${(timeS - 3600 + i * 10) * 1000}\n`)).join(""));
  const random = seededRandom(seed);
  const statuses: Record<number, number> = {};
  for (let i = 0; i < requests; i++) {
    if (random.int(20) === 0) await sendBytes(server, random);
    const { path, options } = random.int(4) === 0 ? randomWrite(random) : randomRead(random);
    const note = `seed ${seed}, request ${i}: ${options.method} ${path} ${typeof options.body === "string" ? options.body : ""}`;
    const answer = await server.request(path, { ...options, signal: AbortSignal.timeout(answerMsMax) }).catch((error: unknown) => assert.fail(`${note}: ${String(error)}\n${server.errors.slice(-2000)}`));
    statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
    assert.ok(!isFault(answer), `${note}: ${answer.status} ${answer.text.slice(0, 1000)}`);
    if (i % 50 === 0) assert.ok(server.residentBytes() < residentBytesMax, `${note}: ${server.residentBytes()} bytes`);
  }
  t.diagnostic(`${JSON.stringify(statuses)}, ${(server.residentBytes() / 2 ** 20).toFixed(0)} MiB`);
  assert.ok((statuses[200] ?? 0) > requests / 5, `only ${statuses[200]} of ${requests} requests were answered with 200`);
  assert.deepEqual([...(await server.query('count({__name__="gauge",instance=~"0|1|2|3"}[1h])', timeS * 1000)).values()].length > 0, true);
});
