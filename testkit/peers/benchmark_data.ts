/**
 * The data of the benchmark: bodies of remote write that were made before, from files, or a small version of the same sets that is made here.
 *
 * A file of bodies is a sequence of frames, little endian; NAME.json beside it says how many series and which times it has:
 *
 *   u32  size of the body     u32  samples     u32  shard     u32  nothing
 *   u64  first time in ms     u64  last time in ms
 *   ...  the body: snappy block of a WriteRequest
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "../../src/base/random.ts";
import { devopsSeries } from "../query_data.ts";
import type { BodySeries } from "../remote_write_body.ts";
import type { BenchmarkSet, BenchmarkSets } from "./benchmark_shapes.ts";
import { type LanguageServers, writeBodyEverywhere, writeEverywhere } from "./language_servers.ts";

export interface BenchmarkData {
  readonly sets: BenchmarkSets;
  /** Writes all of it to all servers, a set after the other. */
  readonly write: (servers: LanguageServers) => Promise<number>;
}

const pageHost = (index: number): string => `host-${String(index).padStart(4, "0")}:9100`;
const longHost = (index: number): string => pageHost(9000 + index);
const devopsHost = (index: number): string => `host_${index}`;

// ---- from files ----

interface BodiesFacts {
  readonly series: number;
  readonly samples: number;
  readonly tmin_ms: number;
  readonly tmax_ms: number;
}

const frameHeaderBytes = 32;
const seriesPerPage = 853;
const metricsPerHost = 10;
/** Sent at once; each is a shard, whose bodies stay in order. */
const shards = 4;

/** The sets in a folder of bodies (devops, nodeexp and nodelong). */
export function bodiesOfFolder(folder: string): BenchmarkData {
  const path = (name: string): string => join(folder, `${name}.rw.bodies`);
  const facts = (name: string): BodiesFacts => JSON.parse(readFileSync(`${path(name)}.json`, "utf8")) as BodiesFacts;
  const setOf = ({ series, tmin_ms: minMs, tmax_ms: maxMs }: BodiesFacts, perHost: number, host: (index: number) => string): BenchmarkSet => ({ minMs, maxMs, host, hosts: Math.floor(series / perHost) });
  const [devops, short, long] = [facts("devops"), facts("nodeexp"), facts("nodelong")];
  return {
    sets: { devops: setOf(devops, metricsPerHost, devopsHost), short: setOf(short, seriesPerPage, pageHost), long: setOf(long, seriesPerPage, longHost) },
    async write(servers) {
      for (const name of ["devops", "nodelong", "nodeexp"]) await replay(servers, readFileSync(path(name)));
      return devops.samples + short.samples + long.samples;
    },
  };
}

async function replay(servers: LanguageServers, file: Uint8Array): Promise<void> {
  const queues: Uint8Array[][] = Array.from({ length: shards }, () => []);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let at = 0; at < file.length;) {
    const size = view.getUint32(at, true);
    queues[view.getUint32(at + 8, true) % shards].push(file.subarray(at + frameHeaderBytes, at + frameHeaderBytes + size));
    at += frameHeaderBytes + size;
  }
  await Promise.all(queues.map(async (queue) => {
    for (const body of queue) await writeBodyEverywhere(servers, body);
  }));
}

/** The folder that TIDEMARK_BENCH_BODIES names, if it is there. */
export function folderOfBodies(): string | undefined {
  const folder = process.env["TIDEMARK_BENCH_BODIES"];
  if (folder === undefined || folder === "") return undefined;
  if (!existsSync(join(folder, "devops.rw.bodies.json"))) throw new Error(`TIDEMARK_BENCH_BODIES: there is no devops.rw.bodies.json in ${folder}`);
  return folder;
}

// ---- made here ----

const hourMs = 3_600_000;

/** Small sets with the metrics that the shapes ask for, before `endMs`. */
export function smallBenchmarkData(random: Random, endMs: number): BenchmarkData {
  const devops = { hosts: 12, startMs: endMs - 12 * hourMs, intervalMs: 60_000, samples: 12 * 60 };
  const short = { hosts: 8, startMs: endMs - 3 * hourMs, intervalMs: 15_000, samples: 3 * 240 };
  const long = { hosts: 1, startMs: endMs - 171 * hourMs, intervalMs: 60_000, samples: 7 * 24 * 60 };
  const setOf = ({ hosts, startMs, intervalMs, samples }: PageOptions, host: (index: number) => string): BenchmarkSet => ({ minMs: startMs, maxMs: startMs + (samples - 1) * intervalMs, host, hosts });
  return {
    sets: { devops: setOf(devops, devopsHost), short: setOf(short, pageHost), long: setOf(long, longHost) },
    async write(servers) {
      const sets = [devopsSeries(random, devops), pages(random, long, "node-long", longHost), pages(random, short, "node", pageHost)];
      let samples = 0;
      for (const set of sets) samples += await writeEverywhere(servers, set);
      return samples;
    },
  };
}

interface PageOptions {
  readonly hosts: number;
  readonly startMs: number;
  readonly intervalMs: number;
  readonly samples: number;
}

type Next = (previous: number, seconds: number) => number;

const constant: Next = (previous) => previous;

/** A counter that starts again now and then. */
function counter(random: Random, pace: number, digits: number): Next {
  return (previous) => (random.int(2000) === 0 ? 0 : Number((previous + random.next() * pace).toFixed(digits)));
}

function gauge(random: Random, around: number, digits: number): Next {
  return () => Number((around * (0.5 + random.next())).toFixed(digits));
}

/** Name with labels, first value, how it goes on. */
type PageRow = readonly [name: string, labels: Readonly<Record<string, string>>, first: number, next: Next];

function pageRows(random: Random): PageRow[] {
  const rows: PageRow[] = [];
  for (const cpu of ["0", "1"]) {
    for (const mode of ["idle", "user", "system", "iowait", "steal"]) rows.push(["node_cpu_seconds_total", { cpu, mode }, 1000, counter(random, mode === "idle" ? 15 : 2, 2)]);
    for (const mode of ["user", "nice"]) rows.push(["node_cpu_guest_seconds_total", { cpu, mode }, 0, mode === "user" ? counter(random, 0.2, 2) : constant]);
  }
  for (const name of ["1", "5", "15"]) rows.push([`node_load${name}`, {}, 1, gauge(random, 1, 2)]);
  for (const name of ["MemFree", "MemAvailable", "Cached", "Buffers", "Slab", "Dirty", "Mapped", "Shmem"]) rows.push([`node_memory_${name}_bytes`, {}, 4096, () => 4096 * random.int(500_000)]);
  rows.push(["node_memory_MemTotal_bytes", {}, 8_345_210_880, constant]);
  for (const [device, fstype] of [["/dev/sda1", "ext4"], ["tmpfs", "tmpfs"]]) {
    rows.push(["node_filesystem_avail_bytes", { device, fstype, mountpoint: `/${fstype}` }, 5e10, (previous) => Math.max(0, previous - 4096 * random.int(5000))]);
    rows.push(["node_filesystem_size_bytes", { device, fstype, mountpoint: `/${fstype}` }, 105_089_261_568, constant]);
  }
  for (const device of ["eth0", "lo"]) for (const name of ["receive", "transmit"]) rows.push([`node_network_${name}_bytes_total`, { device }, 1e9, counter(random, 1e6, 0)]);
  for (const device of ["sda", "sdb"]) for (const name of ["read_bytes", "written_bytes", "reads_completed"]) rows.push([`node_disk_${name}_total`, { device }, 1e6, counter(random, device === "sda" ? 5e4 : 0.3, 0)]);
  rows.push(["node_disk_io_time_seconds_total", { device: "sda" }, 100, counter(random, 1, 3)], ["node_pressure_cpu_waiting_seconds_total", {}, 5, counter(random, 0.1, 6)]);
  for (const name of ["node_context_switches_total", "node_intr_total", "node_netstat_Tcp_InSegs", "node_vmstat_pgfault"]) rows.push([name, {}, 1e7, counter(random, 4e4, 0)]);
  for (const name of ["node_procs_running", "node_filefd_allocated", "node_sockstat_TCP_inuse"]) rows.push([name, {}, 5, gauge(random, 9, 0)]);
  rows.push(["node_time_seconds", {}, 0, (_, seconds) => seconds], ["node_boot_time_seconds", {}, 1_699_000_000, constant], ["node_uname_info", { release: `6.${random.int(3)}`, sysname: "Linux" }, 1, constant]);
  return [...rows, ...histogramRows(random)];
}

const bounds = ["0.005", "0.05", "0.5", "1", "5", "+Inf"];

/** Buckets that grow together: each counts what those below it count. */
function histogramRows(random: Random): PageRow[] {
  return [["/api", "200"], ["/api", "500"], ["/login", "200"]].flatMap(([handler, code]) => {
    const counts = new Float64Array(bounds.length);
    const grow = (bucket: number): Next => () => {
      if (bucket === 0) for (let i = 0, more = 0; i < counts.length; i++) counts[i] += more += random.int(code === "500" ? 2 : 20);
      return counts[bucket];
    };
    return [
      ...bounds.map((le, bucket): PageRow => ["http_request_duration_seconds_bucket", { handler, code, le }, 0, grow(bucket)]),
      ["http_request_duration_seconds_count", { handler, code }, 0, () => counts[counts.length - 1]],
      ["http_request_duration_seconds_sum", { handler, code }, 0, counter(random, 10, 6)],
    ];
  });
}

/** Pages of node_exporter in short: counters with resets, gauges, constants, histograms; times jitter by some milliseconds. */
function pages(random: Random, { hosts, startMs, intervalMs, samples }: PageOptions, job: string, host: (index: number) => string): BodySeries[] {
  return Array.from({ length: hosts }, (_, index) => {
    const rows = pageRows(random);
    const timestampsMs = Array.from({ length: samples }, (_row, i) => startMs + i * intervalMs + random.int(10));
    const columns = rows.map(() => new Float64Array(samples));
    const previous = rows.map(([, , first]) => first);
    for (let i = 0; i < samples; i++) rows.forEach(([, , , next], row) => (columns[row][i] = previous[row] = next(previous[row], timestampsMs[i] / 1000)));
    return rows.map(([name, labels], row): BodySeries => {
      const record: Record<string, string> = { __name__: name, instance: host(index), job, ...labels };
      return { labels: Object.keys(record).sort().map((label) => ({ name: label, value: record[label] })), timestampsMs, values: columns[row] };
    });
  }).flat();
}
