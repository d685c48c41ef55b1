/** Properties of PromQL: printed trees read back; whatever text comes in, the answer is a tree or an InputError. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import type { Random } from "../base/random.ts";
import type { DurationExpr, Expr } from "./ast.ts";
import { durationLengthMs } from "./duration_formula.ts";
import { parseExpr } from "./parser.ts";
import { prettifyExpr } from "./prettifier.ts";
import { printExpr } from "./printer.ts";
import { checkPromql, promqlType } from "./promql_check.ts";
import { pick } from "./random_expr.ts";
import { randomPromql } from "./random_promql.ts";
import { visitExpr } from "./visit.ts";
import { testSeed } from "../../testkit/seed.ts";

const seed = testSeed();
const promql = { dialect: "promql" } as const;

function property(name: string, runs: number, check: (random: Random) => void): void {
  test(name, () => {
    for (let run = 0; run < runs; run++) {
      try {
        check(seededRandom(seed + run));
      } catch (error) {
        throw new Error(`fails with TIDEMARK_TEST_SEED=${seed + run}`, { cause: error });
      }
    }
  });
}

/** A tree without what printing does not keep: positions, and how a number was written. */
function essence(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(essence);
  if (typeof value !== "object" || value === null) return value === 0 ? 0 : value;
  const isNumber = "kind" in value && value.kind === "number";
  const fields = Object.entries(value).filter(([key]) => key !== "position" && key !== "start" && !(isNumber && key === "text"));
  return Object.fromEntries(fields.map(([key, field]) => [key, essence(field)]));
}

property("parse(print(tree)) = tree", 3000, (random) => {
  const expr = randomPromql(random, 1 + random.int(5));
  const text = printExpr(expr, promql);
  assert.deepEqual(essence(parseExpr(text, promql)), essence(expr), text);
});

property("a prettified tree reads back, and prettifying again changes nothing", 1000, (random) => {
  const expr = randomPromql(random, 1 + random.int(6));
  const text = prettifyExpr(expr, promql);
  assert.deepEqual(essence(parseExpr(text, promql)), essence(expr), text);
  const again = prettifyExpr(text, promql);
  assert.equal(prettifyExpr(again, promql), again);
});

/** The result of `run`; undefined if it refuses `text`, which may only be by an InputError with a place in the text. */
function attempt<T>(text: string, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof InputError)) throw new Error(JSON.stringify(text), { cause: error });
    assert.ok(error.offset !== undefined && error.offset >= 0 && error.offset <= text.length);
    return undefined;
  }
}

function durationsOf(expr: Expr): DurationExpr[] {
  const durations: (DurationExpr | undefined)[] = [];
  visitExpr(expr, (node) => {
    if (node.kind === "rollup") durations.push(node.window, node.step, node.offset);
  });
  return durations.filter((duration) => duration !== undefined);
}

/** Does with `text`, which may be anything, all that can be done with a query. */
function survive(text: string): void {
  const expr = attempt(text, () => parseExpr(text, promql));
  if (expr === undefined) return;
  assert.deepEqual(essence(parseExpr(printExpr(expr, promql), promql)), essence(expr), text);
  assert.deepEqual(essence(parseExpr(prettifyExpr(text, promql), promql)), essence(expr), text);
  promqlType(expr);
  attempt(text, () => checkPromql(expr));
  for (const duration of durationsOf(expr)) {
    const lengthMs = attempt(text, () => durationLengthMs(duration, { stepMs: 15_000, rangeMs: 3_600_000 }, true));
    assert.ok(lengthMs === undefined || Number.isInteger(lengthMs), text);
  }
}

property("random characters give a tree or an InputError", 3000, (random) => {
  const limit = pick(random, [128, 256, 0x3000, 0x10000]);
  survive(String.fromCharCode(...Array.from({ length: random.int(40) }, () => random.int(limit))));
});

const fragments = [
  "a", "m", "sum", "rate", "topk", "with", "by", "without", "on", "ignoring", "group_left", "bool", "offset", "anchored", "smoothed", "fill(1)",
  "fill_left(1)", "default", "or", "and", "unless", "atan2", "inf", "nan", "(", ")", "(", ")", "[", "]", "{", "}", ",", "=", "==", "!=", "=~",
  "<", ">=", "</", ">/", "+", "-", "*", "/", "%", "^", "@", ":", "5m", "1i", "-5m", "[5m]", "[5m:]", "[step()+1m]", "1", "0x1f", "1.5e3", "1Ki",
  '"s"', "'s'", "`s`", '"\\xff"', '{a="b"}', "$__interval", "#c\n", "\\", " ", " ", "\n", "start()", "range()", "min_of(1,", "é", "info(",
];

property("random tokens give a tree or an InputError", 5000, (random) => {
  survive(Array.from({ length: 1 + random.int(14) }, () => pick(random, fragments)).join(pick(random, ["", " "])));
});

property("mutated queries give a tree or an InputError", 3000, (random) => {
  let text = printExpr(randomPromql(random, 1 + random.int(4)), promql);
  for (let i = random.int(4); i >= 0; i--) {
    const from = random.int(text.length + 1);
    const to = Math.min(text.length, from + random.int(4));
    text = text.slice(0, from) + pick(random, ["", pick(random, fragments), text.slice(from, to).repeat(2)]) + text.slice(to);
  }
  survive(text);
});
