// Shows who gets the storage thread's turns: seals first, forced merges in between, background merges within their share of the time while something is
// written; and that work that waits for the disk holds up nobody and learns of its errors.
import assert from "node:assert/strict";
import test from "node:test";
import { SimulatedClock } from "../base/clock.ts";
import type { Steps } from "../storage/steps.ts";
import { StepScheduler, type StepTask } from "./step_scheduler.ts";

class Bench {
  readonly clock = new SimulatedClock(1000);
  readonly turns: (() => void)[] = [];
  readonly trace: string[] = [];
  backlog = 0;
  readonly scheduler: StepScheduler<string>;

  constructor(backgroundShare = 0.25) {
    this.scheduler = new StepScheduler({ clock: this.clock, nextTurn: (turn) => this.turns.push(turn), backgroundShare, backlog: () => this.backlog });
  }

  /** Work of so many steps that take `stepMs` each. */
  add(kind: StepTask<string>["kind"], name: string, count: number, stepMs = 1): void {
    const { clock, trace } = this;
    function* steps(): Steps<string> {
      for (let i = 0; i < count; i++) {
        trace.push(name);
        clock.advance(stepMs);
        yield;
      }
      return name;
    }
    this.addSteps(kind, name, steps());
  }

  addSteps(kind: StepTask<string>["kind"], name: string, steps: Steps<string>): void {
    this.scheduler.add({ kind, steps, done: () => this.trace.push(`${name} done`), failed: (error) => this.trace.push(`${name} failed: ${String(error)}`) });
  }

  /** Turns of the event loop until nothing is left to do now. */
  run(): void {
    for (let turn = this.turns.shift(); turn !== undefined; turn = this.turns.shift()) turn();
  }
}

test("scheduler: a forced merge gets a step in four while there are seals, then all of them", () => {
  const bench = new Bench();
  bench.add("merge", "m", 4);
  bench.add("seal", "s", 6);
  bench.run();
  assert.deepEqual(bench.trace.join(" "), "m s s s m s s s m s done m m done");
});

test("scheduler: seals are done one after the other", () => {
  const bench = new Bench();
  bench.add("seal", "a", 2);
  bench.add("seal", "b", 1);
  bench.run();
  assert.equal(bench.trace.join(" "), "a a a done b b done");
});

/** Steps of a background merge in a second in which something is written all the time. */
function stepsInASecond(bench: Bench): number {
  bench.add("background", "m", 10_000, 5);
  const endMs = bench.clock.monotonicMs() + 1000;
  while (bench.clock.monotonicMs() < endMs) {
    bench.scheduler.noteWrite();
    bench.turns.shift()?.();
    if (bench.turns.length === 0) bench.clock.advance(1);
  }
  return bench.trace.length;
}

const shares: { name: string; share: number; backlog: number; min: number; max: number }[] = [
  { name: "a quarter", share: 0.25, backlog: 10, min: 40, max: 52 },
  { name: "a tenth", share: 0.1, backlog: 0, min: 17, max: 21 },
  { name: "twice the share, as there are twice the parts", share: 0.25, backlog: 32, min: 85, max: 102 },
  { name: "all of it, as there are very many parts", share: 0.25, backlog: 500, min: 190, max: 201 },
];
for (const { name, share, backlog, min, max } of shares) {
  test(`scheduler: background merges take their share while something is written: ${name}`, () => {
    const bench = new Bench(share);
    bench.backlog = backlog;
    const steps = stepsInASecond(bench);
    assert.ok(steps >= min && steps <= max, `${steps} steps of 5 ms in a second`);
  });
}

test("scheduler: background merges do not wait when nothing is written, or when somebody waits for them", () => {
  const idle = new Bench();
  idle.add("background", "m", 50, 5);
  idle.run();
  assert.equal(idle.trace.length, 51);
  const busy = new Bench();
  busy.scheduler.noteWrite();
  busy.add("background", "b", 20, 5);
  busy.add("merge", "m", 20, 5);
  busy.run();
  assert.equal(busy.trace.length, 42);
});

test("scheduler: work that waits for the disk leaves its turns to others, and gets the error of the disk", async () => {
  const bench = new Bench();
  const disk = Promise.withResolvers<void>();
  function* waits(): Steps<string> {
    try {
      yield disk.promise;
    } finally {
      bench.trace.push("cleaned up");
    }
    return "never";
  }
  bench.addSteps("seal", "s", waits());
  bench.add("merge", "m", 2);
  bench.run();
  assert.equal(bench.trace.join(" "), "m m m done");
  disk.reject(new Error("EIO"));
  await new Promise((resolve) => setImmediate(resolve));
  bench.run();
  assert.deepEqual(bench.trace.slice(3), ["cleaned up", "s failed: Error: EIO"]);
});

test("scheduler: closing ends all work where it is", () => {
  const bench = new Bench();
  bench.add("seal", "s", 5);
  bench.add("background", "m", 5);
  bench.turns.shift()?.();
  bench.scheduler.close(new Error("closed"), (error) => assert.fail(String(error)));
  bench.run();
  assert.deepEqual(bench.trace, ["m", "s failed: Error: closed", "m failed: Error: closed"]);
});
