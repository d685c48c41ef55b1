// The kernel writes whole series exactly as the clear version does: for labels of all lengths, for gaps, and when the room ends after any of them.
import assert from "node:assert/strict";
import test from "node:test";
import { testSeed } from "../../testkit/seed.ts";
import { seededRandom } from "../base/random.ts";
import { Kernel } from "./kernel.ts";
import { cellBytes, numberTextKernels } from "./number_text.ts";
import { seriesBytesMax, type SeriesForm, seriesForms, seriesTextKernels } from "./series_text.ts";
import { seriesTextReference } from "./series_text_reference.ts";

const kernel = new Kernel();

interface Input {
  readonly form: SeriesForm;
  /** Texts without the comma. */
  readonly labels: readonly string[];
  readonly sets: readonly (readonly number[])[];
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

/** All series, written to room for `roomBytes` at a time; checks that nothing behind the room is touched. */
function write({ form, labels, sets, timestampsMs, values }: Input, roomBytes: number): string {
  const points = timestampsMs.length;
  const u32 = (list: readonly number[]): number => {
    const pointer = kernel.allocate(list.length * 4);
    kernel.u32.set(list, pointer / 4);
    return pointer;
  };
  const texts = labels.map((text) => Buffer.from(`${text},`));
  const ends = (sizes: readonly number[]): number[] => sizes.reduce((all, size) => [...all, (all.at(-1) ?? 0) + size], [0]);
  const textFrom = u32(ends(texts.map(({ length }) => length)));
  const from = u32(ends(sets.map(({ length }) => length)));
  const numbers = u32(sets.flat());
  const bytes = Buffer.concat(texts);
  const text = kernel.allocate(bytes.length + 16);
  const cells = kernel.allocate(points * cellBytes);
  const times = kernel.allocate(points * 8);
  const column = kernel.allocate(values.length * 8);
  const done = kernel.allocate(4);
  const target = kernel.allocate(roomBytes + 64);
  kernel.u8.set(bytes, text);
  kernel.f64.set(timestampsMs, times / 8);
  kernel.f64.set(values, column / 8);
  numberTextKernels(kernel).numberTextCells(times, points, cells);
  let written = "";
  for (let first = 0; first < sets.length; ) {
    kernel.u8.fill(255, target + roomBytes, target + roomBytes + 64);
    const end = seriesTextKernels(kernel).seriesText(numbers, from, first, sets.length, text, textFrom, seriesForms[form], column, points, cells, target, target + roomBytes, done) >>> 0;
    assert.ok(kernel.u8.subarray(target + roomBytes, target + roomBytes + 64).every((byte) => byte === 255), "nothing behind the room is touched");
    assert.ok(kernel.u32[done / 4] > first, "room for one series is room for one");
    first = kernel.u32[done / 4];
    written += Buffer.from(kernel.u8.slice(target, end)).toString();
  }
  return written;
}

test("series of all forms, in any room", () => {
  const seed = testSeed();
  for (let round = 0; round < 150; round++) {
    const random = seededRandom(seed + round);
    const form = (["labels", "vector", "matrix"] as const)[round % 3];
    const labels = Array.from({ length: 1 + random.int(12) }, (_, i) => `${JSON.stringify(`n${i}`)}:${JSON.stringify("é\"\\x😀".repeat(random.int(8)) + "y".repeat(random.int(20)))}`);
    const sets = Array.from({ length: random.int(30) }, () => Array.from({ length: random.int(7) }, () => random.int(labels.length)));
    const points = form === "matrix" ? random.int(20) : 1;
    const timestampsMs = Float64Array.from({ length: points }, (_, i) => 1_700_000_000_000 + i * [60_000, 15_001][round % 2]);
    const values = Float64Array.from({ length: points * sets.length }, () => (random.int(4) === 0 ? NaN : random.int(2) === 0 ? random.int(1000) : -random.next()));
    const largest = Math.max(0, ...sets.map((set) => set.reduce((sum, number) => sum + Buffer.byteLength(labels[number]) + 1, 0)));
    const expected = sets.map((set, i) => `,${seriesTextReference(form, set.map((number) => labels[number]), timestampsMs, values.subarray(i * points, (i + 1) * points))}`).join("");
    const mark = kernel.mark();
    const leastBytes = largest + seriesBytesMax(points);
    assert.equal(write({ form, labels, sets, timestampsMs, values }, leastBytes + (round % 2 === 0 ? 0 : random.int(5000))), expected, `seed ${seed + round}`);
    kernel.reset(mark);
  }
});
