/**
 * Write requests over a real socket: what is taken, what is refused and how, and that refused bodies leave nothing behind. The rows on bad
 * bodies are those of the design's table of bad input.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { type HttpNode, startHttpNode } from "../../testkit/http_node.ts";
import { encodeWriteRequest, fleetSeries, remoteWriteBody, snappyCompress, snappyLiteral } from "../../testkit/remote_write_body.ts";
import { UnavailableError } from "../base/errors.ts";
import { labelsOf } from "../model/labels.ts";
import { droppedRowsHeader } from "./ingest_route.ts";

const nowMs = Date.now();
let node: HttpNode;
before(async () => {
  node = await startHttpNode();
});
after(async () => node[Symbol.asyncDispose]());

function seriesBody(name: string, count = 1): Uint8Array {
  const timestampsMs = Array.from({ length: count }, (_, i) => nowMs - i);
  return encodeWriteRequest([{ labels: labelsOf({ __name__: name, job: "j" }), timestampsMs, values: new Float64Array(count).fill(1.5) }]);
}

/** A copy with another byte at `index` from the end. */
function withByte(bytes: Uint8Array, index: number, by: number): Uint8Array {
  return bytes.with(index, bytes.at(index)! ^ by);
}

async function exported(name: string): Promise<{ metric: Record<string, string>; values: (number | null | string)[]; timestamps: number[] }[]> {
  const response = await fetch(`${node.url}/api/v1/export?match[]=${encodeURIComponent(`{__name__="${name}"}`)}&start=0&end=9999`);
  assert.equal(response.status, 200);
  return (await response.text()).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as never);
}

interface WriteCase {
  readonly name: string;
  readonly path: string;
  readonly body: (metric: string) => Uint8Array | string;
  readonly headers?: Record<string, string>;
  readonly status: number;
  readonly dropped?: string;
  readonly error?: RegExp;
  /** Samples of the metric in the store afterwards. */
  readonly stored: number;
}

const text = (metric: string): string => `${metric}{a="b"} 1.5\n`;
const write = "/api/v1/write";
const importText = "/api/v1/import/prometheus";
const importJson = "/api/v1/import";

const cases: WriteCase[] = [
  { name: "remote write", path: write, body: (m) => snappyCompress(seriesBody(m, 3)), status: 204, stored: 3 },
  { name: "remote write with headers", path: write, body: (m) => snappyCompress(seriesBody(m)), headers: { "content-encoding": "snappy", "content-type": "application/x-protobuf;proto=prometheus.WriteRequest" }, status: 204, stored: 1 },
  { name: "remote write in zstd", path: write, body: (m) => zstdCompressSync(seriesBody(m)), headers: { "content-encoding": "zstd" }, status: 204, stored: 1 },
  { name: "remote write in gzip", path: write, body: (m) => gzipSync(seriesBody(m)), headers: { "content-encoding": "gzip" }, status: 204, stored: 1 },
  { name: "remote write below the prefix", path: `/prometheus${write}`, body: (m) => snappyCompress(seriesBody(m)), status: 204, stored: 1 },
  { name: "remote write at its other path", path: "/api/v1/push", body: (m) => snappyCompress(seriesBody(m)), status: 204, stored: 1 },
  { name: "remote write of nothing", path: write, body: () => snappyCompress(new Uint8Array()), status: 204, stored: 0 },
  { name: "remote write 2.0", path: write, body: (m) => snappyCompress(seriesBody(m)), headers: { "content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request" }, status: 415, error: /supported: .*prometheus.WriteRequest/, stored: 0 },
  { name: "unknown encoding", path: write, body: (m) => seriesBody(m), headers: { "content-encoding": "br" }, status: 415, error: /supported: gzip, deflate, zstd, snappy, identity/, stored: 0 },
  { name: "empty body", path: write, body: () => "", status: 400, error: /corrupt snappy body/, stored: 0 },
  { name: "truncated snappy", path: write, body: (m) => snappyCompress(seriesBody(m, 50)).slice(0, -9), status: 400, error: /corrupt snappy body at byte \d+/, stored: 0 },
  { name: "corrupt snappy", path: write, body: (m) => snappyCompress(seriesBody(m)).fill(255, 1, 5), status: 400, error: /corrupt snappy/, stored: 0 },
  { name: "not snappy at all", path: write, body: () => "{\"streams\":[]}", status: 400, error: /corrupt snappy/, stored: 0 },
  { name: "snappy bomb", path: write, body: () => snappyCompress(new Uint8Array(3 << 20)), status: 413, error: /decodes to 3145728 bytes, the limit is 1048576 \(-maxInsertRequestSize\)/, stored: 0 },
  { name: "snappy that lies about its size", path: write, body: () => Uint8Array.of(0xff, 0xff, 0x3f, 0), status: 400, error: /cannot decode to/, stored: 0 },
  { name: "truncated protobuf", path: write, body: (m) => snappyLiteral(Buffer.concat([seriesBody(m, 2), seriesBody(m, 2).subarray(0, -3)])), status: 400, error: /broken at byte \d+; everything before it was taken/, stored: 2 },
  { name: "corrupt protobuf", path: write, body: () => snappyLiteral(Uint8Array.of(0x0a, 0x02, 0xff, 0xff)), status: 400, error: /protobuf body is broken at byte \d+/, stored: 0 },
  { name: "NaN is dropped and counted", path: importText, body: (m) => `${m} NaN\n${m} 1\n`, status: 204, dropped: "nan_value=1", stored: 1 },

  { name: "text", path: importText, body: text, status: 204, stored: 1 },
  { name: "text as curl -d sends it", path: importText, body: text, headers: { "content-type": "application/x-www-form-urlencoded" }, status: 204, stored: 1 },
  { name: "text in gzip", path: importText, body: (m) => gzipSync(text(m)), headers: { "content-encoding": "gzip" }, status: 204, stored: 1 },
  { name: "text in deflate", path: importText, body: (m) => deflateSync(text(m)), headers: { "content-encoding": "deflate" }, status: 204, stored: 1 },
  { name: "text in zstd", path: importText, body: (m) => zstdCompressSync(text(m)), headers: { "content-encoding": "zstd" }, status: 204, stored: 1 },
  { name: "text in snappy", path: importText, body: (m) => snappyCompress(Buffer.from(text(m))), headers: { "content-encoding": "snappy" }, status: 204, stored: 1 },
  { name: "text with a bad line", path: importText, body: (m) => `${m} 1\n${m}{ 2\n${m}{x="y"} 3\n`, status: 204, dropped: "invalid_line=1", stored: 2 },
  { name: "text of bad lines only", path: importText, body: () => "{{{\n= =\n", status: 400, dropped: "invalid_line=2", error: /^line 1, column \d+: /, stored: 0 },
  { name: "text of comments only", path: importText, body: () => "# nothing\n\n", status: 204, stored: 0 },
  { name: "truncated gzip", path: importText, body: (m) => gzipSync(text(m).repeat(100)).subarray(0, -12), headers: { "content-encoding": "gzip" }, status: 400, error: /corrupt gzip body: /, stored: 0 },
  { name: "corrupt gzip", path: importText, body: () => "no gzip", headers: { "content-encoding": "gzip" }, status: 400, error: /corrupt gzip body: incorrect header check/, stored: 0 },
  { name: "gzip with a wrong checksum", path: importText, body: (m) => withByte(gzipSync(text(m)), -8, 7), headers: { "content-encoding": "gzip" }, status: 400, error: /corrupt gzip body: incorrect data check/, stored: 0 },
  { name: "truncated zstd", path: importText, body: (m) => zstdCompressSync(text(m).repeat(100)).subarray(0, -5), headers: { "content-encoding": "zstd" }, status: 400, error: /corrupt zstd body/, stored: 0 },
  { name: "gzip bomb", path: importText, body: () => gzipSync(Buffer.alloc(8 << 20)), headers: { "content-encoding": "gzip" }, status: 413, error: /decodes to more than 1048576 bytes, the limit is 1048576 \(-maxInsertRequestSize\)/, stored: 0 },
  { name: "zstd bomb", path: importText, body: () => zstdCompressSync(Buffer.alloc(8 << 20)), headers: { "content-encoding": "zstd" }, status: 413, error: /decodes to more than/, stored: 0 },
  { name: "large body", path: importText, body: () => Buffer.alloc(2 << 20, "a"), status: 413, error: /is 2097152 bytes long, the limit is 1048576 \(-maxInsertRequestSize\)/, stored: 0 },
  { name: "timestamp argument", path: `${importText}?timestamp=1700000000000`, body: text, status: 204, stored: 1 },
  { name: "bad timestamp argument", path: `${importText}?timestamp=soon`, body: text, status: 400, error: /argument "timestamp"/, stored: 0 },
  { name: "extra_label without value", path: `${importText}?extra_label=x`, body: text, status: 400, error: /extra_label must be name=value/, stored: 0 },
  { name: "pushgateway path", path: `${importText}/metrics/job/x/y@base64/Zm9v`, body: text, status: 200, stored: 1 },
  { name: "pushgateway path with bad base64", path: `${importText}/metrics/job@base64/!`, body: text, status: 400, error: /is not base64/, stored: 0 },

  { name: "JSON lines", path: importJson, body: (m) => `{"metric":{"__name__":"${m}"},"values":[1,2],"timestamps":[${nowMs},${nowMs + 1}]}\n`, status: 204, stored: 2 },
  { name: "JSON lines with a bad line", path: importJson, body: (m) => `{"metric":\n{"metric":{"__name__":"${m}"},"values":[1],"timestamps":[${nowMs}]}\n`, status: 204, dropped: "invalid_line=1", stored: 1 },
  { name: "JSON lines, none good", path: importJson, body: () => "[]\n", status: 400, dropped: "invalid_line=1", error: /^line 1, column 1: /, stored: 0 },
];

cases.forEach((row, i) => {
  test(`write: ${row.name}`, async () => {
    const metric = `case_${i}`;
    const response = await fetch(node.url + row.path, { method: "POST", body: row.body(metric) as BodyInit, headers: row.headers ?? { "content-type": "application/octet-stream" } });
    const answer = await response.text();
    assert.equal(response.status, row.status, answer);
    assert.equal(response.headers.get(droppedRowsHeader), row.dropped ?? null);
    if (row.error !== undefined) {
      const envelope = JSON.parse(answer) as { status: string; errorType: string; error: string };
      assert.equal(envelope.status, "error");
      assert.equal(envelope.errorType, "bad_data");
      assert.match(envelope.error, row.error);
    } else assert.equal(answer, "");
    assert.equal((await exported(metric)).reduce((sum, series) => sum + series.values.length, 0), row.stored);
    assert.equal(node.budget.usedBytes, 0);
  });
});

test("write: extra labels override, path labels are added", async () => {
  await fetch(`${node.url}${importText}/metrics/job/push/a/path?extra_label=b=extra&extra_label=c=d`, { method: "POST", body: 'labelled{a="own",b="own",z="own"} 1\n' });
  assert.deepEqual((await exported("labelled")).map((series) => series.metric), [{ __name__: "labelled", a: "path", b: "extra", c: "d", job: "push", z: "own" }]);
});

test("write: OpenMetrics timestamps are seconds, others milliseconds", async () => {
  const openMetrics = { "content-type": "application/openmetrics-text; version=1.0.0" };
  await fetch(`${node.url}${importText}`, { method: "POST", body: "om_ts 1 1700000000.5\n# EOF\n", headers: openMetrics });
  await fetch(`${node.url}${importText}`, { method: "POST", body: "text_ts 1 1700000000500\n" });
  assert.deepEqual([...(await exported("om_ts")), ...(await exported("text_ts"))].map((series) => series.timestamps), [[1_700_000_000_500], [1_700_000_000_500]]);
});

test("write: many slices of many requests at once", async () => {
  const body = remoteWriteBody(fleetSeries(2500, nowMs));
  const responses = await Promise.all(Array.from({ length: 6 }, () => fetch(`${node.url}${write}`, { method: "POST", body: body as BodyInit })));
  assert.deepEqual(responses.map((response) => response.status), Array.from({ length: 6 }, () => 204));
  const page = await (await fetch(`${node.url}/metrics`)).text();
  assert.match(page, /vm_http_requests_total\{path="\/api\/v1\/write"\} \d+/);
  assert.ok(Number(/vm_rows_inserted_total\{type="promremotewrite"\} (\d+)/.exec(page)?.[1]) >= 15_000);
  assert.match(page, /vm_rows_ignored_total\{reason="nan_value"\} [1-9]/);
});

test("write: a chunked body over the limit is cut while it arrives", async () => {
  const socket = connect(node.port, "127.0.0.1");
  socket.write(`POST ${importText} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`);
  const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`;
  let answer = "";
  socket.on("data", (bytes) => (answer += bytes.toString()));
  for (let i = 0; i < 70 && answer === ""; i++) {
    socket.write(chunk);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  while (!answer.includes("\r\n\r\n")) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.match(answer, /^HTTP\/1.1 413 [^]*Connection: close[^]*has more than 1048576 bytes/);
  assert.equal(node.budget.usedBytes, 0);
  socket.destroy();
});

test("write: a body that is announced too large is not asked for", async () => {
  const socket = connect(node.port, "127.0.0.1");
  socket.write(`POST ${importText} HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\nExpect: 100-continue\r\n\r\n`);
  const answer = await new Promise<string>((resolve) => socket.once("data", (bytes) => resolve(bytes.toString())));
  assert.match(answer, /^HTTP\/1.1 413 /);
  socket.destroy();
});

test("write: an aborted upload frees its memory", async () => {
  const socket = connect(node.port, "127.0.0.1");
  socket.write(`POST ${importText} HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n${"x".repeat(200_000)}`);
  await waitFor(() => node.budget.usedBytes > 100_000);
  socket.destroy();
  await waitFor(() => node.budget.usedBytes === 0);
});

test("write: bodies beyond the budget are answered with 503 and Retry-After", async () => {
  await using small = await startHttpNode({ ingestBytesInFlightMax: 100_000 });
  const socket = connect(small.port, "127.0.0.1");
  socket.write(`POST ${importText} HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n${"x".repeat(80_000)}`);
  await waitFor(() => small.budget.usedBytes === 80_000);
  const response = await fetch(`${small.url}${importText}`, { method: "POST", body: "y 1\n".repeat(10_000) });
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("retry-after"), "1");
  assert.match(await response.text(), /-insert.maxBytesInFlight/);
  assert.equal((await fetch(`${small.url}${importText}`, { method: "POST", body: "y 1\n" })).status, 204);
  socket.destroy();
});

test("write: a store that takes nothing is a 503 with its reason, and the next write may succeed", async () => {
  let isReadOnly = true;
  const ingestTarget = {
    write: () => (isReadOnly ? Promise.reject(new UnavailableError("read_only", "the disk is full", { retryAfterS: 5 })) : Promise.resolve({ acceptedSamples: 1, droppedSamples: {} })),
  };
  await using readOnly = await startHttpNode({ ingestTarget });
  const response = await fetch(`${readOnly.url}${importText}`, { method: "POST", body: "y 1\n" });
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("retry-after"), "5");
  assert.equal(((await response.json()) as { error: string }).error, "the disk is full");
  isReadOnly = false;
  assert.equal((await fetch(`${readOnly.url}${importText}`, { method: "POST", body: "y 1\n" })).status, 204);
});

test("write: the lane goes on when the store has taken a batch, the answer waits until it is safe", async () => {
  const safe = Promise.withResolvers<void>();
  const ingestTarget = {
    async write() {
      await safe.promise;
      return { acceptedSamples: 1, droppedSamples: {} };
    },
    applied: () => Promise.resolve(),
  };
  await using slow = await startHttpNode({ ingestTarget });
  let answered = 0;
  const posts = [1, 2, 3].map(() => fetch(`${slow.url}${importText}`, { method: "POST", body: "y 1\n" }).then(() => answered++));
  await waitFor(() => slow.api.ingestLane.waiting === 3);
  await slow.api.ingestLane.idle();
  assert.equal(answered, 0);
  safe.resolve();
  await Promise.all(posts);
});

async function waitFor(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail("waited in vain");
}
