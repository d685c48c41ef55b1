// The HTTP client against a real server on this machine: encodings, limits, redirects, credentials, kept connections, aborts.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { HttpScrapeClient } from "./http_scrape_client.ts";
import { parseScrapeConfig } from "./scrape_config.ts";
import { type ScrapeErrorCode, ScrapeError, type ScrapeRequest } from "./scrape_client.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server;
let url = "";
let connections = 0;
const files = new MemoryFileSystem();

const handlers: Record<string, Handler> = {
  "/plain": (_request, response) => response.setHeader("content-type", "text/plain; version=0.0.4").end("m 1\n"),
  "/gzip": (_request, response) => response.setHeader("content-encoding", "gzip").end(gzipSync("m 2\n")),
  "/broken": (_request, response) => response.setHeader("content-encoding", "gzip").end(gzipSync("m 2\n".repeat(1000)).subarray(0, 20)),
  "/bomb": (_request, response) => response.setHeader("content-encoding", "gzip").end(gzipSync(Buffer.alloc(1 << 20))),
  "/brotli": (_request, response) => response.setHeader("content-encoding", "br").end("x"),
  "/large": (_request, response) => response.end(Buffer.alloc(200_000, 10)),
  "/503": (_request, response) => response.writeHead(503).end("warming up\n"),
  "/204": (_request, response) => response.writeHead(204).end(),
  "/cut": (_request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("m 1\n");
    setImmediate(() => response.destroy());
  },
  "/slow": () => undefined,
  "/echo": (request, response) => response.end(JSON.stringify(request.headers)),
  "/moved": (_request, response) => response.writeHead(302, { location: "echo" }).end(),
  "/circle": (_request, response) => response.writeHead(302, { location: "/circle" }).end(),
  "/away": (request, response) => response.writeHead(307, { location: `http://localhost:${request.socket.localPort}/echo` }).end(),
  "/nowhere": (_request, response) => response.writeHead(301, { location: "file:///etc/passwd" }).end(),
  "/closing": (request, response) => {
    response.end("m 1\n");
    setTimeout(() => request.socket.destroy(), 5);
  },
};

before(async () => {
  server = createServer((request, response) => handlers[request.url ?? ""]?.(request, response));
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  files.makeDirectory("/etc");
  using file = files.open("/etc/token", "create");
  file.write(Buffer.from(" from-file\n"), 0);
});
after(() => {
  server.closeAllConnections();
  server.close();
});

function requestOf(path: string, settings = "", more: Partial<ScrapeRequest> = {}): ScrapeRequest {
  const [job] = parseScrapeConfig(`scrape_configs:\n- job_name: j\n${settings}`, "/etc/p.yml").jobs;
  return { url: path.startsWith("http") ? path : url + path, http: job.http, timeoutMs: 1_500, bodyBytesMax: 100_000, signal: new AbortController().signal, ...more };
}

async function get(path: string, settings = ""): Promise<string> {
  using client = new HttpScrapeClient(files);
  return Buffer.from((await client.get(requestOf(path, settings))).body).toString();
}

test("plain and compressed pages", async () => {
  assert.equal(await get("/plain"), "m 1\n");
  assert.equal(await get("/gzip"), "m 2\n");
});

test("headers and credentials", async () => {
  const plain = JSON.parse(await get("/echo")) as Record<string, string>;
  assert.match(plain["accept"], /^text\/plain;version=0\.0\.4;q=1,application\/openmetrics-text/);
  assert.deepEqual([plain["accept-encoding"], plain["x-prometheus-scrape-timeout-seconds"], plain["authorization"]], ["gzip", "1.5", undefined]);
  const basic = JSON.parse(await get("/echo", "  basic_auth: {username: u, password_file: token}\n  headers: ['X-A: b']\n  disable_compression: true\n")) as Record<string, string>;
  assert.deepEqual([basic["authorization"], basic["x-a"], basic["accept-encoding"]], [`Basic ${btoa("u:from-file")}`, "b", "identity"]);
  const bearer = JSON.parse(await get("/echo", "  authorization: {credentials_file: token}\n")) as Record<string, string>;
  assert.equal(bearer["authorization"], "Bearer from-file");
});

test("redirects are followed; credentials stay with their host", async () => {
  const near = JSON.parse(await get("/moved", "  bearer_token: t\n")) as Record<string, string>;
  assert.equal(near["authorization"], "Bearer t");
  const far = JSON.parse(await get("/away", "  bearer_token: t\n  headers: ['X-A: b']\n")) as Record<string, string>;
  assert.deepEqual([far["authorization"], far["x-a"]], [undefined, undefined]);
});

const failures: { path: string; settings?: string; code: ScrapeErrorCode; message: RegExp }[] = [
  { path: "/503", code: "status", message: /^the target answers 503 Service Unavailable: warming up$/ },
  { path: "/204", code: "status", message: /^the target answers 204/ },
  { path: "/broken", code: "encoding", message: /gzip body is broken/ },
  { path: "/brotli", code: "encoding", message: /Content-Encoding "br"/ },
  { path: "/bomb", code: "too_large", message: /larger than 100000 bytes; raise max_scrape_size/ },
  { path: "/large", code: "too_large", message: /larger than 100000 bytes/ },
  { path: "/cut", code: "connection", message: /closed the connection|aborted/ },
  { path: "/circle", code: "status", message: /more than 10 redirects/ },
  { path: "/nowhere", code: "status", message: /bad redirect to "file:/ },
  { path: "/moved", settings: "  follow_redirects: false\n", code: "status", message: /the target answers 302/ },
  { path: "http://127.0.0.1:1/", code: "connection", message: /ECONNREFUSED/ },
  { path: "/plain", settings: "  bearer_token_file: /none\n", code: "secret", message: /cannot read \/none/ },
];

for (const row of failures) {
  test(`failure: ${row.path} ${row.settings ?? ""}`.trim(), async () => {
    await assert.rejects(get(row.path, row.settings), (error) => {
      assert.ok(error instanceof ScrapeError, String(error));
      assert.equal(error.code, row.code);
      assert.match(error.message, row.message);
      return true;
    });
  });
}

test("an abort ends the request with its reason", async () => {
  using client = new HttpScrapeClient(files);
  const abort = new AbortController();
  setTimeout(() => abort.abort(new ScrapeError("timeout", "too slow")), 20);
  await assert.rejects(client.get(requestOf("/slow", "", { signal: abort.signal })), /too slow/);
});

test("connections are kept, and made anew when the server has closed them", async () => {
  using client = new HttpScrapeClient(files);
  const before = connections;
  for (let i = 0; i < 5; i++) await client.get(requestOf("/plain"));
  assert.equal(connections - before, 1);
  await client.get(requestOf("/closing"));
  await client.get(requestOf("/plain"));
  await new Promise((resolve) => setTimeout(resolve, 30));
  await client.get(requestOf("/plain"));
  assert.ok(connections - before <= 3);
});
