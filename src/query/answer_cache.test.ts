// AnswerCache: an answer comes again while nothing was written at the times it was made from, and not a moment longer; memory is bounded.
import assert from "node:assert/strict";
import test from "node:test";
import type { ChangeWatch } from "../model/change_watch.ts";
import { AnswerCache } from "./answer_cache.ts";

const offsetMs = 300_000;

/** A watch that is told of changes. */
class TestWatch implements ChangeWatch {
  #epoch = 0;
  readonly #changes: { epoch: number; timeMs: number }[] = [];

  begin(): number {
    return ++this.#epoch;
  }

  change(timeMs: number): void {
    this.#changes.push({ epoch: this.#epoch, timeMs });
  }

  firstChangeMs(epoch: number, minMs: number, maxMs: number): number {
    const times = this.#changes.filter((change) => change.epoch >= epoch && change.timeMs >= minMs && change.timeMs <= maxMs).map(({ timeMs }) => timeMs);
    return Math.min(Infinity, ...times);
  }
}

function openCache(bytesMax = 1 << 20): { cache: AnswerCache<string>; watch: TestWatch } {
  const watch = new TestWatch();
  return { cache: new AnswerCache({ watch, nowMs: () => 1_000_000, offsetMs, bytesMax }), watch };
}

function keep(cache: AnswerCache<string>, key: string, minMs: number, maxMs: number, bytes = 100): void {
  cache.put(cache.begin(key), `answer to ${key}`, bytes, { minMs, maxMs });
}

test("an answer about final samples comes again", () => {
  const { cache } = openCache();
  keep(cache, "a", 0, 700_000);
  assert.equal(cache.get("a"), "answer to a");
  assert.equal(cache.get("b"), undefined);
  assert.deepEqual(cache.counts, { requests: 2, hits: 1 });
});

test("an answer about younger samples is not kept", () => {
  const { cache } = openCache();
  keep(cache, "a", 0, 700_001);
  assert.equal(cache.get("a"), undefined);
  assert.equal(cache.mayKeep(700_000), true);
  assert.equal(cache.mayKeep(700_001), false);
});

test("a write at its times makes an answer stale, one elsewhere does not", () => {
  const { cache, watch } = openCache();
  keep(cache, "a", 1000, 2000);
  keep(cache, "b", 3000, 4000);
  watch.change(3500);
  assert.equal(cache.get("a"), "answer to a");
  assert.equal(cache.get("b"), undefined);
  keep(cache, "b", 3000, 4000);
  assert.equal(cache.get("b"), "answer to b");
});

test("a write while the query is evaluated makes its answer stale", () => {
  const { cache, watch } = openCache();
  const ticket = cache.begin("a");
  watch.change(1500);
  cache.put(ticket, "answer", 100, { minMs: 1000, maxMs: 2000 });
  assert.equal(cache.get("a"), undefined);
});

test("what was not asked for the longest goes first, and nothing takes a quarter of all", () => {
  const { cache } = openCache(4000);
  for (const key of ["a", "b", "c", "d", "e"]) keep(cache, key, 0, 1000, 200);
  assert.equal(cache.get("a"), "answer to a");
  keep(cache, "f", 0, 1000, 200);
  assert.equal(cache.get("b"), undefined);
  assert.equal(cache.get("a"), "answer to a");
  keep(cache, "large", 0, 1000, 1000);
  assert.equal(cache.get("large"), undefined);
  assert.ok(cache.figures.bytes <= 4000);
  cache.clear();
  assert.deepEqual(cache.figures, { entries: 0, bytes: 0, bytesMax: 4000 });
});
