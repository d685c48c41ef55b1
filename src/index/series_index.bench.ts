/**
 * Micro benchmark of the live index: nanoseconds per new series, bytes per series, microseconds per selection.
 * `node src/index/series_index.bench.ts [seriesCount]`. Series come as from targets: all metrics of a pod one after the other,
 * 10 labels each.
 */
import { createMemory, Kernel } from "../kernel/kernel.ts";
import { IndexKernel } from "../kernel/postings.ts";
import { encodeLabelRun, labelsOf } from "../model/labels.ts";
import { defaultTenant, type Selector } from "../model/matcher.ts";
import { SeriesIndex } from "./series_index.ts";

const metricsPerPod = 50;

/** Label runs of the series, in one block of bytes. */
function createRuns(seriesCount: number, byMetric: boolean): { bytes: Uint8Array; offsets: Uint32Array } {
  const podCount = Math.ceil(seriesCount / metricsPerPod);
  const bytes = new Uint8Array(seriesCount * 320);
  const offsets = new Uint32Array(seriesCount + 1);
  for (let i = 0; i < seriesCount; i++) {
    const pod = byMetric ? i % podCount : Math.floor(i / metricsPerPod);
    const metric = byMetric ? Math.floor(i / podCount) : i % metricsPerPod;
    const run = encodeLabelRun(labelsOf({
      __name__: `container_metric_${metric}_bytes_total`,
      cluster: "prod-eu-1",
      container: `app-${pod % 97}`,
      instance: `10.${pod >> 16}.${(pod >> 8) & 255}.${pod & 255}:9100`,
      job: "kubelet",
      namespace: `team-${pod % 23}`,
      node: `node-${pod % 300}.example.com`,
      pod: `app-${String(pod % 97).padStart(2, "0")}-6d8f7c9b5d-${pod.toString(16).padStart(5, "0")}`,
      region: "eu-west-1",
      zone: `eu-west-1${"abc"[pod % 3]}`,
    }));
    bytes.set(run, offsets[i]);
    offsets[i + 1] = offsets[i] + run.length;
  }
  return { bytes: bytes.subarray(0, offsets[seriesCount]), offsets };
}

const selectors: Record<string, Selector> = {
  "metric": [[{ name: "__name__", op: "=", value: "container_metric_7_bytes_total" }]],
  "metric, namespace": [[{ name: "__name__", op: "=", value: "container_metric_7_bytes_total" }, { name: "namespace", op: "=", value: "team-3" }]],
  "pod": [[{ name: "pod", op: "=", value: "app-05-6d8f7c9b5d-00005" }]],
  "pod, metric, job": [[{ name: "pod", op: "=", value: "app-05-6d8f7c9b5d-00005" }, { name: "__name__", op: "=", value: "container_metric_7_bytes_total" }, { name: "job", op: "=", value: "kubelet" }]],
  "job (all series)": [[{ name: "job", op: "=", value: "kubelet" }]],
  "metric, namespace !=": [[{ name: "__name__", op: "=", value: "container_metric_7_bytes_total" }, { name: "namespace", op: "!=", value: "team-3" }]],
  "two namespaces, zone": [[{ name: "namespace", op: "=~", value: "team-3|team-4" }, { name: "zone", op: "=", value: "eu-west-1a" }]],
  "pod =~ app-1.*": [[{ name: "pod", op: "=~", value: "app-1.*" }]],
  "pod =~ .*d-0.*f": [[{ name: "pod", op: "=~", value: ".*d-0.*f" }]],
  "metric, pod !~ app-1.*": [[{ name: "__name__", op: "=", value: "container_metric_7_bytes_total" }, { name: "pod", op: "!~", value: "app-1.*" }]],
};

/** Runs everything on `seriesCount` series, each selection `rounds` times; returns the printed lines. */
export function runBenchmark(seriesCount: number, rounds: number): string[] {
  const lines: string[] = [];
  for (const byMetric of [false, true]) {
    const kernel = new Kernel(createMemory(1 << 20));
    const index = new SeriesIndex(kernel, { seriesMax: seriesCount, seed: 42n });
    const door = new IndexKernel(kernel, index.contextPointer);
    const { bytes, offsets } = createRuns(seriesCount, byMetric);
    const runs = kernel.allocate(bytes.length);
    kernel.u8.set(bytes, runs);
    const order = byMetric ? "metric by metric" : "pod by pod";
    const startMs = performance.now();
    for (let i = 0; i < seriesCount; i++) door.addSeries(runs + offsets[i], offsets[i + 1] - offsets[i], 0, 0, i);
    const addNs = ((performance.now() - startMs) * 1e6) / seriesCount;
    const kinds = Object.entries(door.usedBytesByKind).map(([kind, size]) => `${kind} ${(size / seriesCount).toFixed(1)}`);
    lines.push(`${order}: new series ${addNs.toFixed(0)} ns; ${door.pairCount} pairs; ${(door.usedBytes / seriesCount).toFixed(1)} bytes per series (${kinds.join(", ")})`);
    for (const [name, selector] of Object.entries(selectors)) {
      const first = timeUs(1, () => index.select(defaultTenant, selector));
      const again = timeUs(rounds, () => index.select(defaultTenant, selector));
      lines.push(`  ${name.padEnd(24)} ${again.us.toFixed(1).padStart(9)} us (first ${first.us.toFixed(0)} us), ${again.count} series`);
    }
    const values = timeUs(rounds, () => index.labelValues(defaultTenant, "pod", { selector: selectors["metric, namespace"] }));
    const names = timeUs(rounds, () => index.labelNames(defaultTenant, { selector: selectors["metric"] }));
    const labels = timeUs(rounds, () => Array.from({ length: Math.min(10_000, seriesCount) }, (_, i) => index.labels(i)));
    lines.push(`  label values of pod ${values.us.toFixed(0)} us (${values.count}), label names ${names.us.toFixed(0)} us (${names.count})`);
    lines.push(`  labels of a series ${((labels.us * 1000) / labels.count).toFixed(0)} ns`);
  }
  return lines;
}

function timeUs(rounds: number, run: () => { readonly length: number }): { us: number; count: number } {
  let count = 0;
  const startMs = performance.now();
  for (let round = 0; round < rounds; round++) count = run().length;
  return { us: ((performance.now() - startMs) * 1000) / rounds, count };
}

if (import.meta.main) {
  for (const line of runBenchmark(Number(process.argv[2] ?? 200_000), 20)) process.stdout.write(line + "\n");
}
