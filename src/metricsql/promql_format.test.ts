/** PromQL is formatted as Prometheus does: rows are answers of Prometheus 3.5; a formatted query means the same and is left alone by formatting. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { testSeed } from "../../testkit/seed.ts";
import type { Expr } from "./ast.ts";
import { parseExpr } from "./parser.ts";
import { printExpr } from "./printer.ts";
import { checkPromql } from "./promql_check.ts";
import { formatPromql } from "./promql_format.ts";
import { randomPromql } from "./random_promql.ts";

const long = "a".repeat(60);
const rows = [
  { name: "grouping behind", query: 'SUM(rate(x{b="c",a!="d"}[300s] offset 61s @ 5)) BY (a,"b c")', text: 'sum by (a, "b c") (rate(x{a!="d",b="c"}[5m] @ 5.000 offset 1m1s))' },
  { name: "grouping by nothing", query: "sum by () (x) + sum without() (x)", text: "sum(x) + sum without () (x)" },
  { name: "parentheses stay", query: "# (\n( # (\n ((a)) + (b*c) )", text: "(((a)) + (b * c))" },
  { name: "signs", query: "-(1) ^ --2 + +m", text: "-(1) ^ 2 + +m" },
  { name: "numbers", query: "0x10 + 1_000 + 1e-9 + .5 + Inf + -inf + NaN + 123456789012345678901234567890", text: "16 + 1000 + 0.000000001 + 0.5 + +Inf + -Inf + NaN + 123456789012345680000000000000" },
  { name: "durations", query: "time() - 90m + m[1y2w:400] offset 1.5 + m[14d:] offset -9d", text: "time() - 1h30m + m[379d:6m40s] offset 1s500ms + m[2w:] offset -9d" },
  { name: "an offset of nothing", query: "m[1h:5m] offset 0s", text: "m[1h:5m]" },
  { name: "times", query: "m @ 1.2345 + m @ start()", text: "m @ 1.234 + m @ start()" },
  { name: "names between the braces", query: "{'my.metric', 'my.label'='x', a=`b\\c`} + {__name__='a'} + m{}", text: '{"my.label"="x",__name__="my.metric",a="b\\\\c"} + {__name__="a"} + m' },
  { name: "operators", query: "a == BOOL ignoring() b AND on(x,y) c * ignoring(z) group_left d", text: "a == bool b and on (x, y) c * ignoring (z) group_left () d" },
  { name: "formulas", query: "m[5m*(2+0x10):-(-1e3)] offset (step()+60s)", text: "m[5m * (2 + 16):16m40s] offset (step() + 1m)" },
  { name: "a call that is split", query: `sum by (a) (rate(${long}[5m]))/sum(${long})`, text: `  sum by (a) (rate(${long}[5m]))\n/\n  sum(${long})` },
  { name: "arguments and parentheses that are split", query: `topk(5,(${long} + on(b) (${long})))`, text: `topk(\n  5,\n  (\n      ${long}\n    + on (b)\n      (${long})\n  )\n)` },
  { name: "a subquery and a sign that are split", query: `-max_over_time((${long}+${long})[1h:5m])`, text: `-max_over_time(\n  (\n      ${long}\n    +\n      ${long}\n  )[1h:5m]\n)` },
];
for (const { name, query, text } of rows) test(`PromQL is formatted: ${name}`, () => assert.equal(formatPromql(query), text));

function isWellTyped(expr: Expr): boolean {
  try {
    checkPromql(expr);
    return true;
  } catch {
    return false;
  }
}

test("a formatted query is the same query, formatted", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let i = 0; i < 5000; i++) {
    const expr = randomPromql(random, 4);
    if (!isWellTyped(expr)) continue;
    const query = printExpr(expr, { dialect: "promql" });
    const text = formatPromql(query);
    assert.equal(formatPromql(text), text, `seed ${seed}: ${query}`);
    // Canonical text of literals is what was written, so trees are compared once both are plain.
    assert.equal(printExpr(parseExpr(formatPromql(text), { dialect: "promql" }), { dialect: "promql" }), printExpr(parseExpr(text, { dialect: "promql" }), { dialect: "promql" }));
  }
});
