/** Places are given in order; whoever waits too long or goes away gives up its place in the queue. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SimulatedClock } from "../base/clock.ts";
import { UnavailableError } from "../base/errors.ts";
import { ConcurrencyGate } from "./concurrency_gate.ts";

function createGate(clock = new SimulatedClock()): ConcurrencyGate {
  return new ConcurrencyGate({ clock, concurrentMax: 2, waitMsMax: 5000, concurrentFlag: "-c", waitFlag: "-w" });
}

const never = new AbortController().signal;

test("gate: the third waits for the first", async () => {
  const gate = createGate();
  const first = await gate.enter(never);
  await gate.enter(never);
  let entered = false;
  const third = gate.enter(never).then((place) => {
    entered = true;
    return place;
  });
  await Promise.resolve();
  assert.equal(entered, false);
  assert.equal(gate.waiting, 1);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  const place = await third;
  assert.equal(gate.current, 2);
  place[Symbol.dispose]();
  assert.equal(gate.current, 1);
});

test("gate: who waits too long is refused with the flags and Retry-After", async () => {
  const clock = new SimulatedClock();
  const gate = createGate(clock);
  await gate.enter(never);
  await gate.enter(never);
  const third = gate.enter(never);
  clock.advance(5000);
  await assert.rejects(third, (error) => error instanceof UnavailableError && error.code === "too_many_requests" && error.retryAfterS === 5 && /-c.*-w/.test(error.message));
  assert.equal(gate.waiting, 0);
});

test("gate: who goes away leaves the queue", async () => {
  const gate = createGate();
  const first = await gate.enter(never);
  await gate.enter(never);
  const controller = new AbortController();
  const third = gate.enter(controller.signal);
  controller.abort(new Error("gone"));
  await assert.rejects(third, /gone/);
  first[Symbol.dispose]();
  assert.equal(gate.current, 1);
  await assert.rejects(gate.enter(controller.signal), /gone/);
});
