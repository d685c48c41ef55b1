// What has a known answer elsewhere: the hash that limit_ratio samples by, and the natural order of sort_by_label.
import assert from "node:assert/strict";
import test from "node:test";
import { labelOffset, xxh64 } from "./label_hash.ts";
import { compareNaturally } from "./natural_order.ts";
import { quantileOf } from "./quantile.ts";

test("xxh64 of known texts", () => {
  const hash = (text: string): string => xxh64(Buffer.from(text)).toString(16);
  assert.equal(hash(""), "ef46db3751d8e999");
  assert.equal(hash("a"), "d24ec4f1a98c6e5b");
  assert.equal(hash("Nobody inspects the spammish repetition"), "fbcea83c8a378bf1");
});

test("offsets of labels are shares, of long values too", () => {
  for (const size of [0, 1, 254, 255, 256, 70_000]) {
    const offset = labelOffset([{ name: "a", value: "x".repeat(size) }]);
    assert(offset >= 0 && offset <= 1);
  }
});

test("natural order", () => {
  const sorted = ["node-10", "node-9", "node-1a", "", "node", "2", "10", "1"].sort(compareNaturally);
  assert.deepEqual(sorted, ["", "1", "2", "10", "node", "node-1a", "node-9", "node-10"]);
});

test("quantiles of few and of many numbers are the same, NaN first", () => {
  const few = [5, NaN, 1, 4, 2, NaN, 3, -0];
  const many = Array.from({ length: 16 }, () => few).flat();
  for (const phi of [0, 0.2, 0.3, 0.5, 0.9, 1]) assert.equal(quantileOf(phi, many.toSorted()), quantileOf(phi, many));
  assert.deepEqual([quantileOf(0.1, few), quantileOf(1, few), quantileOf(-1, few), quantileOf(2, few)], [NaN, 5, -Infinity, Infinity]);
  assert.equal(quantileOf(0.5, [3, 1, 2, 9], 0, 3), 2);
  assert(Number.isNaN(quantileOf(0.5, [])));
});
