/**
 * Micro benchmark of searches in an index segment: milliseconds of CPU from a file that nothing is loaded of, and again when it is loaded; bytes loaded
 * per row. `node src/storage/segment_search.bench.ts [rowCount]`. Series come as from targets: all metrics of a pod one after the other, 10 labels each.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileSystem } from "../disk/file_system.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { encodeLabelRun, labelsOf } from "../model/labels.ts";
import { defaultTenant, type Selector } from "../model/matcher.ts";
import { partitionOf } from "./partition.ts";
import { IndexSegmentWriter } from "./partition_index_writer.ts";
import { SegmentCache } from "./segment_cache.ts";
import { searchSegments } from "./segment_search.ts";
import type { IndexSegmentRef } from "./table_client.ts";

const metricsPerPod = 50;
const rowsPerBatch = 4096;
const partition = partitionOf(Date.UTC(2026, 2, 10));

function labelRun(i: number): Uint8Array {
  const pod = Math.floor(i / metricsPerPod);
  return encodeLabelRun(labelsOf({
    __name__: `container_metric_${i % metricsPerPod}_bytes_total`,
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
}

function writeSegment(files: FileSystem, path: string, rowCount: number): IndexSegmentRef {
  const writer = new IndexSegmentWriter(partition);
  for (let from = 0; from < rowCount; from += rowsPerBatch) {
    const runs = Array.from({ length: Math.min(rowsPerBatch, rowCount - from) }, (_, i) => labelRun(from + i));
    const labelOffsets = new Uint32Array(runs.length + 1);
    runs.forEach((run, i) => (labelOffsets[i + 1] = labelOffsets[i] + run.length));
    const zeros = new Uint32Array(runs.length);
    writer.add({
      rowCount: runs.length, seriesIds: Uint32Array.from(runs, (_, i) => from + i + 1), accountIds: zeros, projectIds: zeros,
      minMs: new Float64Array(runs.length).fill(partition.minMs), maxMs: new Float64Array(runs.length).fill(partition.maxMs), labels: Buffer.concat(runs), labelOffsets,
    });
  }
  const { sizeBytes } = writer.finish(files, path);
  return { partition: partition.name, path, minMs: partition.minMs, maxMs: partition.maxMs, rowCount, sizeBytes, isActivityExact: true };
}

const metric = { name: "__name__", op: "=", value: "container_metric_7_bytes_total" } as const;
const selectors: Readonly<Record<string, Selector>> = {
  "metric": [[metric]],
  "metric, namespace": [[metric, { name: "namespace", op: "=", value: "team-3" }]],
  "pod": [[{ name: "pod", op: "=", value: "app-05-6d8f7c9b5d-00005" }]],
  "metric, namespace !=": [[metric, { name: "namespace", op: "!=", value: "team-3" }]],
  "two namespaces, zone": [[{ name: "namespace", op: "=~", value: "team-3|team-4" }, { name: "zone", op: "=", value: "eu-west-1a" }]],
  "metric, pod =~ app-1.*": [[metric, { name: "pod", op: "=~", value: "app-1.*" }]],
  "pod =~ .*d-0.*f": [[{ name: "pod", op: "=~", value: ".*d-0.*f" }]],
  "metric, pod !~ app-1.*": [[metric, { name: "pod", op: "!~", value: "app-1.*" }]],
  "metric, pod !=''": [[metric, { name: "pod", op: "!=", value: "" }]],
  "everything": [[]],
};

function search(cache: SegmentCache, ref: IndexSegmentRef, selector: Selector): number {
  const fail = (_path: string, error: unknown): void => {
    throw error;
  };
  const request = { tenant: defaultTenant, selector, range: { minMs: partition.minMs, maxMs: partition.maxMs } };
  const steps = searchSegments(cache, { live: [], aliases: [], indexSegments: [ref] }, request, fail);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value.count;
  }
}

function cpuMs(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/** Searches a segment of `rowCount` rows, warm ones `rounds` times; returns the printed lines. */
export function runBenchmark(rowCount: number, rounds: number): string[] {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-bench-"));
  try {
    const files = new RealFileSystem();
    const ref = writeSegment(files, join(directory, "1.idx"), rowCount);
    const lines = [`${rowCount} rows, ${(ref.sizeBytes / rowCount).toFixed(1)} bytes of file per row`];
    for (const [name, selector] of Object.entries(selectors)) {
      const cache = new SegmentCache({ files, seeds: new Uint8Array(16), budgetBytes: 2 ** 31 });
      let count = 0;
      const coldMs = cpuMs(() => (count = search(cache, ref, selector)));
      const warmMs = cpuMs(() => {
        for (let round = 0; round < rounds; round++) search(cache, ref, selector);
      }) / rounds;
      const bytes = cache.stats().loadedBytes / rowCount;
      lines.push(`  ${name.padEnd(24)} cold ${coldMs.toFixed(1).padStart(8)} ms, warm ${warmMs.toFixed(2).padStart(8)} ms, ${count} series, ${bytes.toFixed(1)} bytes per row loaded`);
    }
    return lines;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

if (import.meta.main) {
  for (const line of runBenchmark(Number(process.argv[2] ?? 1_000_000), 5)) process.stdout.write(line + "\n");
}
