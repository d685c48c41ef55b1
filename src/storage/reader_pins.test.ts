// Shows that what left the store is let go in order, and only after every reader that started before.
import assert from "node:assert/strict";
import test from "node:test";
import { ReaderPins } from "./reader_pins.ts";

test("nothing waits without readers", () => {
  const pins = new ReaderPins();
  const done: string[] = [];
  pins.whenUnread(() => done.push("a"));
  assert.deepEqual(done, ["a"]);
});

test("an earlier reader holds back, a later one does not", () => {
  const pins = new ReaderPins();
  const done: string[] = [];
  const first = pins.acquire();
  pins.whenUnread(() => done.push("a"));
  const second = pins.acquire();
  pins.whenUnread(() => done.push("b"));
  pins.release(first);
  assert.deepEqual(done, ["a"]);
  pins.release(second);
  pins.release(second);
  assert.deepEqual(done, ["a", "b"]);
});

test("order is kept when a later reader leaves first", () => {
  const pins = new ReaderPins();
  const done: string[] = [];
  const first = pins.acquire();
  pins.whenUnread(() => done.push("a"));
  const second = pins.acquire();
  pins.whenUnread(() => done.push("b"));
  pins.release(second);
  assert.deepEqual(done, []);
  pins.release(first);
  assert.deepEqual(done, ["a", "b"]);
});
