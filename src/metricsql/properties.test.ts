/** Properties: printed trees read back; whatever text comes in, the answer is a tree or an InputError. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { InputError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import type { Random } from "../base/random.ts";
import { checkArguments } from "./argument_check.ts";
import type { Expr } from "./ast.ts";
import { durationMs, parseDuration, printDuration } from "./duration.ts";
import { optimizeExpr } from "./filter_pushdown.ts";
import { hasImplicitConversion } from "./implicit_conversion.ts";
import { parseNumber, printNumber } from "./number.ts";
import { parseExpr } from "./parser.ts";
import { prettifyExpr } from "./prettifier.ts";
import { printExpr } from "./printer.ts";
import { pick, randomExpr } from "./random_expr.ts";
import { quote, unquote } from "./string_literal.ts";
import { mapExpr } from "./visit.ts";
import { testSeed } from "../../testkit/seed.ts";

const seed = testSeed();

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
function essence(expr: Expr): Expr {
  return mapExpr(expr, (node) => {
    if (node.kind === "number") return { ...node, position: 0, text: "", value: node.value === 0 ? 0 : node.value };
    if (node.kind !== "rollup") return { ...node, position: 0 };
    const [window, step, offset] = [node.window, node.step, node.offset].map((duration) => duration && { ...duration, position: 0 });
    return { ...node, position: 0, window, step, offset };
  });
}

property("parse(print(tree)) = tree", 4000, (random) => {
  const expr = randomExpr(random, 1 + random.int(5));
  const text = printExpr(expr);
  assert.deepEqual(essence(parseExpr(text)), essence(expr), text);
});

property("a prettified tree reads back, and prettifying again changes nothing", 1500, (random) => {
  const expr = randomExpr(random, 1 + random.int(6));
  const text = prettifyExpr(expr);
  assert.deepEqual(essence(parseExpr(text)), essence(expr), text);
  const again = prettifyExpr(text);
  assert.equal(prettifyExpr(again), again);
});

property("the optimizer makes trees that read back", 1500, (random) => {
  const expr = optimizeExpr(randomExpr(random, 1 + random.int(5)));
  assert.deepEqual(essence(parseExpr(printExpr(expr))), essence(expr));
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

/** Does with `text`, which may be anything, all that can be done with a query. */
function survive(text: string): void {
  const pretty = attempt(text, () => prettifyExpr(text));
  const expr = attempt(text, () => parseExpr(text));
  if (expr === undefined || pretty === undefined) return assert.equal(expr, undefined);
  assert.deepEqual(essence(parseExpr(printExpr(expr))), essence(expr), text);
  assert.deepEqual(essence(parseExpr(pretty)), essence(expr), text);
  const optimized = optimizeExpr(expr);
  assert.deepEqual(essence(parseExpr(printExpr(optimized))), essence(optimized), text);
  hasImplicitConversion(expr);
  attempt(text, () => checkArguments(expr));
}

property("random characters give a tree or an InputError", 5000, (random) => {
  const limit = pick(random, [128, 256, 0x3000, 0x10000]);
  survive(String.fromCharCode(...Array.from({ length: random.int(40) }, () => random.int(limit))));
});

const fragments = [
  "a", "m", "x", "sum", "rate", "topk", "with", "WITH (", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset",
  "keep_metric_names", "limit", "prefix", "fill", "fill_left(1)", "default", "if", "or", "and", "unless", "atan2", "inf", "nan", "(", ")", "(",
  ")", "[", "]", "{", "}", ",", "=", "==", "!=", "=~", "!~", "<", ">=", "+", "-", "*", "/", "%", "^", "@", ":", "5m", "1i", "-5m", "[5m]",
  "[5m:]", "1", "0x1f", "1.5e3", "1Ki", '"s"', "'s'", "`s`", '{a="b"}', "$__interval", "#c\n", "\\", "\\x41", " ", " ", "\n", "start()", "é",
];

property("random tokens give a tree or an InputError", 8000, (random) => {
  survive(Array.from({ length: 1 + random.int(14) }, () => pick(random, fragments)).join(pick(random, ["", " "])));
});

const conformance = JSON.parse(readFileSync(new URL("../../conformance/metricsql-parse.json", import.meta.url), "utf8")) as {
  cases: readonly { readonly input: string }[];
};

function mutate(random: Random, text: string): string {
  const from = random.int(text.length + 1);
  const to = Math.min(text.length, from + random.int(4));
  const other = pick(random, conformance.cases).input;
  const start = random.int(other.length + 1);
  const inserted = pick(random, ["", pick(random, fragments), other.slice(start, start + random.int(12)), text.slice(from, to).repeat(2)]);
  return text.slice(0, from) + inserted + text.slice(to);
}

property("mutated queries give a tree or an InputError", 8000, (random) => {
  let text = pick(random, conformance.cases).input;
  for (let i = random.int(4); i >= 0; i--) text = mutate(random, text);
  survive(text);
});

property("strings, numbers and durations read back", 4000, (random) => {
  const text = String.fromCharCode(...Array.from({ length: random.int(8) }, () => random.int(0x10000)));
  assert.equal(unquote(quote(text)), text);
  const value = new Float64Array(new Uint32Array([random.int(2 ** 32), random.int(2 ** 31)]).buffer)[0];
  if (Number.isFinite(value)) assert.equal(parseNumber(printNumber(value)), value);
  const length = { fixedMs: random.int(1e12) - 5e11, steps: pick(random, [0, 1, -2, 0.5]) };
  const parsed = parseDuration(printDuration(length));
  assert.ok(parsed !== undefined && durationMs(parsed, 15_000) === durationMs(length, 15_000), printDuration(length));
});
