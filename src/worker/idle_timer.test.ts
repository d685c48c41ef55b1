// Shows that the timer of an idle thread calls back once, and only after a whole stretch without work.
import assert from "node:assert/strict";
import test from "node:test";
import { giveHeapBack } from "./idle_memory.ts";
import { IdleTimer } from "./idle_timer.ts";

test("idle: it is told once, after a quiet time", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let count = 0;
  const idle = new IdleTimer(1000, () => count++);
  idle.start();
  context.mock.timers.tick(600);
  idle.stop();
  idle.start();
  context.mock.timers.tick(600);
  assert.equal(count, 0, "work in between");
  context.mock.timers.tick(1000);
  assert.equal(count, 1);
  context.mock.timers.tick(10_000);
  assert.equal(count, 1, "once");
  idle.stop();
  context.mock.timers.tick(10_000);
  assert.equal(count, 1, "busy");
  idle.start();
  context.mock.timers.tick(2000);
  assert.equal(count, 2);
});

test("idle: dropped memory is collected", () => {
  let dropped: WeakRef<Uint8Array> | undefined;
  const drop = (): void => {
    dropped = new WeakRef(new Uint8Array(1 << 20));
  };
  drop();
  return new Promise<void>((resolve) => {
    setImmediate(() => {
      giveHeapBack(true);
      assert.equal(dropped?.deref(), undefined);
      resolve();
    });
  });
});
