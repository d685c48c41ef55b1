/** Which encoding an answer gets, and that small, large and streamed ones arrive whole. */
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { after, before, test } from "node:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { type HttpNode, startHttpNode } from "../../testkit/http_node.ts";
import { chooseEncoding } from "./content_encoding.ts";
import type { QueryRunner } from "./query_runner.ts";

const choices: { header: string; encoding: "zstd" | "gzip" | undefined }[] = [
  { header: "", encoding: undefined },
  { header: "gzip, deflate, br, zstd", encoding: "zstd" },
  { header: "gzip", encoding: "gzip" },
  { header: "x-gzip", encoding: "gzip" },
  { header: "deflate, gzip;q=1.0, *;q=0.5", encoding: "gzip" },
  { header: "zstd;q=0.5, gzip;q=0.8", encoding: "gzip" },
  { header: "zstd; q=0.8, gzip; q=0.8", encoding: "zstd" },
  { header: "zstd;q=0, gzip;q=0.001", encoding: "gzip" },
  { header: "*", encoding: "gzip" },
  { header: "gzip;q=0, *", encoding: undefined },
  { header: "br, gzip;q=0", encoding: undefined },
  { header: "identity", encoding: undefined },
  { header: "gzip;q=nonsense", encoding: undefined },
  { header: ",;q=1,,", encoding: undefined },
];
for (const { header, encoding } of choices) {
  test(`Accept-Encoding: ${header}`, () => assert.equal(chooseEncoding(header), encoding));
}

const value = Buffer.from('[1700000000,"1.5"],');
/** The query says how many bytes the answer has. */
const runner: QueryRunner = { instant: run, range: run };
async function run({ query }: { readonly query: string }): Promise<{ body: Uint8Array }> {
  return { body: Buffer.alloc(Number(query), value) };
}

let node: HttpNode;
before(async () => {
  node = await startHttpNode({ api: { queryRunner: runner }, limits: { exportSeriesMax: 5000 } });
  const lines = Array.from({ length: 3000 }, (_, i) => `metric{number="${i}"} ${i}`);
  assert.equal((await fetch(`${node.url}/api/v1/import/prometheus`, { method: "POST", body: `${lines.join("\n")}\n` })).status, 204);
});
after(() => node[Symbol.asyncDispose]());

interface RawAnswer {
  readonly encoding: string | undefined;
  readonly vary: string | undefined;
  readonly length: string | undefined;
  readonly bytes: Buffer;
}

function ask(path: string, acceptEncoding: string): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const asked = httpRequest(`${node.url}${path}`, { headers: { "accept-encoding": acceptEncoding } }, (response) => {
    const pieces: Buffer[] = [];
    response.on("data", (piece: Buffer) => pieces.push(piece));
    response.on("error", reject);
    response.on("end", () => {
      const { headers } = response;
      resolve({ encoding: headers["content-encoding"], vary: headers.vary, length: headers["content-length"], bytes: Buffer.concat(pieces) });
    });
  });
  asked.on("error", reject);
  asked.end();
  return promise;
}

const decoders = { zstd: zstdDecompressSync, gzip: gunzipSync, identity: (bytes: Buffer) => bytes };

for (const encoding of ["zstd", "gzip", "identity"] as const) {
  for (const sizeBytes of [1023, 1024, 65_536, 65_537, 262_144, 3_000_000]) {
    test(`an answer of ${sizeBytes} bytes, ${encoding}`, async () => {
      const answer = await ask(`/api/v1/query?query=${sizeBytes}`, encoding);
      const isEncoded = encoding !== "identity" && sizeBytes >= 1024;
      assert.equal(answer.encoding, isEncoded ? encoding : undefined);
      assert.equal(answer.vary, isEncoded ? "Accept-Encoding" : undefined);
      assert.equal(answer.length, isEncoded && sizeBytes > 65_536 ? undefined : String(answer.bytes.length));
      const decoded = isEncoded ? decoders[encoding](answer.bytes) : answer.bytes;
      assert.ok(decoded.equals(Buffer.alloc(sizeBytes, value)));
    });
  }

  test(`an export, ${encoding}`, async () => {
    const answer = await ask("/api/v1/export?match[]=metric", encoding);
    assert.equal(answer.encoding, encoding === "identity" ? undefined : encoding);
    const lines = decoders[encoding](answer.bytes).toString().trimEnd().split("\n");
    assert.equal(lines.length, 3000);
    assert.equal((JSON.parse(lines[0]) as { metric: { __name__: string } }).metric.__name__, "metric");
  });
}

test("no encoding with -http.disableResponseCompression", async () => {
  await using other = await startHttpNode({ api: { queryRunner: runner }, compressesAnswers: false });
  const response = await fetch(`${other.url}/api/v1/query?query=100000`, { headers: { "Accept-Encoding": "gzip" } });
  assert.equal(response.headers.get("content-encoding"), null);
  assert.equal((await response.arrayBuffer()).byteLength, 100_000);
});

test("a client that leaves in the middle of a large answer leaves nothing behind", async () => {
  for (let i = 0; i < 5; i++) {
    const controller = new AbortController();
    const response = await fetch(`${node.url}/api/v1/query?query=20000000`, { headers: { "Accept-Encoding": "gzip" }, signal: controller.signal });
    controller.abort();
    await assert.rejects(response.text());
  }
  assert.equal(node.api.queryGate.current, 0);
  assert.equal((await ask("/api/v1/query?query=1024", "gzip")).encoding, "gzip");
});
