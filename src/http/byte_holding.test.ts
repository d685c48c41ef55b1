/** Bytes of bodies are counted, bounded, and held in few pieces. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UnavailableError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { ByteBudget } from "./byte_budget.ts";
import { ChunkList } from "./chunk_list.ts";
import { testSeed } from "../../testkit/seed.ts";

test("byte budget: what does not fit is refused and changes nothing", () => {
  const budget = new ByteBudget(100);
  budget.take(60);
  assert.throws(() => budget.take(41), (error) => error instanceof UnavailableError && error.code === "overloaded" && error.retryAfterS === 1);
  budget.take(40);
  budget.give(100);
  assert.equal(budget.usedBytes, 0);
});

test("chunk list: keeps every byte, and small pieces in few buffers", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  const list = new ChunkList();
  const pieces: Buffer[] = [];
  for (let i = 0; i < 3000; i++) {
    const piece = Buffer.alloc(random.int(50) === 0 ? random.int(100_000) : random.int(20), i);
    pieces.push(piece);
    list.append(piece);
  }
  const expected = Buffer.concat(pieces);
  const target = new Uint8Array(expected.length + 10);
  list.copyTo(target, 5);
  assert.equal(list.sizeBytes, expected.length);
  assert.ok(Buffer.compare(target.subarray(5, -5), expected) === 0, `seed ${seed}`);
  const large = pieces.filter((piece) => piece.length > 8192).length;
  assert.ok(list.chunkCount <= large * 2 + 3, `${list.chunkCount} buffers for ${large} large pieces, seed ${seed}`);
});

test("chunk list: clear() returns the memory of pieces, but for what they share with others", () => {
  const list = new ChunkList();
  const whole = Buffer.from(new ArrayBuffer(20_000));
  const shared = Buffer.from(new ArrayBuffer(40_000), 0, 20_000);
  list.append(whole);
  list.append(shared);
  list.clear();
  assert.equal(list.sizeBytes, 0);
  assert.equal(whole.length, 0);
  assert.equal(shared.length, 20_000);
  list.clear();
  list.append(Buffer.from("again"));
  const target = Buffer.alloc(5);
  list.copyTo(target, 0);
  assert.equal(target.toString(), "again");
});
