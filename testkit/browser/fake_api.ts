/**
 * A server for the UI without a database: serves build/web as the node does, with the same strict content security policy, and canned
 * answers of the Prometheus API. The first word of a query decides what comes back:
 *
 *   up                     three series, one of them down for a while
 *   cpu                    sixteen series, two labels that differ
 *   many, few             3,700 series or 300
 *   nothing, unknown_metric   no series; with a hint, if the query has a filter on job
 *   partial                like up, isPartial with a warning
 *   slow                   like up, after half a second
 *   broken                 503 without JSON
 *   anything with a missing bracket   422 with the position
 */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const webFolder = fileURLToPath(new URL("../../build/web", import.meta.url));

/** As the node sends it with every page. */
const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

const contentTypes: Readonly<Record<string, string>> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

/** A running server; `requests` are the paths that were asked for. */
export interface FakeApi extends AsyncDisposable {
  readonly url: string;
  readonly requests: string[];
}

/** Starts on a free port of the loopback interface. */
export async function startFakeApi(): Promise<FakeApi> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url!);
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, requests, [Symbol.asyncDispose]: () => close(server) };
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url!, "http://fake");
  if (!url.pathname.startsWith("/api/")) return answerFile(url.pathname, response);
  const body = request.method === "POST" ? await readBody(request) : "";
  const parameters = new URLSearchParams(url.search.slice(1) + (body === "" ? "" : `&${body}`));
  if (url.pathname.startsWith("/api/v1/query")) return answerQuery(parameters, url.pathname.endsWith("query_range"), response);
  return sendJson(response, 200, { status: "success", data: listOf(url.pathname, parameters) });
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function answerFile(path: string, response: ServerResponse): Promise<void> {
  const isPage = path === "/" || path === "/explore";
  const file = isPage ? "index.html" : path.slice(1).replaceAll("..", "");
  try {
    const bytes = await readFile(join(webFolder, file));
    response.writeHead(200, { "content-type": contentTypes[extname(file)] ?? "application/octet-stream", "content-security-policy": contentSecurityPolicy });
    response.end(bytes);
  } catch {
    response.writeHead(404).end(); // the browser asks for /favicon.ico, for example
  }
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

type Labels = Readonly<Record<string, string>>;

/** A metric with its label sets and the shape of its values. */
interface FakeMetric {
  readonly labels: readonly Labels[];
  readonly value: (index: number, timeS: number) => number | undefined;
}

const targets: readonly Labels[] = [
  { instance: "127.0.0.1:9100", job: "node", env: "lab" },
  { instance: "127.0.0.1:9090", job: "prometheus", env: "lab" },
  { instance: "127.0.0.1:8428", job: "tidemark", env: "lab" },
];

const modes = ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"];

const metrics: Readonly<Record<string, FakeMetric>> = {
  up: { labels: named("up", targets), value: (i, timeS) => (i === 1 && Math.floor(timeS / 400) % 5 === 0 ? 0 : 1) },
  cpu: {
    labels: modes.flatMap((mode) => ["0", "1"].map((cpu) => ({ __name__: "cpu", cpu, mode, instance: "127.0.0.1:9100", job: "node" }))),
    value: (i, timeS) => 3 / (i + 1) + Math.sin(timeS / 300 + i) * 0.4 + Math.sin(timeS / 37 + 3 * i) * 0.08 + 0.5,
  },
  gaps: { labels: named("gaps", targets.slice(0, 1)), value: (_, timeS) => (Math.floor(timeS / 200) % 3 === 0 ? undefined : 5e9 + 2e9 * Math.sin(timeS / 500)) },
  many: manySeries("many", 3700),
  few: manySeries("few", 300),
  node_cpu_seconds_total: { labels: named("node_cpu_seconds_total", targets.slice(0, 1)), value: (_, timeS) => timeS },
};

function named(name: string, labels: readonly Labels[]): Labels[] {
  return labels.map((set) => ({ __name__: name, ...set }));
}

function manySeries(name: string, count: number): FakeMetric {
  return {
    labels: Array.from({ length: count }, (_, i) => ({ __name__: name, device: `sd${i % 37}`, instance: `10.0.${i >> 8}.${i & 255}:9100`, job: "node" })),
    value: (i, timeS) => 1000 + (i % 100) * 40 + Math.sin(timeS / 200 + i) * 300,
  };
}

/** Names that completion finds beside `metrics`. */
const otherNames = [
  "node_boot_time_seconds", "node_context_switches_total", "node_disk_io_time_seconds_total", "node_filesystem_avail_bytes", "node_load1",
  ...Array.from({ length: 80 }, (_, i) => `generated_metric_${i}_total`),
];

function listOf(path: string, parameters: URLSearchParams): unknown {
  if (path === "/api/v1/status/buildinfo") return { version: "0.0.0-fake" };
  const match = parameters.get("match[]") ?? "";
  const all = Object.values(metrics).flatMap(({ labels }) => labels);
  const label = /\/label\/([^/]+)\/values$/.exec(path)?.[1];
  if (label === undefined) return [...new Set(all.flatMap((labels) => Object.keys(labels)))].sort();
  const values = label === "__name__" ? [...Object.keys(metrics), ...otherNames] : all.filter((labels) => !match.includes("__name__") || match.includes(`"${labels.__name__}"`)).map((labels) => labels[label]);
  const matcher = new RegExp(`${label}=(~?)"((?:[^"\\\\]|\\\\.)*)"`).exec(match);
  const pattern = new RegExp(`^(?:${matcher === null ? ".*" : JSON.parse(`"${matcher[2]}"`).replace("(?i)", "")})$`, "i");
  return [...new Set(values)].filter((value) => value !== undefined && pattern.test(value)).sort().slice(0, Number(parameters.get("limit") ?? 10_000));
}

async function answerQuery(parameters: URLSearchParams, isRange: boolean, response: ServerResponse): Promise<void> {
  const query = parameters.get("query") ?? "";
  const word = /[a-z_]\w*/.exec(query)?.[0] ?? "";
  const open = query.split("(").length - query.split(")").length;
  if (open !== 0) {
    const message = `expected ")", found the end at line 1, column ${query.length + 1}, after ${query}`;
    return sendJson(response, 422, { status: "error", errorType: "422", error: message });
  }
  if (word === "broken") return void response.writeHead(503, { "content-type": "text/plain" }).end("no storage answers");
  if (word === "slow") await setTimeout(500);
  const metric = metrics[word === "slow" || word === "partial" ? "up" : word];
  const data = metric === undefined ? [] : isRange ? rangeResult(metric, parameters) : instantResult(metric, parameters);
  const extra = word === "partial" ? { isPartial: true, warnings: ["storage node 10.0.0.7:8401 did not answer"] } : {};
  const hints = metric === undefined && query.includes("job=") ? { hints: ['no series of unknown_metric has job="nod"; did you mean job="node"?'] } : {};
  sendJson(response, 200, { status: "success", ...extra, data: { resultType: isRange ? "matrix" : "vector", result: data }, ...hints });
}

function rangeResult(metric: FakeMetric, parameters: URLSearchParams): unknown[] {
  const [start, end, step] = ["start", "end", "step"].map((name) => Number(parameters.get(name)));
  return metric.labels.map((labels, i) => {
    const values: [number, string][] = [];
    for (let k = 0; start + k * step <= end; k++) {
      const timeS = start + k * step;
      const value = metric.value(i, timeS);
      if (value !== undefined) values.push([timeS, String(value)]);
    }
    return { metric: labels, values };
  });
}

function instantResult(metric: FakeMetric, parameters: URLSearchParams): unknown[] {
  const timeS = Number(parameters.get("time"));
  return metric.labels.map((labels, i) => ({ metric: labels, value: [timeS, String(metric.value(i, timeS) ?? 0)] }));
}
