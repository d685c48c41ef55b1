/**
 * The golden data directories in conformance/: what they hold, how they are made, and how a store is compared with their listing.
 *
 *   node testkit/golden_directory.ts <folder>     writes the rows below with the program as it is into <folder>/data, as a killed process leaves
 *                                                 it, and what it holds to <folder>/series.jsonl
 *
 * series.jsonl has one line for each series: tenant, labels, and its samples in order of (time, bits of the value):
 *   "timestampsMs": runs of steady times, [first, step, count]
 *   "valueBits": hexadecimal bit patterns of the doubles, "*count" behind one that is repeated
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../src/base/random.ts";
import { RealFileSystem } from "../src/disk/real_file_system.ts";
import { type Labels, labelsOf, labelsToRecord } from "../src/model/labels.ts";
import { defaultTenant, type Tenant } from "../src/model/matcher.ts";
import type { MetricMetadata } from "../src/model/row_batch.ts";
import { RowBatchBuilder } from "../src/model/row_batch_builder.ts";
import type { Store } from "../src/model/store.ts";
import { openTestStore } from "./local_stores.ts";

/** When the directories were written: 2023-11-14. */
export const goldenNowMs = 1_700_000_000_000;
export const goldenTenants: readonly Tenant[] = [defaultTenant, { accountId: 7, projectId: 3 }];

/** Samples of a series; bits, because NaN payloads count. */
export interface GoldenSeries {
  readonly tenant: string;
  readonly labels: Record<string, string>;
  readonly timestampsMs: readonly number[];
  readonly valueBits: readonly bigint[];
}

export const goldenMetadata: readonly MetricMetadata[] = [
  { metricFamily: "requests", type: "counter", help: "Requests answered.\nAll of them: \"quoted\", ünïcödé.", unit: "" },
  { metricFamily: "temperature", type: "gauge", help: "", unit: "celsius" },
  { metricFamily: "latency_seconds", type: "histogram", help: "How long they took.", unit: "seconds" },
  { metricFamily: "build", type: "info", help: "Last in the log.", unit: "" },
];

const november = Date.UTC(2023, 10, 1);
const october = Date.UTC(2023, 9, 1);
const september = Date.UTC(2023, 8, 1);

/** Values that are easily lost: -0, infinities, the stale marker, denormals, the largest and the smallest number. */
const oddBits: readonly bigint[] = [
  0x0000000000000000n, 0x8000000000000000n, 0x7ff0000000000000n, 0xfff0000000000000n, 0x7ff0000000000002n, 0x0000000000000001n, 0x800fffffffffffffn,
  0x7fefffffffffffffn, 0x0010000000000000n, 0x3ff0000000000001n, 0x7ff0000000000002n, 0x4059000000000000n,
];

class Rows {
  readonly #series = new Map<string, { tenant: Tenant; labels: Labels; samples: { timestampMs: number; bits: bigint }[] }>();
  readonly #builders = new Map<Tenant, RowBatchBuilder>();

  add(tenant: Tenant, record: Record<string, string>, timestampsMs: readonly number[], bits: readonly bigint[]): void {
    const labels = labelsOf(record);
    const key = JSON.stringify([tenant, labels]);
    const series = this.#series.get(key) ?? { tenant, labels, samples: [] };
    this.#series.set(key, series);
    timestampsMs.forEach((timestampMs, i) => series.samples.push({ timestampMs, bits: bits[i] }));
    this.builder(tenant).addSeries(labels, Float64Array.from(timestampsMs), new Float64Array(BigUint64Array.from(bits).buffer));
  }

  builder(tenant: Tenant): RowBatchBuilder {
    const builder = this.#builders.get(tenant) ?? new RowBatchBuilder(tenant);
    this.#builders.set(tenant, builder);
    return builder;
  }

  async writeTo(store: Store): Promise<void> {
    for (const builder of this.#builders.values()) {
      const { acceptedSamples, droppedSamples } = await store.write(builder.build());
      if (acceptedSamples !== builder.sampleCount) throw new Error(`the store dropped samples: ${JSON.stringify(droppedSamples)}`);
      builder.clear();
    }
  }

  list(): GoldenSeries[] {
    return [...this.#series.values()].map(({ tenant, labels, samples }) => {
      samples.sort((left, right) => left.timestampMs - right.timestampMs || Number(left.bits - right.bits));
      return { tenant: printTenant(tenant), labels: labelsToRecord(labels), timestampsMs: samples.map(({ timestampMs }) => timestampMs), valueBits: samples.map(({ bits }) => bits) };
    });
  }
}

function printTenant({ accountId, projectId }: Tenant): string {
  return `${accountId}:${projectId}`;
}

function bitsOf(values: readonly number[]): bigint[] {
  return [...new BigUint64Array(Float64Array.from(values).buffer)];
}

const times = (firstMs: number, stepMs: number, count: number): number[] => Array.from({ length: count }, (_, i) => firstMs + i * stepMs);

/** Scrapes of many small series with up to eleven labels, two in three of them of the same targets. */
function addTargets(rows: Rows, firstMs: number, scrapes: number, generation: number): void {
  const random = seededRandom(generation);
  for (let target = 0; target < 12; target++) {
    const timestampsMs = times(firstMs + target * 77, 15_000, scrapes);
    for (let metric = 0; metric < 20; metric++) {
      const extra = Object.fromEntries(Array.from({ length: metric % 8 }, (_, i) => [`label_${i}`, `value ${(metric * i) % 5}`]));
      const instance = `host-${metric % 3 === 0 ? generation : 0}-${target}:9100`;
      const values = timestampsMs.map((_, i) => (metric % 2 === 0 ? i * metric + target : Math.round(random.next() * 10 ** (metric % 7)) / 10));
      rows.add(defaultTenant, { __name__: `metric_${metric}`, instance, job: target % 2 === 0 ? "node" : "größe 東京", ...extra }, timestampsMs, bitsOf(values));
    }
  }
}

/** Writes the golden rows to `directory`, in steps that leave merged and unmerged parts, and samples that are in the log only. */
async function writeDirectory(directory: string): Promise<GoldenSeries[]> {
  let word = 1;
  const store = await openTestStore(new RealFileSystem(), {
    directory,
    nowMs: goldenNowMs,
    processes: { pid: 1, startOf: () => "a process that was killed" },
    randomBytes: (size) => Uint8Array.from({ length: size }, () => (word = (word * 48271) % 2147483647) & 255),
  });
  const rows = new Rows();
  const random = seededRandom(1);
  // Long series: cut into blocks of 8192.
  rows.add(defaultTenant, { __name__: "long_counter", job: "long" }, times(october, 15_000, 20_000), bitsOf(times(0, 1, 20_000).map((i) => Math.floor(i / 100) * 3)));
  rows.add(defaultTenant, { __name__: "long_gauge", job: "long" }, times(october + 5, 60_000, 9_000), bitsOf(times(0, 1, 9_000).map((i) => Math.sin(Math.floor(i / 60)))));
  addTargets(rows, october, 4, 1);
  rows.add(goldenTenants[1], { __name__: "metric_1", of: "another tenant" }, times(october, 1000, 50), oddBits.concat(oddBits, oddBits, oddBits, oddBits[0], oddBits[1]));
  for (const metadata of goldenMetadata.slice(0, 2)) rows.builder(defaultTenant).addMetadata(metadata);
  await rows.writeTo(store);
  await store.flush();
  rows.add(defaultTenant, { __name__: "odd", kind: "merged" }, times(october, 15_000, oddBits.length), oddBits);
  rows.add(defaultTenant, { __name__: "random" }, times(october, 15_000, 600).map((timeMs) => timeMs + random.int(4)), bitsOf(times(0, 1, 600).map(() => random.next())));
  // Noise, which entropy coding is for: decimals, counters with jittered times. Not yet in the directory of version 1.
  rows.add(defaultTenant, { __name__: "noisy_decimals" }, times(october, 15_000, 1500), bitsOf(times(0, 1, 1500).map(() => Math.round((random.next() + random.next()) * 500) / 10)));
  let total = 0;
  const jittered = times(october, 15_000, 1500).map((timeMs) => timeMs + random.int(3) * random.int(3) * random.int(9));
  rows.add(defaultTenant, { __name__: "noisy_counter" }, jittered, bitsOf(jittered.map(() => (total += random.int(20) * random.int(20)))));
  addTargets(rows, september + 29 * 86_400_000, 2, 2);
  await rows.writeTo(store);
  await store.merge();
  // From here on nothing is merged. Late, double and unordered samples.
  rows.add(defaultTenant, { __name__: "odd", kind: "unmerged" }, times(november, -60_000, oddBits.length), oddBits);
  rows.add(defaultTenant, { __name__: "odd", kind: "merged" }, times(october, 15_000, oddBits.length), oddBits.toReversed());
  addTargets(rows, november - 30_000, 6, 3);
  for (const metadata of goldenMetadata.slice(2, 3)) rows.builder(defaultTenant).addMetadata(metadata);
  await rows.writeTo(store);
  await store.flush();
  addTargets(rows, november + 600_000, 3, 3);
  rows.add(goldenTenants[1], { __name__: "metric_1", of: "another tenant" }, times(november, 1000, 5), bitsOf([5, 4, 3, 2, 1]));
  await rows.writeTo(store);
  await store.flush();
  // Sealed because the series has many samples, so the rows are in a fresh part and in the log.
  rows.add(defaultTenant, { __name__: "sealed_from_log" }, times(november, 1000, 1200), bitsOf(times(0, 1, 1200).map((i) => i / 8)));
  await rows.writeTo(store);
  await new Promise((resolve) => setTimeout(resolve, 50));
  // In the log only.
  rows.add(defaultTenant, { __name__: "only_in_log", job: "log" }, times(november, 15_000, oddBits.length), oddBits);
  addTargets(rows, november + 1_200_000, 1, 3);
  for (const metadata of goldenMetadata.slice(3)) rows.builder(defaultTenant).addMetadata(metadata);
  await rows.writeTo(store);
  return rows.list();
}

/** The line of a series in the listing. */
function printSeries({ tenant, labels, timestampsMs, valueBits }: GoldenSeries): string {
  const steady: [number, number, number][] = [];
  for (const timeMs of timestampsMs) {
    const run = steady.at(-1);
    if (run !== undefined && run[2] === 1) run[1] = timeMs - run[0];
    if (run !== undefined && timeMs === run[0] + run[1] * run[2]) run[2]++;
    else steady.push([timeMs, 0, 1]);
  }
  const repeated: [bigint, number][] = [];
  for (const bits of valueBits) {
    const last = repeated.at(-1);
    if (last !== undefined && last[0] === bits) last[1]++;
    else repeated.push([bits, 1]);
  }
  const words = repeated.map(([bits, count]) => bits.toString(16).padStart(16, "0") + (count === 1 ? "" : `*${count}`));
  return JSON.stringify({ tenant, labels, timestampsMs: steady, valueBits: words.join(" ") }) + "\n";
}

/** Reads a listing. */
export function readGoldenSeries(path: string): GoldenSeries[] {
  return readFileSync(path, "utf8").trimEnd().split("\n").map((line) => {
    const { tenant, labels, timestampsMs, valueBits } = JSON.parse(line) as { tenant: string; labels: Record<string, string>; timestampsMs: [number, number, number][]; valueBits: string };
    return {
      tenant,
      labels,
      timestampsMs: timestampsMs.flatMap(([firstMs, stepMs, count]) => times(firstMs, stepMs, count)),
      valueBits: valueBits.split(" ").flatMap((word) => {
        const [bits, count = "1"] = word.split("*");
        return Array.from({ length: Number(count) }, () => BigInt(`0x${bits}`));
      }),
    };
  });
}

if (import.meta.main) {
  const folder = process.argv[2];
  const work = join(folder, "writing");
  mkdirSync(work, { recursive: true });
  const series = await writeDirectory(work);
  rmSync(join(folder, "data"), { recursive: true, force: true });
  cpSync(work, join(folder, "data"), { recursive: true }); // the store is not closed: this is what a kill leaves
  rmSync(work, { recursive: true });
  writeFileSync(join(folder, "series.jsonl"), series.map(printSeries).join(""));
  process.exit(0);
}
