/** Damage of files at rest: flips bits of a file on a simulated disk, and tells before that what the file holds, which is all that may be lost by it. */
import { StorageError } from "../src/base/errors.ts";
import type { Random } from "../src/base/random.ts";
import { readFile } from "../src/disk/file_system.ts";
import type { MemoryFileSystem } from "../src/disk/memory_file_system.ts";
import { Kernel } from "../src/kernel/kernel.ts";
import { checkLogRecord, logHeaderBytes } from "../src/kernel/log_record.ts";
import { decodeLabelRun } from "../src/model/labels.ts";
import { sampleCountOf } from "../src/storage/block_list.ts";
import { expandedLogRowBytes, expandLogRows, logRowsHeaderBytes } from "../src/kernel/log_rows.ts";
import { logRecordTypes, visitLogSeries } from "../src/storage/log_payload.ts";
import { logSegmentHeaderBytes } from "../src/storage/log_segment.ts";
import { Part } from "../src/storage/part.ts";
import { IndexSegment } from "../src/storage/partition_index.ts";
import { seriesKey } from "./store_model.ts";

/** What depends on a file. */
export interface FileContents {
  /** Values of samples. */
  readonly values: ReadonlySet<number>;
  /** Series that nothing else may know. */
  readonly seriesKeys: ReadonlySet<string>;
  /** Everything may depend on it. */
  readonly isEverything: boolean;
  /** Without it samples may come back a second time. */
  readonly mayRepeat: boolean;
  /** What a report of its damage names. */
  readonly reportedAs: readonly string[];
}

const nothing: FileContents = { values: new Set(), seriesKeys: new Set(), isEverything: false, mayRepeat: false, reportedAs: [] };

/** Every file below the directory. */
export function filesBelow(disk: MemoryFileSystem, directory: string): string[] {
  if (!disk.exists(directory)) return [];
  return disk.list(directory).flatMap((name) => {
    const path = `${directory}/${name}`;
    return disk.isDirectory(path) ? filesBelow(disk, path) : [path];
  });
}

/** Some bits of one byte that were changed. */
export interface Flip {
  readonly position: number;
  readonly mask: number;
  /** Whether the file is still the one that was damaged. */
  isThere(disk: MemoryFileSystem): boolean;
}

/** Flips a bit, or some bits of one byte, durably. */
export function flipBits(disk: MemoryFileSystem, path: string, random: Random): Flip {
  const size = disk.size(path);
  // Ends of files hold what everything else hangs on.
  const nearEnd = Math.min(size, 64);
  const position = [random.int(size), random.int(nearEnd), size - 1 - random.int(nearEnd)][random.int(3)];
  const mask = random.int(2) === 0 ? 1 << random.int(8) : 1 + random.int(255);
  disk.corrupt(path, position, mask);
  const damaged = readFile(disk, path);
  return { position, mask, isThere: (other) => other.exists(path) && Buffer.compare(readFile(other, path), damaged) === 0 };
}

/** What depends on the file; undefined if it cannot be read, because it is not finished or damaged already. */
export function contentsOf(disk: MemoryFileSystem, path: string): FileContents | undefined {
  try {
    if (/\/quarantine\//.test(path)) return nothing;
    if (/\/parts\/\d+\/[^/]+$/.test(path)) return contentsOfPart(disk, path);
    if (path.endsWith(".idx")) return contentsOfIndex(disk, path);
    if (/\/log\/[^/]+$/.test(path)) return contentsOfLog(disk, path);
    if (path.endsWith("/manifest")) return { ...nothing, isEverything: true, mayRepeat: true, reportedAs: ["manifest"] };
    return nothing;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return undefined;
  }
}

function contentsOfPart(disk: MemoryFileSystem, path: string): FileContents {
  const values = new Set<number>();
  const partPath = path.slice(0, path.lastIndexOf("/"));
  const [month, , id] = partPath.split("/").slice(-3);
  using part = Part.open(disk, partPath);
  const kernel = new Kernel();
  for (let group = 0; group < part.groupCount; group++) {
    const list = part.readGroup(group);
    const count = sampleCountOf(list);
    kernel.reset(kernel.heapBase);
    const timestamps = kernel.allocate((count + 16) * 8);
    const column = kernel.allocate((count + 16) * 8);
    part.readBlocks(kernel, list, 0, list.count, timestamps, column, count);
    for (const value of kernel.f64.subarray(column / 8, column / 8 + count)) values.add(value);
  }
  return { ...nothing, values, reportedAs: [`${month}/parts/${id}`, `${month}-${id}`] };
}

function contentsOfIndex(disk: MemoryFileSystem, path: string): FileContents {
  const seriesKeys = new Set<string>();
  using segment = IndexSegment.open(disk, path);
  for (const rows of segment.batches()) {
    for (let i = 0; i < rows.rowCount; i++) {
      const tenant = { accountId: rows.accountIds[i], projectId: rows.projectIds[i] };
      seriesKeys.add(seriesKey(tenant, decodeLabelRun(rows.labels, rows.labelOffsets[i], rows.labelOffsets[i + 1])));
    }
  }
  return { ...nothing, seriesKeys, reportedAs: [path.split("/").slice(-3).join("/")] };
}

function contentsOfLog(disk: MemoryFileSystem, path: string): FileContents {
  const values = new Set<number>();
  const seriesKeys = new Set<string>();
  const bytes = readFile(disk, path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = logSegmentHeaderBytes; at < bytes.length; ) {
    const size = checkLogRecord(bytes, at);
    if (size <= 0) {
      at += 8; // what was damaged before is stepped over
      continue;
    }
    const payload = bytes.subarray(at + logHeaderBytes, at + logHeaderBytes + view.getUint32(at, true));
    if (bytes[at + 8] === logRecordTypes.newSeries.type) addSeries(payload, seriesKeys);
    else if (bytes[at + 8] === logRecordTypes.samples.type) addValues(bytes[at + 9] === 1 ? payload : expandLogRows(payload), values);
    at += size;
  }
  return { ...nothing, values, seriesKeys, reportedAs: [`log segment ${path.slice(path.lastIndexOf("/") + 1).replace(/\..*$/, "")}`] };
}

/** Of expanded rows. */
function addValues(rows: Uint8Array | undefined, values: Set<number>): void {
  if (rows === undefined) return;
  const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
  for (let at = logRowsHeaderBytes; at + expandedLogRowBytes <= rows.length; at += expandedLogRowBytes) values.add(view.getFloat64(at + 8, true));
}

function addSeries(payload: Uint8Array, seriesKeys: Set<string>): void {
  visitLogSeries(payload, (_seriesId, accountId, projectId, offset, size) => seriesKeys.add(seriesKey({ accountId, projectId }, decodeLabelRun(payload, offset, offset + size))));
}
