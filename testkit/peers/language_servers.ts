/** The installed program, VictoriaMetrics and Prometheus with the same samples, and how answers of one are compared with another's. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BodySeries, remoteWriteBody } from "../remote_write_body.ts";
import { freePort, isAnswering, PeerProcess, startTidemark, waitFor } from "./peer_process.ts";

export interface LanguageServers extends AsyncDisposable {
  readonly tidemark: string;
  readonly victoriaMetrics: string | undefined;
  readonly prometheus: string | undefined;
}

/** Starts the program and those of the peers that are there; their files are in `folder`. */
export async function startLanguageServers(folder: string, commands: { victoriaMetrics?: string; prometheus?: string }): Promise<LanguageServers> {
  await using started = new AsyncDisposableStack();
  const tidemark = started.use(await startTidemark(`-storageDataPath=${join(folder, "tidemark")}`, "-selfScrapeInterval=0", "-retentionPeriod=100y"));
  let victoriaMetrics: string | undefined;
  if (commands.victoriaMetrics !== undefined) {
    const address = `127.0.0.1:${await freePort()}`;
    started.use(new PeerProcess(commands.victoriaMetrics, [`-httpListenAddr=${address}`, `-storageDataPath=${join(folder, "victoria-metrics")}`, "-retentionPeriod=100y", "-loggerLevel=WARN"]));
    victoriaMetrics = `http://${address}`;
    await waitFor("VictoriaMetrics", () => isAnswering(`${victoriaMetrics}/health`));
  }
  let prometheus: string | undefined;
  if (commands.prometheus !== undefined) {
    const address = `127.0.0.1:${await freePort()}`;
    writeFileSync(join(folder, "prometheus.yml"), "storage:\n  tsdb:\n    out_of_order_time_window: 10d\n");
    started.use(new PeerProcess(commands.prometheus, [
      `--config.file=${join(folder, "prometheus.yml")}`, `--storage.tsdb.path=${join(folder, "prometheus")}`, `--web.listen-address=${address}`, "--web.enable-remote-write-receiver",
      "--storage.tsdb.retention.time=100y", "--query.max-samples=500000000", "--enable-feature=promql-experimental-functions",
    ]));
    prometheus = `http://${address}`;
    await waitFor("Prometheus", () => isAnswering(`${prometheus}/-/ready`));
  }
  const processes = started.move();
  return { tidemark: tidemark.url, victoriaMetrics, prometheus, [Symbol.asyncDispose]: () => processes.disposeAsync() };
}

const seriesPerBody = 2000;
/** Bodies have half an hour each, as senders send what is new. */
const sliceMs = 30 * 60_000;

/** Writes the same bodies to all of them, and waits until the samples can be queried. */
export async function writeEverywhere(servers: LanguageServers, series: readonly BodySeries[]): Promise<number> {
  let samples = 0;
  let firstMs = Infinity;
  let lastMs = -Infinity;
  for (const { timestampsMs } of series) {
    samples += timestampsMs.length;
    firstMs = Math.min(firstMs, timestampsMs[0] ?? Infinity);
    lastMs = Math.max(lastMs, timestampsMs[timestampsMs.length - 1] ?? -Infinity);
  }
  for (let sliceStartMs = firstMs; sliceStartMs <= lastMs; sliceStartMs += sliceMs) {
    const slices = series.map((one) => slice(one, sliceStartMs, sliceStartMs + sliceMs)).filter(({ values }) => values.length > 0);
    for (let from = 0; from < slices.length; from += seriesPerBody) {
      await writeBodyEverywhere(servers, remoteWriteBody(slices.slice(from, from + seriesPerBody)));
    }
  }
  await flush(servers);
  return samples;
}

/** Writes one body of remote write to all of them. */
export async function writeBodyEverywhere(servers: LanguageServers, body: Uint8Array): Promise<void> {
  await Promise.all([servers.tidemark, servers.victoriaMetrics, servers.prometheus].map((url) => (url === undefined ? undefined : write(url, body))));
}

/** VictoriaMetrics shows what was written a second later, or at once if it is told to. */
export async function flush({ victoriaMetrics }: LanguageServers): Promise<void> {
  if (victoriaMetrics !== undefined) await fetch(`${victoriaMetrics}/internal/force_flush`);
}

function slice(series: BodySeries, fromMs: number, toMs: number): BodySeries {
  const times = Array.from(series.timestampsMs);
  const from = times.findIndex((timeMs) => timeMs >= fromMs);
  const end = times.findLastIndex((timeMs) => timeMs < toMs);
  if (from < 0) return { ...series, timestampsMs: [], values: new Float64Array() };
  return { labels: series.labels, timestampsMs: times.slice(from, end + 1), values: series.values.subarray(from, end + 1) };
}

async function write(url: string, body: Uint8Array): Promise<void> {
  const headers = { "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0" };
  const response = await fetch(`${url}/api/v1/write`, { method: "POST", headers, body: new Uint8Array(body) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
}

// ---- asking ----

/** Times and step in seconds; an instant query has only `time`. */
export type LanguageQuery = { readonly query: string } & ({ readonly time: number } | { readonly start: number; readonly end: number; readonly step: number });

export interface LanguageAnswer {
  readonly status: number;
  readonly error: string | undefined;
  /** Labels as sorted JSON, points as [seconds, text]; in the order of the answer. */
  readonly series: readonly (readonly [labels: string, points: readonly (readonly [number, string])[]])[];
}

interface ApiAnswer {
  readonly error?: string;
  readonly data?: { readonly resultType: string; readonly result: unknown };
}

interface ApiSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
}

/** Asks one server, with `more` parameters (nocache, dialect). */
export async function askQuery(url: string, request: LanguageQuery, more: Readonly<Record<string, string>>): Promise<LanguageAnswer> {
  const path = "time" in request ? "query" : "query_range";
  // With a decimal point: four digits alone are a year.
  const parameters = Object.fromEntries(Object.entries({ ...request, ...more }).map(([name, value]) => [name, typeof value === "number" ? value.toFixed(3) : value]));
  const response = await fetch(`${url}/api/v1/${path}`, { method: "POST", body: new URLSearchParams(parameters) });
  const text = await response.text();
  if (!response.ok) return { status: response.status, error: errorOf(text), series: [] };
  const { data } = JSON.parse(text) as ApiAnswer;
  return { status: response.status, error: undefined, series: data === undefined ? [] : seriesOf(data.resultType, data.result) };
}

function errorOf(text: string): string {
  try {
    return (JSON.parse(text) as ApiAnswer).error ?? text;
  } catch {
    return text;
  }
}

function seriesOf(type: string, result: unknown): LanguageAnswer["series"] {
  if (type === "scalar" || type === "string") return [[type, [result as [number, string]]]];
  return (result as ApiSeries[]).map(({ metric, value, values }) => [JSON.stringify(Object.entries(metric).sort(([a], [b]) => (a < b ? -1 : 1))), values ?? (value === undefined ? [] : [value])]);
}

// ---- comparing ----

export interface Tolerance {
  /** Of the value. */
  readonly relative: number;
  /** Differences up to this are those of the order of sums. */
  readonly absolute: number;
  readonly comparesOrder: boolean;
}

/** What differs, in one line; undefined if nothing does. */
export function findDifference(found: LanguageAnswer, expected: LanguageAnswer, tolerance: Tolerance): string | undefined {
  if ((found.error === undefined) !== (expected.error === undefined)) return `error: ${found.error ?? "none"}, expected ${expected.error ?? `none, ${expected.series.length} series`}`;
  const byLabels = new Map(found.series);
  const missing = expected.series.filter(([labels]) => !byLabels.has(labels));
  const expectedLabels = new Set(expected.series.map(([labels]) => labels));
  const surplus = found.series.filter(([labels]) => !expectedLabels.has(labels));
  if (missing.length + surplus.length > 0 || found.series.length !== expected.series.length) {
    const show = (list: LanguageAnswer["series"]): string => `${list.length}${list.length === 0 ? "" : ` (${JSON.stringify(list[0])?.slice(0, 200)})`}`;
    return `labels: ${found.series.length} series, expected ${expected.series.length}; missing ${show(missing)}, surplus ${show(surplus)}`;
  }
  for (const [labels, points] of expected.series) {
    const difference = findPointDifference(byLabels.get(labels)!, points, tolerance);
    if (difference !== undefined) return `${difference} of ${labels}`;
  }
  if (!tolerance.comparesOrder) return undefined;
  const at = expected.series.findIndex(([labels], i) => found.series[i][0] !== labels);
  return at < 0 ? undefined : `order: series ${at} is ${found.series[at][0]}, expected ${expected.series[at][0]}`;
}

type Points = LanguageAnswer["series"][number][1];

function findPointDifference(found: Points, expected: Points, tolerance: Tolerance): string | undefined {
  for (let i = 0; i < Math.max(found.length, expected.length); i++) {
    if (found[i]?.[0] !== expected[i]?.[0]) return `points: number ${i} at ${found[i]?.[0]}=${found[i]?.[1]}, expected at ${expected[i]?.[0]}=${expected[i]?.[1]} (${found.length}, expected ${expected.length})`;
    if (!isNear(Number(found[i][1]), Number(expected[i][1]), tolerance)) return `value: ${found[i][1]} at ${found[i][0]}, expected ${expected[i][1]}`;
  }
  return undefined;
}

function isNear(found: number, expected: number, { relative, absolute }: Tolerance): boolean {
  if (found === expected || (Number.isNaN(found) && Number.isNaN(expected))) return true;
  return Math.abs(found - expected) <= Math.max(absolute, relative * Math.max(Math.abs(found), Math.abs(expected)));
}
