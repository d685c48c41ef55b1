// A parser that asks the head which series comes next makes the same of any sequence of bodies as one that does not: the same series with the same
// samples, the same log, byte for byte, and the same counts of what was dropped.
import assert from "node:assert/strict";
import test from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { createMemory, Kernel } from "../kernel/kernel.ts";
import { bodySlackBytes } from "../kernel/label_run.ts";
import { createIndex } from "../kernel/postings.ts";
import { labelsOf } from "../model/labels.ts";
import { RemoteWriteParser } from "../protocol/remote_write.ts";
import { mutate } from "../../testkit/parse_body.ts";
import { type BodySeries, encodeWriteRequest } from "../../testkit/remote_write_body.ts";
import { testSeed } from "../../testkit/seed.ts";
import { Head } from "./head.ts";

const bodyBytesMax = 4 << 20;
const logBytes = 4 << 20;

/** A head with a parser in its memory. */
class Sink {
  readonly kernel = new Kernel(createMemory(1 << 20));
  readonly head: Head;
  readonly parser: RemoteWriteParser;
  readonly #body = this.kernel.allocate(bodyBytesMax + bodySlackBytes);
  readonly #log = this.kernel.allocate(logBytes * 2);
  knownRows = 0;
  /** Of the body before. */
  sliceCount = 0;

  constructor(asksHead: boolean, seriesMax = 50_000) {
    const { kernel } = this;
    const indexContext = createIndex(kernel, { seriesMax }, 7n);
    this.head = new Head(kernel, {
      indexContext, seriesMax, seedLow: 1n, seedHigh: 2n, nextSeriesId: 1, seriesIdStep: 1, sealChunks: 15, sealChunksMax: 1 << 20, chunkBytesMax: 1 << 28,
    });
    this.head.nextLogRow = 1;
    this.parser = new RemoteWriteParser(kernel, undefined, asksHead ? this.head.context : undefined);
  }

  /** Appends a body; returns what it left in the log. */
  take(body: Uint8Array, extraLabels: Record<string, string>, accountId: number): { samples: Buffer; series: Buffer; broken: boolean; dropped: unknown } {
    const { kernel, head, parser } = this;
    kernel.u8.set(body, this.#body);
    this.sliceCount = 0;
    const position = this.#log;
    head.setLogAreas({ position, end: position + logBytes }, { position: position + logBytes, end: position + 2 * logBytes });
    parser.start(this.#body, body.length, { tenant: { accountId, projectId: 0 }, extraLabels: labelsOf(extraLabels), nowMs: 0 });
    for (let batch = parser.next(); batch !== undefined; batch = parser.next()) {
      this.sliceCount++;
      head.beginBatch();
      const pointers = {
        rows: batch.seriesRows.byteOffset, rowCount: batch.seriesCount, labelBase: batch.labelBytes.byteOffset, timestamps: batch.timestampsMs.byteOffset,
        values: batch.values.byteOffset, knownSeries: batch.knownSeries?.byteOffset ?? 0, accountId, projectId: 0,
      };
      for (const known of batch.knownSeries ?? []) if (known !== 0) this.knownRows++;
      let step = head.append(pointers, 0, 0, 2 ** 50);
      while (step.stop === "turn") step = head.append(pointers, step.row, 0, 2 ** 50);
      assert.equal(step.stop, "done");
    }
    const bytes = (from: number, to: number): Buffer => Buffer.from(kernel.u8.slice(from, to));
    return { samples: bytes(position, head.logPosition), series: bytes(position + logBytes, head.seriesLogPosition), broken: parser.report.broken, dropped: parser.report.droppedByReason };
  }
}

/** A series of a few that resemble each other: some label runs begin with all of another one, some are the same but for their order or an empty label. */
function randomSeries(random: Random): BodySeries {
  const labels = [{ name: "__name__", value: `m${random.int(4)}` }, { name: "host", value: "h".repeat(1 + random.int(3) * 60) }];
  if (random.int(3) === 0) labels.push({ name: "i", value: String(random.int(2)) });
  if (random.int(6) === 0) labels.push({ name: "z", value: random.int(2) === 0 ? "" : "1" });
  if (random.int(12) === 0) labels.reverse();
  const count = random.int(4) === 0 ? random.int(4) : 1;
  const values = Float64Array.from({ length: count }, () => (random.int(12) === 0 ? Number.NaN : random.int(1000) / 8));
  return { labels, timestampsMs: Array.from({ length: count }, () => 1_700_000_000_000 + random.int(100_000)), values };
}

test("known series: bodies in any order, with and without asking the head", () => {
  const random = seededRandom(testSeed());
  for (let round = 0; round < 12; round++) {
    const asking = new Sink(true);
    const plain = new Sink(false);
    let fleet = Array.from({ length: 1 + random.int(60) }, () => randomSeries(random));
    for (let step = 0; step < 25; step++) {
      if (random.int(4) === 0) fleet = fleet.map((series) => (random.int(8) === 0 ? randomSeries(random) : series));
      if (random.int(10) === 0) fleet = fleet.toSorted(() => random.int(3) - 1);
      const encoded = encodeWriteRequest(fleet.slice(random.int(3), fleet.length - random.int(3)));
      const body = random.int(6) === 0 ? mutate(encoded, random) : encoded;
      const extraLabels: Record<string, string> = random.int(8) === 0 ? { host: "x" } : {};
      const accountId = random.int(5) === 0 ? 1 : 0;
      assert.deepEqual(asking.take(body, extraLabels, accountId), plain.take(body, extraLabels, accountId));
      const { predictionMisses: _, ...counters } = asking.head.counters();
      const { predictionMisses: __, ...expected } = plain.head.counters();
      assert.deepEqual(counters, expected);
    }
    assert.equal(plain.knownRows, 0);
  }
});

test("known series: a steady sender's series are known, whatever the slices", () => {
  const asking = new Sink(true);
  const fleet = Array.from({ length: 10_000 }, (_, i) => ({ labels: labelsOf({ __name__: "m", i: String(i) }), timestampsMs: [1], values: Float64Array.of(i) }));
  const body = encodeWriteRequest(fleet);
  for (let scrape = 0; scrape < 3; scrape++) asking.take(body, {}, 0);
  assert.equal(asking.knownRows, 20_000);
  assert.ok(asking.head.counters().predictionMisses < 10_040, String(asking.head.counters().predictionMisses));
  assert.equal(asking.head.seriesCount, 10_000);
});

test("known series: a slice takes four times as many bytes of them", () => {
  const asking = new Sink(true);
  const fleet = Array.from({ length: 3400 }, (_, i) => ({ labels: labelsOf({ __name__: "m", i: String(i), long: "x".repeat(250) }), timestampsMs: [1], values: Float64Array.of(i) }));
  const body = encodeWriteRequest(fleet);
  assert.ok(body.length > 900_000 && body.length * 3 < bodyBytesMax);
  const sliceCounts = [0, 1, 2].map(() => {
    asking.take(Buffer.concat([body, body, body]), {}, 0);
    return asking.sliceCount;
  });
  assert.deepEqual(sliceCounts, [2, 1, 1]);
});

test("known series: a label set that becomes longer or shorter is another series", () => {
  const asking = new Sink(true);
  const bodyOf = (record: Record<string, string>): Uint8Array => encodeWriteRequest(["a", "b", "c"].map((name) => ({ labels: labelsOf({ __name__: name, ...record }), timestampsMs: [1], values: Float64Array.of(1) })));
  const records: Record<string, string>[] = [{ host: "h" }, { host: "h", zone: "1" }, { host: "h" }, {}, { host: "h", zone: "1" }];
  for (const record of records) asking.take(bodyOf(record), {}, 0);
  assert.equal(asking.head.seriesCount, 9);
  assert.equal(asking.head.counters().accepted, 15);
});
