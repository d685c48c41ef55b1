/**
 * Bad input over HTTP: each is answered with the right status and a message that helps; nothing of it is stored but what was good; and
 * after all of it the same process still answers, with its memory within bounds.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { seededRandom } from "../../src/base/random.ts";
import { labelsOf } from "../../src/model/labels.ts";
import { encodeWriteRequest, snappyCompress, snappyLiteral } from "../remote_write_body.ts";
import { testSeed } from "../seed.ts";
import { type Answer, ServerProcess, temporaryFolder } from "./server_process.ts";

const seed = testSeed();
const timestampMs = Date.UTC(2026, 3, 1);
/** An idle server and twice the largest body, with room for garbage; far less than any bomb would take. */
const residentBytesMax = 384 << 20;
const bodyLimitBytes = 32 << 20;

const textPath = "/api/v1/import/prometheus";
const jsonPath = "/api/v1/import";
const seriesCount = 200;
const protobuf = encodeWriteRequest(
  Array.from({ length: seriesCount }, (_, i) => ({ labels: labelsOf({ __name__: "bad_input_remote", number: String(i).padStart(5, "0"), job: "test" }), timestampsMs: [timestampMs], values: Float64Array.of(i + 0.5) })),
);
const snappy = snappyCompress(protobuf);
const text = Buffer.from(Array.from({ length: 500 }, (_, i) => `bad_input_text{i="${i}"} ${i} ${timestampMs}\n`).join(""));
const form = { "Content-Type": "application/x-www-form-urlencoded" };
const zeros = Buffer.alloc(256 << 20); // decoded size of the bombs

/** The size that a snappy block says it has, as a varint, and nothing useful after it. */
const hugeSnappy = Buffer.concat([Buffer.of(0xff, 0xff, 0xff, 0xff, 0x0f), snappy.subarray(3)]);

interface Row {
  readonly name: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | string;
  readonly status: number;
  /** In the text of the error. */
  readonly error?: RegExp;
  /** Of X-Tidemark-Dropped-Rows. */
  readonly dropped?: RegExp;
}

const writeRows: Row[] = [
  { name: "snappy, cut off", body: snappy.subarray(0, snappy.length >> 1), status: 400, error: /snappy/ },
  { name: "snappy, one byte long", body: Buffer.of(0x80), status: 400, error: /snappy/ },
  { name: "no snappy", body: protobuf, status: 400, error: /snappy/ },
  { name: "snappy that says it is 4 GiB", body: hugeSnappy, status: 413, error: /-maxInsertRequestSize/ },
  { name: "snappy that says it is as large as allowed", body: Buffer.concat([Buffer.of(0x80, 0x80, 0x80, 0x10), snappy.subarray(3)]), status: 400, error: /snappy/ },
  { name: "protobuf, cut off", body: snappyLiteral(protobuf.subarray(0, protobuf.length - 7)), status: 400, error: /byte \d+/ },
  { name: "no protobuf", body: snappyLiteral(Buffer.from("this is not a WriteRequest")), status: 400, error: /byte \d+/ },
  { name: "protobuf with a length beyond its end", body: snappyLiteral(Buffer.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1)), status: 400, error: /byte \d+/ },
  { name: "remote write 2.0", headers: { "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request" }, body: snappy, status: 415, error: /supported: .*prometheus\.WriteRequest/ },
  { name: "an encoding that nobody knows", headers: { "Content-Encoding": "lz77" }, body: snappy, status: 415, error: /supported: gzip, deflate, zstd, snappy/ },
  { name: "brotli", path: textPath, headers: { "Content-Encoding": "br" }, body: brotliCompressSync(text), status: 415, error: /supported/ },
  { name: "two encodings", path: textPath, headers: { "Content-Encoding": "gzip, zstd" }, body: gzipSync(text), status: 415, error: /supported/ },
  { name: "gzip, cut off", path: textPath, headers: { "Content-Encoding": "gzip" }, body: gzipSync(text).subarray(0, 500), status: 400, error: /gzip/ },
  { name: "gzip with a wrong checksum", path: textPath, headers: { "Content-Encoding": "gzip" }, body: withFlip(gzipSync(text), -6), status: 400, error: /gzip/ },
  { name: "no gzip", path: textPath, headers: { "Content-Encoding": "gzip" }, body: text, status: 400, error: /gzip/ },
  { name: "gzip bomb", path: textPath, headers: { "Content-Encoding": "gzip" }, body: gzipSync(zeros), status: 413, error: /-maxInsertRequestSize/ },
  { name: "deflate bomb", path: textPath, headers: { "Content-Encoding": "deflate" }, body: deflateSync(zeros), status: 413, error: /-maxInsertRequestSize/ },
  { name: "zstd, cut off", path: textPath, headers: { "Content-Encoding": "zstd" }, body: zstdCompressSync(text).subarray(0, 500), status: 400, error: /zstd/ },
  { name: "no zstd", path: textPath, headers: { "Content-Encoding": "zstd" }, body: text, status: 400, error: /zstd/ },
  { name: "zstd bomb", path: textPath, headers: { "Content-Encoding": "zstd" }, body: zstdCompressSync(zeros), status: 413, error: /-maxInsertRequestSize/ },
  { name: "zero bytes as text", path: textPath, body: zeros.subarray(0, 8 << 20), status: 400 },
  { name: "one endless line", path: textPath, body: "a".repeat(8 << 20), status: 400 },
  { name: "text of which nothing is good", path: textPath, body: "a b c d\n{\n} 5\n", status: 400, error: /line 1/ },
  { name: "text with some bad lines", path: textPath, body: `bad_input_some{a="1"} 1 ${timestampMs}\nbad_input_some{a="2" 2\nbad_input_some{a="3"} 3 ${timestampMs}`, status: 204, dropped: /^invalid_line=1$/ },
  { name: "text with too many labels", path: textPath, body: `bad_input_wide{${Array.from({ length: 41 }, (_, i) => `l${i}="x"`).join()}} 1\n`, status: 204, dropped: /^too_many_labels=1$/ },
  { name: "text with a long label value", path: textPath, body: `bad_input_long{a="${"x".repeat(5000)}"} 1\n`, status: 204, dropped: /^label_too_long=1$/ },
  { name: "text from long ago and far ahead", path: textPath, body: `bad_input_when 1 1000\nbad_input_when 2 ${Date.now() + 4 * 86_400_000}\n`, status: 204, dropped: /too_far_in_future=1/ },
  { name: "JSON, cut off", path: jsonPath, body: '{"metric":{"__name__":"bad_input_json"},"values":[1,2', status: 400 },
  { name: "JSON with columns of different length", path: jsonPath, body: `{"metric":{"__name__":"bad_input_json"},"values":[1,2],"timestamps":[${timestampMs}]}\n`, status: 400 },
  { name: "JSON of another shape", path: jsonPath, body: '[{"metric":5}]\n"text"\n5\n', status: 400 },
  { name: "JSON, very deep", path: jsonPath, body: `{"metric":${"[".repeat(1 << 20)}`, status: 400 },
  { name: "a wrong time argument", path: `${textPath}?timestamp=soon`, body: "a 1\n", status: 400, error: /"timestamp"/ },
  { name: "a wrong extra_label", path: `${textPath}?extra_label=novalue`, body: "a 1\n", status: 400, error: /extra_label/ },
];

const readRows: Row[] = [
  { name: "a path that is not there", path: "/api/v1/qery", status: 404, error: /did you mean \/api\/v1\/query\?/ },
  { name: "a path that climbs", path: "/..%2f..%2fetc/passwd", status: 404 },
  { name: "a path with broken escapes", path: "/api/v1/label/%zz/values", status: 400 },
  { name: "a method that is not there", path: "/api/v1/write", method: "GET", status: 405, error: /POST/ },
  { name: "deleting by query", path: "/api/v1/query?query=up", method: "DELETE", status: 405 },
  { name: "no query", path: "/api/v1/query", status: 400, error: /"query" is missing/ },
  { name: "a time that is none", path: "/api/v1/query?query=up&time=yesterday-ish", status: 400, error: /"time"/ },
  { name: "a step that is none", path: "/api/v1/query_range?query=up&step=fast", status: 400, error: /step/ },
  { name: "a step of nothing", path: "/api/v1/query_range?query=up&step=0", status: 400, error: /step/ },
  { name: "a step backwards", path: "/api/v1/query_range?query=up&step=-15", status: 400, error: /step/ },
  { name: "a function that is not there", path: "/api/v1/query?query=ratee(up[5m])", status: 422, error: /ratee/ },
  { name: "a bad regular expression", path: `/api/v1/query?query=${encodeURIComponent('up{job=~"("}')}`, status: 422 },
  { name: "a selector that would pick all", path: "/api/v1/series", status: 400, error: /match/ },
  { name: "a broken selector", path: `/api/v1/series?match[]=${encodeURIComponent("{a=")}`, status: 422 },
  { name: "a query that is too long", path: "/api/v1/query", method: "POST", headers: form, body: `query=${"a".repeat(20_000)}`, status: 422, error: /-search\.maxQueryLen/ },
  { name: "a query that is too deep", path: "/api/v1/query", method: "POST", headers: form, body: `query=${"(".repeat(16_000)}`, status: 422 },
  { name: "a query of many signs", path: "/api/v1/query", method: "POST", headers: form, body: `query=${"-".repeat(16_000)}1`, status: 422 },
  { name: "a WITH template that grows without end", path: "/api/v1/query", method: "POST", headers: form, body: `query=${encodeURIComponent(growingTemplate())}`, status: 422 },
  { name: "a repeat that grows without end", path: "/api/v1/query", method: "POST", headers: form, body: `query=${encodeURIComponent('up{job=~"((a{1000}){1000}){1000}"}')}`, status: 422 },
  { name: "too many points", path: "/api/v1/query_range?query=1&start=0&end=1700000000&step=1", status: 422, error: /-search\.maxPointsPerTimeseries/ },
  { name: "a form that is too large", path: "/api/v1/query", method: "POST", headers: form, body: `query=${"a".repeat(5 << 20)}`, status: 413 },
];

test(`bad input: the right answers, and a server that goes on (seed ${seed})`, async (context) => {
  using folder = temporaryFolder();
  await using server = await ServerProcess.start(folder.path);
  for (const row of [...writeRows, ...readRows]) {
    await context.test(row.name, async () => {
      const method = row.method ?? (row.body === undefined ? "GET" : "POST");
      checkAnswer(row, await server.request(row.path ?? "/api/v1/write", { method, headers: row.headers, body: row.body as BodyInit | undefined }));
    });
  }
  await context.test("a client that sends all of a body over the limit before it reads", async () => {
    const answer = await talk(server.port, `POST ${textPath} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bodyLimitBytes + 1}\r\n\r\n${"#".repeat(bodyLimitBytes + 1)}`, true);
    assert.match(answer, /^HTTP\/1\.1 413 [^]*33554433[^]*33554432[^]*-maxInsertRequestSize/);
  });
  await context.test("a syntax error says where", async () => {
    const answer = await server.request(`/api/v1/query_range?query=${encodeURIComponent("sum(up) by (job) +* 2")}&start=1&end=2&step=1`);
    const { status, errorType, error, position } = JSON.parse(answer.text) as Record<string, unknown>;
    assert.deepEqual([answer.status, status, errorType, position], [422, "error", "bad_data", 18]);
    assert.match(String(error), /\*/);
  });
  await context.test("rows before a break are kept, a failed checksum keeps nothing", async () => {
    assert.equal((await server.query("count(bad_input_remote)", timestampMs)).get("{}"), String(seriesCount - 1), "the last one was cut off");
    assert.deepEqual(await server.query("count(bad_input_text)", timestampMs), new Map());
    assert.equal((await server.query("count(bad_input_some)", timestampMs)).get("{}"), "2");
  });
  await context.test("damaged bodies", () => sendDamaged(server));
  await context.test("broken HTTP", () => sendBrokenHttp(server.port));
  await context.test("and after all of it", async () => {
    await server.importText(`still_here 7 ${timestampMs}\n`);
    assert.equal([...(await server.query("still_here", timestampMs)).values()].join(), "7");
    assert.equal((await server.post("/api/v1/write", snappy)).status, 204);
    assert.doesNotMatch(server.errors, /\t(error|fatal|panic)\t/);
    const residentBytes = server.residentBytes();
    context.diagnostic(`resident: ${Math.round(residentBytes / 1e6)} MB`);
    assert.ok(residentBytes < residentBytesMax, `${residentBytes} bytes resident`);
    assert.equal((await server.stop()).code, 0);
  });
});

function checkAnswer(row: Row, answer: Answer): void {
  assert.equal(answer.status, row.status, answer.text);
  assert.match(answer.headers.get("X-Tidemark-Dropped-Rows") ?? "", row.dropped ?? /^$|=/);
  if (row.status < 400) return;
  const { status, errorType, error } = JSON.parse(answer.text) as { status: string; errorType: string; error: string };
  assert.equal(status, "error");
  assert.match(errorType, /^[a-z_]+$/);
  assert.match(error, row.error ?? /\w/);
  assert.ok(error.length < 1000, "a message, not the input again");
}

/** Good bodies with a few bytes changed or missing: any of these is taken or refused, none is answered with a fault of the server. */
async function sendDamaged(server: ServerProcess): Promise<void> {
  const random = seededRandom(seed);
  const bodies: { path: string; encoding?: string; body: Uint8Array }[] = [
    { path: "/api/v1/write", encoding: "snappy", body: snappy },
    { path: "/api/v1/write", encoding: "identity", body: protobuf },
    { path: "/api/v1/write", encoding: "zstd", body: zstdCompressSync(protobuf) },
    { path: textPath, body: text },
    { path: textPath, encoding: "gzip", body: gzipSync(text) },
    { path: jsonPath, body: Buffer.from(`{"metric":{"__name__":"damaged","a":"b"},"values":[1,2.5,null],"timestamps":[${timestampMs},${timestampMs + 1},${timestampMs + 2}]}\n`) },
  ];
  for (const { path, encoding, body } of bodies) {
    for (let round = 0; round < 60; round++) {
      const damaged = Buffer.from(body.subarray(0, random.int(4) === 0 ? random.int(body.length) : body.length));
      for (let flips = 1 + random.int(4); flips > 0 && damaged.length > 0; flips--) damaged[random.int(damaged.length)] = random.int(256);
      const answer = await server.post(path, damaged, encoding === undefined ? {} : { "Content-Encoding": encoding });
      assert.ok([200, 204, 400, 413].includes(answer.status), `${path} ${encoding} round ${round}: ${answer.status} ${answer.text}`);
    }
  }
}

/** What no HTTP client would send. Each is answered or cut off within seconds. */
async function sendBrokenHttp(port: number): Promise<void> {
  const rows = [
    { name: "no HTTP", send: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", answer: /^HTTP\/1\.1 400 / },
    { name: "headers without end", send: `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(100_000)}`, answer: /^HTTP\/1\.1 431 / },
    { name: "a chunk that is no number", send: "POST /api/v1/import/prometheus HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", answer: /^HTTP\/1\.1 400 / },
    { name: "two lengths", send: "POST /api/v1/import/prometheus HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\na 1\n", answer: /^HTTP\/1\.1 400 / },
    { name: "a length over the limit", send: "POST /api/v1/import/prometheus HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\na 1\n", answer: /^HTTP\/1\.1 413 / },
    { name: "a client that expects to be asked for too much", send: "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n", answer: /^HTTP\/1\.1 413 / },
  ];
  for (const { name, send, answer } of rows) assert.match(await talk(port, send), answer, name);
}

/** Sends bytes and returns what comes back until the server closes the connection; `sendsFirst`: reads nothing before all is sent. */
function talk(port: number, bytes: string, sendsFirst = false): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(port, "127.0.0.1");
  let received = "";
  socket.setTimeout(10_000, () => socket.destroy(new Error(`no end after 10 s; received: ${received}`)));
  socket.on("data", (chunk) => (received += chunk.toString("latin1")));
  socket.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
  });
  socket.on("close", () => resolve(received));
  if (sendsFirst) socket.pause();
  socket.write(Buffer.from(bytes, "latin1"), () => socket.resume());
  return promise;
}

/** Each name stands for the one before, twice; a few of them are more than any memory. */
function growingTemplate(): string {
  const names = Array.from({ length: 60 }, (_, i) => `x${i + 1} = x${i} + x${i}`);
  return `WITH (x0 = up, ${names.join(", ")}) x60`;
}

function withFlip(bytes: Buffer, index: number): Buffer {
  bytes[(bytes.length + index) % bytes.length] ^= 0x55;
  return bytes;
}
