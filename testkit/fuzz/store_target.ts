/** A whole data directory with one damaged file: verified, opened, asked for everything, written to and closed. */
import { StorageError } from "../../src/base/errors.ts";
import { type Random, seededRandom } from "../../src/base/random.ts";
import { readFile } from "../../src/disk/file_system.ts";
import { MemoryFileSystem } from "../../src/disk/memory_file_system.ts";
import { labelsOf } from "../../src/model/labels.ts";
import { defaultTenant } from "../../src/model/matcher.ts";
import { RowBatchBuilder } from "../../src/model/row_batch_builder.ts";
import type { Store } from "../../src/model/store.ts";
import { type DirectoryReport } from "../../src/storage/verify_report.ts";
import { verifyDirectory } from "../../src/storage/verify_directory.ts";
import { openTestStore, testProcess } from "../local_stores.ts";
import type { FuzzSeed, FuzzTarget } from "./fuzz_target.ts";
import { sealOfFile } from "./storage_targets.ts";

const nowMs = 1_700_000_000_000;
const range = { minMs: 0, maxMs: 4e12 };
const request = { tenant: defaultTenant, selector: [[]], range, limit: 0 };

interface StoredFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

function batchOf(fromSeries: number, seriesCount: number, random: Random): RowBatchBuilder {
  const builder = new RowBatchBuilder();
  for (let i = 0; i < seriesCount; i++) {
    const count = 1 + random.int(20);
    const labels = labelsOf({ __name__: `metric_${fromSeries + i}`, job: `job_${i % 3}` });
    builder.addSeries(labels, Float64Array.from({ length: count }, (_, k) => nowMs - 100_000 + k * 1000), Float64Array.from({ length: count }, () => random.int(1000)));
  }
  builder.addMetadata({ metricFamily: "metric_1", type: "counter", help: "Help.", unit: "" });
  return builder;
}

/** A directory with parts, an index, and a log that is not in parts, as a kill leaves it. */
async function makeDirectory(): Promise<StoredFile[]> {
  const random = seededRandom(1);
  const files = new MemoryFileSystem();
  const store = await openTestStore(files);
  for (let round = 0; round < 3; round++) {
    await store.write(batchOf(round * 5, 12, random).build());
    if (round < 2) await store.flush();
    if (round === 0) await store.merge();
  }
  await store.write(batchOf(40, 5, random).build());
  const stored = filesBelow(files, "/data");
  await store[Symbol.asyncDispose]();
  return stored;
}

function filesBelow(files: MemoryFileSystem, path: string): StoredFile[] {
  return files.list(path).flatMap((name) => {
    const inner = `${path}/${name}`;
    if (files.isDirectory(inner)) return filesBelow(files, inner);
    return name === "lock" ? [] : [{ path: inner, bytes: readFile(files, inner) }];
  });
}

let storedFiles: StoredFile[] | undefined;

/** An input is u8 file and its bytes; the first input only asks for the directory, which cannot be made at once. */
function storeSeed(random: Random): FuzzSeed {
  if (storedFiles === undefined) return { bytes: Uint8Array.of(255), isValid: false };
  const number = random.int(storedFiles.length);
  const { path, bytes } = storedFiles[number];
  const seal = sealOfFile(path, bytes);
  const input = Buffer.concat([Uint8Array.of(number), bytes]);
  return {
    bytes: input,
    seal(changed) {
      changed[0] = number;
      seal(changed.subarray(1));
    },
  };
}

async function runStore(input: Uint8Array): Promise<void> {
  storedFiles ??= await makeDirectory();
  const files = new MemoryFileSystem();
  for (const [i, { path, bytes }] of storedFiles.entries()) {
    files.makeDirectory(path.slice(0, path.lastIndexOf("/")));
    using file = files.open(path, "create");
    file.write(i === input[0] ? input.subarray(1) : bytes, 0);
  }
  const report = verified(files);
  const store = await openTestStore(files);
  try {
    await useStore(store);
  } finally {
    await store[Symbol.asyncDispose]();
  }
  if (report.files.some(({ findings }) => findings.length > 0)) throw new StorageError("damaged_directory", "verification found damage");
}

function verified(files: MemoryFileSystem): DirectoryReport {
  const steps = verifyDirectory({ files, directory: "/data", processes: testProcess(1) });
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** What users do. Damage of the parts must not keep what is new from being written and read. */
async function useStore(store: Store): Promise<void> {
  await store.write(batchOf(60, 2, seededRandom(2)).build());
  await readAll(store);
  await store.flush();
  await store.merge();
  await readAll(store);
}

async function readAll(store: Store): Promise<void> {
  const found = await store.search({ tenant: defaultTenant, selector: [[]], range });
  for await (const batch of found.batches) for (let i = 0; i < batch.seriesCount; i++) batch.labels(i);
  await store.labelNames(request);
  await store.series(request);
  await store.metadata();
}

/**
 * A store reserves its areas at once, and sets of series ids, a bit each, are as large as the highest id: up to 512 MiB each for an id that only damage
 * could have written.
 */
const storeBytesMax = 2048 * 2 ** 20;
const storeCpuMsMax = 3000;

export const storeTargets: readonly FuzzTarget[] = [
  { name: "store", covers: ["openLocalStore", "verifyDirectory", "verifyIndexSteps", "verifyLogSteps", "verifyPartSteps"], make: storeSeed, run: runStore, memoryBytesMax: () => storeBytesMax, cpuMsMax: storeCpuMsMax },
];
