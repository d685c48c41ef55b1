// Batches are relabelled as single label sets are, whatever the cache holds; dropped rows leave the columns whole; markers keep their bits.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { decodeLabelRun, encodeLabelRun, type Labels, labelsOf, labelsToRecord, labelValue } from "../model/labels.ts";
import { isStaleMarker, type RowBatch, seriesRow, writeStaleMarker } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { narrowLabelBytes } from "./label_bytes.ts";
import { BatchRelabeler, defaultRelabelCacheLimits } from "./relabel_batch.ts";

interface Row {
  readonly labels: Labels;
  readonly samples: readonly (readonly [timestampMs: number, value: number | "stale"])[];
}

function batchOf(rows: readonly Row[]): RowBatch {
  const builder = new RowBatchBuilder();
  for (const { labels, samples } of rows) {
    const values = Float64Array.from(samples, ([, value]) => (value === "stale" ? 0 : value));
    samples.forEach(([, value], i) => value === "stale" && writeStaleMarker(values, i));
    builder.addSeries(labels, Float64Array.from(samples, ([timestampMs]) => timestampMs), values);
  }
  return builder.build();
}

function rowsOf(batch: RowBatch): Row[] {
  return Array.from({ length: batch.seriesCount }, (_, i) => {
    const [offset, size, sampleFrom, count] = batch.seriesRows.subarray(i * seriesRow.slots);
    const samples = Array.from({ length: count }, (_unused, j) => {
      const at = sampleFrom + j;
      return [batch.timestampsMs[at], isStaleMarker(batch.values, at) ? "stale" : batch.values[at]] as const;
    });
    return { labels: decodeLabelRun(batch.labelBytes, offset, offset + size), samples };
  });
}

/** Drops what is called "drop", adds a label to the rest. */
const change = (labels: Labels): Labels | undefined =>
  labelValue(labels, "__name__") === "drop" ? undefined : labelsOf({ ...labelsToRecord(labels), seen: "1" });

function expectedRows(rows: readonly Row[]): Row[] {
  return rows.flatMap(({ labels, samples }) => {
    const changed = change(labels);
    return changed === undefined ? [] : [{ labels: changed, samples }];
  });
}

test("rows are relabelled, dropped rows leave no gap", () => {
  const rows: Row[] = [
    { labels: labelsOf({ __name__: "drop" }), samples: [[1, 1]] },
    { labels: labelsOf({ __name__: "a" }), samples: [[1, 1], [2, "stale"]] },
    { labels: labelsOf({ __name__: "drop", x: "1" }), samples: [[1, 1], [2, 5]] },
    { labels: labelsOf({ __name__: "b" }), samples: [[3, -0], [4, Infinity]] },
  ];
  const relabeler = new BatchRelabeler(change);
  const result = relabeler.apply(batchOf(rows));
  assert.deepEqual(rowsOf(result), expectedRows(rows));
  assert.equal(result.sampleCount, 4);
  assert.equal(relabeler.droppedSamples, 3);
});

test("any order, any cache size: the same result; the function is asked once per series", () => {
  const seed = 20_260_801;
  const random = seededRandom(seed);
  for (const limits of [defaultRelabelCacheLimits, { seriesMax: 20, bytesMax: 1 << 20 }]) {
    let calls = 0;
    const relabeler = new BatchRelabeler((labels) => (calls++, change(labels)), limits);
    for (let round = 0; round < 50; round++) {
      const rows = Array.from({ length: random.int(60) }, () => ({
        labels: labelsOf({ __name__: ["a", "b", "drop"][random.int(3)], i: String(random.int(30)) }),
        samples: Array.from({ length: 1 + random.int(3) }, (_, i) => [i, random.int(5) === 0 ? "stale" : random.next()] as const),
      }));
      assert.deepEqual(rowsOf(relabeler.apply(batchOf(rows))), expectedRows(rows), `seed ${seed}, round ${round}`);
    }
    if (limits === defaultRelabelCacheLimits) assert.ok(calls <= 90, `${calls} calls for 90 series`);
  }
});

test("labels that are no longer seen are let go", () => {
  const relabeler = new BatchRelabeler(change);
  for (let i = 0; i < 3_000; i++) relabeler.apply(batchOf([{ labels: labelsOf({ __name__: "a", i: String(i) }), samples: [[1, 1]] }]));
  const before = relabeler.sizeBytes;
  relabeler.trim(10);
  assert.ok(relabeler.sizeBytes < before / 10, `${before} -> ${relabeler.sizeBytes}`);
});

test("label bytes are narrowed to the rows", () => {
  const batch = batchOf([{ labels: labelsOf({ a: "1" }), samples: [[1, 1]] }, { labels: labelsOf({ b: "2" }), samples: [[1, 2]] }]);
  const wide = { ...batch, labelBytes: Buffer.concat([Buffer.alloc(1_000), batch.labelBytes, Buffer.alloc(1_000)]), seriesRows: batch.seriesRows.slice() };
  for (let i = 0; i < 2; i++) wide.seriesRows[i * seriesRow.slots + seriesRow.labelsOffset] += 1_000;
  const narrow = narrowLabelBytes(wide);
  assert.deepEqual(rowsOf(narrow), rowsOf(batch));
  assert.equal(narrow.labelBytes.length, batch.labelBytes.length);
  assert.equal(narrowLabelBytes({ ...wide, seriesCount: 0 }).labelBytes.length, 0);
  assert.deepEqual(Buffer.from(narrow.labelBytes.subarray(0, 8)), Buffer.from(encodeLabelRun(labelsOf({ a: "1" }))));
});
