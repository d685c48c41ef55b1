// Shows that a text is planned once, that texts which are wrong are told anew each time, and that old ones make room.
import assert from "node:assert/strict";
import test from "node:test";
import { PlanCache } from "./plan_cache.ts";

test("plans: one for each text, the least recently used go first", () => {
  const plans = new PlanCache();
  const first = plans.get("sum(a)");
  assert.equal(plans.get("sum(a)"), first);
  assert.equal(first.plan, first.plan);
  assert.throws(() => plans.get("sum(a"), { code: "parse_error" });
  assert.throws(() => plans.get("sum(a"), { code: "parse_error" });
  assert.throws(() => plans.get("rate()").plan, { code: "bad_arguments" });
  for (let i = 0; i < 50; i++) {
    plans.get(`a${" ".repeat(5000)}+ ${i}`);
    assert.equal(plans.get("sum(a)"), first);
  }
  const long = `1${" ".repeat(200_000)}`;
  assert.equal(plans.get(long).expr.kind, "number");
  assert.notEqual(plans.get("sum(a)"), first);
});
