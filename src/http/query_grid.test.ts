/** A grid has a limited number of points. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LimitError } from "../base/errors.ts";
import { checkGrid, gridPoints } from "./query_grid.ts";

test("query grid: the limit names points, limit and flag", () => {
  assert.equal(gridPoints({ startMs: 0, endMs: 99, stepMs: 10 }), 10);
  checkGrid({ startMs: 0, endMs: 90, stepMs: 10 }, 10);
  assert.throws(() => checkGrid({ startMs: 0, endMs: 100, stepMs: 10 }, 10), (error) => error instanceof LimitError && /11 points per series, the limit is 10 \(-search.maxPoints/.test(error.message));
});
