/**
 * Metrics of the process, under the names that dashboards for VictoriaMetrics and Prometheus read. What the kernel tells comes from
 * /proc; elsewhere those metrics are left out.
 */
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Clock } from "../base/clock.ts";
import { machineMemoryBytes } from "../base/machine_memory.ts";
import type { MetricRegistry } from "../base/metrics.ts";

export interface SelfMetricsOptions {
  readonly metrics: MetricRegistry;
  readonly clock: Clock;
  readonly version: string;
  /** Memory that the process may plan with. */
  readonly allowedMemoryBytes: number;
}

/** Each look wakes an idle process. */
const delayResolutionMs = 500;
const delayWindowMs = 15_000;
const delayQuantiles = [0.5, 0.9, 0.99, 1];

/** Registers the metrics of the process; disposing of the result stops what they measure. */
export function registerSelfMetrics({ metrics, clock, version, allowedMemoryBytes }: SelfMetricsOptions): Disposable {
  const startS = Math.floor(clock.nowMs() / 1000);
  const startMs = clock.monotonicMs();
  metrics.gauge("vm_app_version", "The version as labels; the value is 1.", { version: `tidemark-${version}`, short_version: `v${version}` }).set(1);
  metrics.gauge("vm_app_start_timestamp", "Unix time of the start.").set(startS);
  metrics.gauge("vm_app_uptime_seconds", "Seconds since the start.", {}, () => Math.round((clock.monotonicMs() - startMs) / 1000));
  metrics.gauge("vm_available_memory_bytes", "Memory of the machine or container.", {}, () => machineMemoryBytes());
  metrics.gauge("vm_allowed_memory_bytes", "Memory that the process may plan with (-memory.allowedPercent).").set(allowedMemoryBytes);
  metrics.gauge("vm_available_cpu_cores", "CPU cores that the process may use.", {}, () => availableParallelism());
  metrics.gauge("process_cpu_cores_available", "CPU cores that the process may use.", {}, () => availableParallelism());
  metrics.gauge("process_start_time_seconds", "Unix time of the start.").set(startS);
  registerUsage(metrics);
  registerHeap(metrics);
  if (readProc("self/stat") !== undefined) registerProc(metrics);
  return registerEventLoopDelay(metrics, clock);
}

function registerUsage(metrics: MetricRegistry): void {
  const cpu = (name: string, help: string, secondsOf: (usage: NodeJS.CpuUsage) => number): void => {
    metrics.counter(name, help, {}, () => secondsOf(process.cpuUsage()));
  };
  cpu("process_cpu_seconds_total", "CPU time.", ({ user, system }) => (user + system) / 1e6);
  cpu("process_cpu_seconds_user_total", "CPU time in user mode.", ({ user }) => user / 1e6);
  cpu("process_cpu_seconds_system_total", "CPU time in the system.", ({ system }) => system / 1e6);
  metrics.gauge("process_resident_memory_bytes", "Resident memory.", {}, () => process.memoryUsage.rss());
  metrics.counter("process_major_pagefaults_total", "Page faults that read from disk.", {}, () => process.resourceUsage().majorPageFault);
}

function registerHeap(metrics: MetricRegistry): void {
  const kinds = ["heapUsed", "heapTotal", "external", "arrayBuffers"] as const;
  const gauges = kinds.map((kind) => [kind, metrics.gauge("tidemark_javascript_memory_bytes", "Memory of the JavaScript engine on the main thread.", { kind })] as const);
  metrics.onCollect(() => {
    const usage = process.memoryUsage();
    for (const [kind, gauge] of gauges) gauge.set(usage[kind]);
  });
}

function registerProc(metrics: MetricRegistry): void {
  metrics.gauge("process_open_fds", "Open file descriptors.", {}, countDescriptors);
  metrics.gauge("process_max_fds", "Most file descriptors that may be open.", {}, () => Number(/^Max open files\s+(\d+)/m.exec(readProc("self/limits") ?? "")?.[1] ?? 0));
  const status: readonly [string, string, string, number][] = [
    ["process_num_threads", "Threads.", "Threads", 1],
    ["process_virtual_memory_bytes", "Address space.", "VmSize", 1024],
    ["process_resident_memory_peak_bytes", "Largest resident memory.", "VmHWM", 1024],
    ["process_resident_memory_anon_bytes", "Resident memory without a file behind it.", "RssAnon", 1024],
    ["process_resident_memory_file_bytes", "Resident memory with a file behind it.", "RssFile", 1024],
    ["process_resident_memory_shared_bytes", "Resident shared memory.", "RssShmem", 1024],
  ];
  const io: readonly [string, string, string][] = [
    ["process_io_read_bytes_total", "Bytes read.", "rchar"],
    ["process_io_written_bytes_total", "Bytes written.", "wchar"],
    ["process_io_read_syscalls_total", "Read calls.", "syscr"],
    ["process_io_write_syscalls_total", "Write calls.", "syscw"],
    ["process_io_storage_read_bytes_total", "Bytes read from disk.", "read_bytes"],
    ["process_io_storage_written_bytes_total", "Bytes written to disk.", "write_bytes"],
  ];
  const statusGauges = status.map(([name, help, field, scale]) => ({ gauge: metrics.gauge(name, help), field, scale }));
  for (const [name, help, field] of io) metrics.counter(name, help, {}, () => fieldOf(readProc("self/io"), field));
  metrics.onCollect(() => {
    const page = readProc("self/status");
    for (const { gauge, field, scale } of statusGauges) gauge.set(fieldOf(page, field) * scale);
  });
}

/**
 * How late the event loop of this thread runs what is due: nothing may block it for more than 10 ms. Figures cover the last 15 to 30
 * seconds, whoever reads them how often.
 */
function registerEventLoopDelay(metrics: MetricRegistry, clock: Clock): Disposable {
  const histogram = monitorEventLoopDelay({ resolution: delayResolutionMs });
  histogram.enable();
  const gauges = delayQuantiles.map((quantile) => metrics.gauge("tidemark_event_loop_delay_seconds", "Delay of the main thread's event loop.", { quantile: String(quantile) }));
  let windowStartMs = clock.monotonicMs();
  let lastWindow = delayQuantiles.map(() => 0);
  metrics.onCollect(() => {
    // The histogram measures the time between two runs of a timer, so an idle loop shows the resolution.
    const current = delayQuantiles.map((quantile) => (histogram.count === 0 ? 0 : Math.max(0, histogram.percentile(quantile * 100) / 1e6 - delayResolutionMs) / 1000));
    gauges.forEach((gauge, i) => gauge.set(Math.max(current[i], lastWindow[i])));
    if (clock.monotonicMs() - windowStartMs < delayWindowMs) return;
    windowStartMs = clock.monotonicMs();
    lastWindow = current;
    histogram.reset();
  });
  return { [Symbol.dispose]: () => histogram.disable() };
}

function countDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length - 1; // one is open for the listing
  } catch {
    return 0;
  }
}

function fieldOf(page: string | undefined, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(page ?? "")?.[1] ?? 0);
}

/** A page of /proc, or undefined where there is none. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, "utf8");
  } catch {
    return undefined;
  }
}
