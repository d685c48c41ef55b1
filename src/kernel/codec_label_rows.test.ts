// Shows that label runs come back from pair ids, that interning grows with its input and numbers equal pairs alike, and that mutated rows are refused or
// decode to something harmless.
import assert from "node:assert/strict";
import test from "node:test";
import { seededRandom, type Random } from "../base/random.ts";
import { encodeLabelRun, labelsOf } from "../model/labels.ts";
import { expandLabelRows, packLabelRows, PairInterner, type PairPointers } from "./codec_label_rows.ts";
import { Kernel } from "./kernel.ts";

const seed = Number(process.env.SEED ?? 20260707);

/** Label runs one after the other, and where each begins. */
function randomRuns(count: number, random: Random): { labels: Uint8Array; offsets: Uint32Array } {
  const runs = Array.from({ length: count }, () => {
    const record: Record<string, string> = {};
    for (let i = random.int(12); i > 0; i--) record[`name_${random.int(20)}`] = "v".repeat(random.int(200)) + random.int(3000);
    return encodeLabelRun(labelsOf(record));
  });
  const offsets = new Uint32Array(count + 1);
  runs.forEach((run, i) => (offsets[i + 1] = offsets[i] + run.length));
  const labels = new Uint8Array(offsets[count]);
  runs.forEach((run, i) => labels.set(run, offsets[i]));
  return { labels, offsets };
}

function pairPointers(kernel: Kernel, interner: PairInterner): PairPointers {
  const offsets = interner.pairOffsets().slice();
  const bytes = interner.pairBytes().slice();
  const pointers = { count: interner.pairCount, offsets: kernel.allocate(offsets.length * 4), bytes: kernel.allocate(bytes.length + 1) };
  kernel.u32.set(offsets, pointers.offsets / 4);
  kernel.u8.set(bytes, pointers.bytes);
  return pointers;
}

test("label runs come back", () => {
  const random = seededRandom(seed);
  const kernel = new Kernel();
  const interner = new PairInterner(kernel);
  const { labels, offsets } = randomRuns(20_000, random);
  const counts: number[] = [];
  for (let from = 0; from < 20_000; from += 5000) counts.push(...interner.add(labels, offsets.subarray(from, from + 5001), 5000));
  const fields = new Set<string>();
  const pairOffsets = interner.pairOffsets();
  for (let i = 0; i < interner.pairCount; i++) fields.add(Buffer.from(interner.pairBytes().slice(pairOffsets[i], pairOffsets[i + 1])).toString("latin1"));
  assert.equal(fields.size, interner.pairCount);
  const ids = interner.ids().slice();
  const pairs = pairPointers(kernel, interner);
  for (const idBytes of [3, 4]) {
    const packed = packLabelRows(kernel, ids, Uint32Array.from(counts), idBytes);
    const pointer = kernel.allocate(packed.length);
    kernel.u8.set(packed, pointer);
    const rows = expandLabelRows(kernel, pointer, packed.length, 20_000, idBytes, pairs, ids.length, 2 ** 30)!;
    assert.equal(rows.idCount, ids.length);
    assert.deepEqual(kernel.u8.slice(rows.labels, rows.labels + rows.labelsSize), labels);
    assert.deepEqual(kernel.u32.slice(rows.offsets / 4, rows.offsets / 4 + 20_001), offsets);
  }
});

test("mutated rows are refused, or name pairs that exist", () => {
  const random = seededRandom(seed + 1);
  const kernel = new Kernel();
  const interner = new PairInterner(kernel);
  const { labels, offsets } = randomRuns(60, random);
  const counts = interner.add(labels, offsets, 60);
  const ids = interner.ids().slice();
  const pairs = pairPointers(kernel, interner);
  const packed = packLabelRows(kernel, ids, counts, 2);
  const mark = kernel.mark();
  let refused = 0;
  for (let round = 0; round < 2000; round++) {
    const bytes = packed.slice(0, random.int(10) === 0 ? random.int(packed.length) : packed.length);
    if (bytes.length > 0) for (let k = 0; k <= random.int(4); k++) bytes[random.int(bytes.length)] = random.int(256);
    // At the very end of the memory, so that reading too far traps.
    const pointer = kernel.sizeBytes - bytes.length;
    kernel.u8.set(bytes, pointer);
    const rows = expandLabelRows(kernel, pointer, bytes.length, 60, 2, pairs, 2000, 2 ** 20);
    if (rows === undefined) refused++;
    else assert.ok(kernel.u32.subarray(rows.ids / 4, rows.ids / 4 + rows.idCount).every((id) => id < pairs.count));
    kernel.reset(mark);
  }
  assert.ok(refused > 500);
});

test("what is no label run is refused", () => {
  const interner = new PairInterner(new Kernel());
  for (const bytes of [[0x12, 0], [0x0a, 5, 1], [0x0a], [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff]]) {
    assert.throws(() => interner.add(Uint8Array.from(bytes), Uint32Array.of(0, bytes.length), 1), { code: "malformed_labels" });
  }
  assert.deepEqual([...interner.add(new Uint8Array(0), Uint32Array.of(0, 0), 1)], [0]);
});
