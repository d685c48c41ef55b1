/** Opens LocalStores for tests: small areas, no threads, a disk and a clock of the test's choosing. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../src/base/clock.ts";
import { SimulatedClock } from "../src/base/clock.ts";
import { type Logger, silentLogger } from "../src/base/logger.ts";
import type { FileSystem } from "../src/disk/file_system.ts";
import type { ProcessTable } from "../src/storage/directory_lock.ts";
import { DirectTableClient } from "../src/storage/direct_table_client.ts";
import type { LocalStore } from "../src/storage/local_store.ts";
import { openLocalStore, type OpenLocalStoreOptions } from "../src/storage/open_local_store.ts";
import { TableWriter } from "../src/storage/table_writer.ts";

/** A process that is always alive, and never the one that crashed before it. */
export function testProcess(pid: number): ProcessTable {
  return { pid, startOf: (other) => (other === pid ? "now" : undefined) };
}

let nextPid = 1000;

export interface TestStoreOptions extends Partial<Omit<OpenLocalStoreOptions, "files">> {
  readonly nowMs?: number;
}

/** Opens a store on `files`; by default in /data, at 2023-11-14, with a retention of ten years. */
export function openTestStore(files: FileSystem, options: TestStoreOptions = {}): Promise<LocalStore> {
  const clock: Clock = options.clock ?? new SimulatedClock(options.nowMs ?? 1_700_000_000_000);
  const logger: Logger = options.logger ?? silentLogger;
  return openLocalStore({
    files,
    directory: "/data",
    processes: testProcess(nextPid++),
    randomBytes: (size) => randomBytes(size),
    shardCount: 1,
    seriesMax: 4096,
    sealChunksMax: 64,
    chunkBytesMax: 4 << 20,
    chunkBudgetBytes: 1 << 20,
    checkpointLogBytes: 1 << 30,
    checkpointIntervalMs: 3_600_000,
    retentionMs: 10 * 365 * 86_400_000,
    fsyncIntervalMs: 0,
    readerThreads: 0,
    startTable: (setup) => new DirectTableClient(TableWriter.open(files, setup, clock, logger)),
    ...options,
    clock,
    logger,
  });
}
