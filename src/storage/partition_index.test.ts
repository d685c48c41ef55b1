// Shows that an index segment gives back its rows with canonical label runs, joined and sorted by series id; that postings equal a scan; that a
// million-series-like data set takes a few dozen bytes per series; that merged segments equal one written at once; and that flipped
// bits end in a typed error.
import assert from "node:assert/strict";
import test from "node:test";
import { StorageError } from "../base/errors.ts";
import { seededRandom, type Random } from "../base/random.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { decodeLabelRun, encodeLabelRun, type Labels, labelsOf } from "../model/labels.ts";
import { partitionOf } from "./partition.ts";
import { mergeIndexSegments } from "./merge.ts";
import { IndexSegment } from "./partition_index.ts";
import { type IndexRows, sectionKinds } from "./partition_index_format.ts";
import { mergeIndexFiles } from "./partition_index_merge.ts";
import { IndexSegmentWriter, type IndexSegmentSummary } from "./partition_index_writer.ts";
import { SeriesActivity } from "./series_activity.ts";
import { mergeIndex } from "./table_merge.ts";

const seed = Number(process.env.SEED ?? 20260704);
const partition = partitionOf(Date.parse("2026-03-10T00:00:00Z"));
const dayMs = 86_400_000;

interface Row {
  readonly seriesId: number;
  readonly accountId: number;
  readonly labels: Labels;
  readonly minMs: number;
  readonly maxMs: number;
}

function rowsOf(rows: readonly Row[]): IndexRows {
  const runs = rows.map((row) => encodeLabelRun(row.labels));
  const labelOffsets = new Uint32Array(rows.length + 1);
  runs.forEach((run, i) => (labelOffsets[i + 1] = labelOffsets[i] + run.length));
  const labels = new Uint8Array(labelOffsets[rows.length]);
  runs.forEach((run, i) => labels.set(run, labelOffsets[i]));
  return {
    rowCount: rows.length,
    seriesIds: Uint32Array.from(rows, (row) => row.seriesId),
    accountIds: Uint32Array.from(rows, (row) => row.accountId),
    projectIds: new Uint32Array(rows.length),
    minMs: Float64Array.from(rows, (row) => row.minMs),
    maxMs: Float64Array.from(rows, (row) => row.maxMs),
    labels,
    labelOffsets,
  };
}

function write(files: MemoryFileSystem, path: string, rows: readonly Row[]): IndexSegmentSummary {
  const writer = new IndexSegmentWriter(partition);
  for (let from = 0; from < rows.length; from += 1000) writer.add(rowsOf(rows.slice(from, from + 1000)));
  return writer.finish(files, path);
}

function read(files: MemoryFileSystem, path: string): (Row & { activeDays: number })[] {
  using segment = IndexSegment.open(files, path);
  const rows: (Row & { activeDays: number })[] = [];
  for (const batch of segment.batches()) {
    for (let i = 0; i < batch.rowCount; i++) {
      assert.equal(batch.projectIds[i], 0);
      rows.push({
        seriesId: batch.seriesIds[i],
        accountId: batch.accountIds[i],
        labels: decodeLabelRun(batch.labels, batch.labelOffsets[i], batch.labelOffsets[i + 1]),
        minMs: batch.minMs[i],
        maxMs: batch.maxMs[i],
        activeDays: batch.activeDays![i],
      });
    }
  }
  return rows;
}

/** Rows as a fleet of targets registers them, with some odd labels. */
function fleet(count: number, random: Random): Row[] {
  return Array.from({ length: count }, (_, i) => {
    const target = Math.floor(i / 100);
    const odd: Record<string, string> = random.int(50) === 0 ? { ["näme".repeat(random.int(60))]: "ü\u{1f600}".repeat(random.int(90)), z: "\u{ffff}" } : {};
    const record = { __name__: `metric_${i % 100}`, job: "node", instance: `host-${target}:9100`, env: target % 3 === 0 ? "prod" : "dev", ...odd };
    const minMs = partition.minMs + random.int(20 * dayMs);
    return { seriesId: i * 2 + 7, accountId: target % 2, labels: labelsOf(record), minMs, maxMs: minMs + random.int(5 * dayMs) };
  });
}

function days(row: Row): number {
  let bits = 0;
  for (let day = 0; day < 31; day++) {
    const startMs = partition.minMs + day * dayMs;
    if (row.minMs < startMs + dayMs && row.maxMs >= startMs) bits |= 1 << day;
  }
  return bits;
}

test("rows are read back, sorted, with their labels and days", () => {
  const random = seededRandom(seed);
  for (const count of [0, 1, 2, 300, 9000]) {
    const rows = fleet(count, random);
    const files = new MemoryFileSystem();
    const shuffled = count === 300 ? rows.toReversed() : rows;
    const summary = write(files, "/a.idx", shuffled);
    assert.equal(summary.rowCount, count);
    assert.deepEqual(read(files, "/a.idx"), rows.map((row) => ({ ...row, activeDays: days(row) })));
  }
});

test("rows of the same series are joined", () => {
  const files = new MemoryFileSystem();
  const row = fleet(1, seededRandom(seed))[0];
  const later = { ...row, minMs: partition.minMs + 25 * dayMs, maxMs: partition.minMs + 26 * dayMs };
  write(files, "/a.idx", [later, row]);
  assert.deepEqual(read(files, "/a.idx"), [{ ...row, maxMs: later.maxMs, activeDays: days(row) | days(later) }]);
});

test("postings equal a scan", () => {
  const rows = fleet(20_000, seededRandom(seed));
  const files = new MemoryFileSystem();
  write(files, "/a.idx", rows);
  using segment = IndexSegment.open(files, "/a.idx");
  for (const [name, value] of [["job", "node"], ["env", "prod"], ["instance", "host-7:9100"], ["__name__", "metric_5"], ["z", "\u{ffff}"], ["env", "none"], ["no", "x"]]) {
    const expected = rows.flatMap((row, i) => (row.labels.some((label) => label.name === name && label.value === value) ? [i] : []));
    assert.deepEqual([...segment.postings(name, value)], expected, name);
  }
});

test("a row takes few bytes", () => {
  const random = seededRandom(seed);
  const rows = Array.from({ length: 20_000 }, (_, i) => {
    const record: Record<string, string> = { __name__: `metric_${random.int(500)}` };
    for (let label = 0; label < 9; label++) record[`label_${label}`] = `value-${random.int(label < 6 ? 20 : 400)}`;
    return { seriesId: i, accountId: 0, labels: labelsOf(record), minMs: partition.minMs + random.int(1000), maxMs: partition.minMs + 5 * dayMs };
  });
  const { sizeBytes } = write(new MemoryFileSystem(), "/a.idx", rows);
  // 10 random labels: 20 bytes of pair ids and 2 of mask, 12 bytes of postings, 3 of times, and the dictionary.
  assert.ok(sizeBytes / rows.length < 42, `${sizeBytes / rows.length} bytes per series`);
});

test("merged segments equal one that was written at once", () => {
  const rows = fleet(3000, seededRandom(seed));
  const files = new MemoryFileSystem();
  const pieces = [rows.slice(2000), rows.slice(0, 1200), rows.slice(1000, 2000)];
  const paths = pieces.map((piece, i) => {
    write(files, `/${i}.idx`, piece);
    return `/${i}.idx`;
  });
  const segments = paths.map((path) => IndexSegment.open(files, path));
  const merged = mergeIndexSegments(segments, partition, files, "/merged.idx");
  const whole = write(files, "/whole.idx", rows);
  assert.deepEqual(merged, whole);
  assert.deepEqual(read(files, "/merged.idx"), read(files, "/whole.idx"));
  for (const segment of segments) segment.close();
});

test("segments merged row by row equal, byte for byte, those merged in memory", () => {
  const random = seededRandom(seed);
  for (let round = 0; round < 6; round++) {
    const rows = fleet(round === 0 ? 14_000 : 1 + random.int(3000), random);
    const files = new MemoryFileSystem();
    // Overlapping pieces in any order; the first segment that has a series has its labels.
    const paths = Array.from({ length: 1 + random.int(5) }, (_, i) => {
      const from = i === 0 ? 0 : random.int(rows.length);
      write(files, `/${i}.idx`, i === 0 && round % 2 === 0 ? rows : rows.slice(from, from + 1 + random.int(rows.length)).map((row) => ({ ...row, maxMs: row.maxMs + random.int(3 * dayMs) })));
      return `/${i}.idx`;
    });
    const activity = round % 2 === 0 ? undefined : activityOf(rows.filter(() => random.int(2) === 0), random);
    const segments = paths.map((path) => IndexSegment.open(files, path));
    const whole = mergeIndexSegments(segments, partition, files, "/whole.idx", activity);
    for (const segment of segments) segment.close();
    const steps = mergeIndexFiles(files, paths, "/merged.idx", activity);
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    assert.deepEqual(step.value, { rowCount: whole.rowCount, sizeBytes: whole.sizeBytes });
    assert.ok(Buffer.compare(contents(files, "/merged.idx"), contents(files, "/whole.idx")) === 0, `seed ${seed}, round ${round}`);
  }
});

/** Times of some series, other than their rows say. */
function activityOf(rows: readonly Row[], random: Random): SeriesActivity {
  const activity = new SeriesActivity(partition);
  const timestampsMs = Float64Array.from(rows, () => partition.minMs + random.int(30 * dayMs));
  activity.add({
    seriesCount: rows.length, seriesIds: Uint32Array.from(rows, ({ seriesId }) => seriesId), sampleFrom: Uint32Array.from({ length: rows.length + 1 }, (_, i) => i),
    timestampsMs, values: timestampsMs, lastLogRows: new Float64Array(rows.length),
  });
  return activity;
}

function contents(files: MemoryFileSystem, path: string): Uint8Array {
  using file = files.open(path, "read");
  const bytes = new Uint8Array(file.size());
  file.read(bytes, 0);
  return bytes;
}

test("a merge row by row of damaged segments is a typed error and leaves no file", () => {
  const random = seededRandom(seed + 2);
  const rows = fleet(600, random);
  for (let round = 0; round < 60; round++) {
    const files = new MemoryFileSystem();
    write(files, "/a.idx", rows.slice(0, 400));
    write(files, "/b.idx", rows.slice(200));
    const path = random.int(2) === 0 ? "/a.idx" : "/b.idx";
    files.corrupt(path, 16 + random.int(files.size(path) - 16), 1 + random.int(255));
    const merge = (): void => {
      for (const _ of mergeIndexFiles(files, ["/a.idx", "/b.idx"], "/merged.idx"));
    };
    assert.throws(merge, (error: unknown) => error instanceof StorageError && error.code === "corrupt_index", `seed ${seed}, round ${round}`);
    assert.equal(files.exists("/merged.idx"), false);
  }
});

test("malformed label runs are refused", () => {
  const good = rowsOf(fleet(3, seededRandom(seed)));
  const writer = new IndexSegmentWriter(partition);
  const labels = good.labels.slice();
  labels[good.labelOffsets[1]] = 0x12;
  assert.throws(() => writer.add({ ...good, labels }), { code: "malformed_labels" });
});

test("flipped bits and cut files are a typed error", () => {
  const random = seededRandom(seed + 1);
  const files = new MemoryFileSystem();
  write(files, "/a.idx", fleet(500, random));
  const size = files.size("/a.idx");
  const byte = new Uint8Array(1);
  const isCorrupt = (error: unknown): boolean => error instanceof StorageError && error.code === "corrupt_index";
  const readAll = (): void => {
    read(files, "/a.idx");
    using segment = IndexSegment.open(files, "/a.idx");
    segment.postings("job", "node");
  };
  for (let round = 0; round < 300; round++) {
    const position = round < 60 ? size - 1 - round : 16 + random.int(size - 16);
    const file = files.open("/a.idx", "append");
    file.read(byte, position);
    file.write(Uint8Array.of(byte[0] ^ (1 << random.int(8))), position);
    assert.throws(readAll, isCorrupt, `seed ${seed}, byte ${position}`);
    file.write(byte, position);
    file.close();
  }
  readAll();
  const file = files.open("/a.idx", "append");
  for (const cut of [size - 1, size >> 1, 41, 7, 0]) {
    file.truncate(cut);
    assert.throws(readAll, isCorrupt);
  }
  file.close();
});

test("segments whose posting lists are damaged are merged from their rows", () => {
  const rows = fleet(900, seededRandom(seed));
  const files = new MemoryFileSystem();
  files.makeDirectory("/index");
  write(files, "/index/1.idx", rows.slice(0, 500));
  write(files, "/index/2.idx", rows.slice(300));
  write(files, "/index/whole.idx", rows);
  {
    using segment = IndexSegment.open(files, "/index/1.idx");
    const lists = segment.sections.find(({ kind }) => kind === sectionKinds.postingBytes)!;
    files.corrupt("/index/1.idx", lists.offset + 3, 0x55);
  }
  const segments = [1, 2].map((id) => ({ id, files: [`index/${id}.idx`], seriesCount: 0, sizeBytes: 0 }));
  const steps = mergeIndex(files, "", partition, segments, 3, undefined);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  assert.equal(step.value.seriesCount, 900);
  assert.deepEqual(read(files, "/index/3.idx"), read(files, "/index/whole.idx"));
});
