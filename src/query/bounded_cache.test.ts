// BoundedCache: what is forgotten when there is no room.
import assert from "node:assert/strict";
import test from "node:test";
import { BoundedCache } from "./bounded_cache.ts";

test("the entries that were not used for longest go first", () => {
  const cache = new BoundedCache<number>(100);
  for (let i = 0; i < 6; i++) cache.set(String(i), i, 20);
  assert.equal(cache.get("0"), undefined);
  assert.equal(cache.get("1"), 1);
  cache.set("6", 6, 20);
  assert.equal(cache.get("2"), undefined);
  assert.equal(cache.get("1"), 1);
  assert.deepEqual(cache.figures, { entries: 5, bytes: 100, bytesMax: 100 });
});

test("many entries that nobody asks for again do not drive out those that are used", () => {
  const cache = new BoundedCache<number>(1000);
  for (let i = 0; i < 7; i++) cache.set(`used ${i}`, i, 100);
  for (let i = 0; i < 7; i++) cache.get(`used ${i}`);
  for (let i = 0; i < 1000; i++) cache.set(`once ${i}`, i, 10 + (i % 50));
  for (let i = 0; i < 7; i++) assert.equal(cache.get(`used ${i}`), i);
  assert.ok(cache.figures.bytes <= 1000);
});

test("a new use is not kept out by old ones", () => {
  const cache = new BoundedCache<number>(1000);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 10; i++) {
      cache.set(`${round} ${i}`, i, 100);
      assert.equal(cache.get(`${round} ${i}`), i);
    }
  }
  for (let i = 0; i < 10; i++) assert.equal(cache.get(`2 ${i}`), i);
});

test("one that is too large is not kept, nor is what it replaces", () => {
  const cache = new BoundedCache<number>(100);
  cache.set("a", 1, 10);
  cache.set("a", 2, 30);
  assert.equal(cache.get("a"), undefined);
  assert.deepEqual(cache.figures, { entries: 0, bytes: 0, bytesMax: 100 });
});
