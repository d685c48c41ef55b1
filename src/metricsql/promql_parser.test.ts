/** PromQL: canonical text, trees, what is refused and why, types, lengths of durations, limits. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { InputError } from "../base/errors.ts";
import { durationLengthMs } from "./duration_formula.ts";
import { functions } from "./functions.ts";
import { parseExpr } from "./parser.ts";
import { prettifyExpr } from "./prettifier.ts";
import { printExpr } from "./printer.ts";
import { checkPromql, promqlType } from "./promql_check.ts";
import { promqlAggregates, promqlFunctions } from "./promql_functions.ts";
import { startOf } from "./visit.ts";

const promql = { dialect: "promql" } as const;

const canonical = [
  { name: "aggregate with grouping behind", query: "SUM(x) BY (a, \"b c\",)", text: 'sum by (a, "b c") (x)' },
  { name: "aggregate with parameter", query: "topk without() (3, x)", text: "topk without () (3, x)" },
  { name: "sign binds like *", query: "-a * b ^ c", text: "(-a) * (b ^ c)" },
  { name: "sign before a power", query: "-a ^ b", text: "-(a ^ b)" },
  { name: "sign inside a power", query: "a ^ -b * c", text: "(a ^ (-b)) * c" },
  { name: "sign of a number", query: "--1 - -0x10", text: "1 - -0x10" },
  { name: "sign of a number before a power", query: "-1 ^ 2", text: "-(1 ^ 2)" },
  { name: "plus", query: "+a + +1", text: "(+a) + 1" },
  { name: "nothing is folded", query: "1 + 2 * 3", text: "1 + (2 * 3)" },
  { name: "power is right associative", query: "a ^ b ^ c", text: "a ^ (b ^ c)" },
  { name: "modifiers of operators", query: "a == BOOL on(b) GROUP_LEFT(c) fill(Inf) d", text: "a == bool on (b) group_left (c) fill (+Inf) d" },
  { name: "empty group_left", query: "a * ignoring() group_right b", text: "a * ignoring () group_right () b" },
  { name: "fill of both sides", query: "a + fill_right(2) fill_left(-1m) b", text: "a + fill_left (-60) fill_right (2) b" },
  { name: "a metric called fill", query: "fill + fill(0) fill_left", text: "fill + fill (0) (fill_left)" },
  { name: "trimming", query: "h </ 5 >/ -Inf", text: "(h </ 5) >/ -Inf" },
  { name: "metrics called like keywords", query: "by + offset offset 5m + sum{a='b'} + start", text: '((by + (offset offset 5m)) + sum{a="b"}) + start' },
  { name: "quoted names", query: "{'my.metric', 'my.label'='x', __name__=~'m.*'}", text: '{__name__="my.metric","my.label"="x",__name__=~"m.*"}' },
  { name: "a name that needs quotes", query: "{'bool', a=`b\\c`}", text: '{"bool", a="b\\\\c"}' },
  { name: "bytes that are no UTF-8", query: "x{a='\\xff\\u00e9\\377\\xc3\\xa9'}", text: 'x{a="\\xffé\\xffé"}' },
  { name: "several metric names", query: "{__name__='a', __name__='b'}", text: '{__name__="a",__name__="b"}' },
  { name: "range with modifiers in any order", query: "m[5m] offset 1h @ 5 anchored", text: "m[5m] anchored @ 5 offset 1h" },
  { name: "smoothed selector", query: "m @ end() smoothed offset -1m", text: "m smoothed @ end() offset -1m" },
  { name: "subquery without step", query: "m[5m:] offset 1w", text: "m[5m:] offset 1w" },
  { name: "subquery of an offset", query: "m offset 5m[1h:1m]", text: "(m offset 5m)[1h:1m]" },
  { name: "subquery of an aggregate", query: "sum by (a) (m)[1h:]", text: "(sum by (a) (m))[1h:]" },
  { name: "subquery of a sign", query: "(-m)[1h:]", text: "(-m)[1h:]" },
  { name: "number as window", query: "m[300] offset 5.5", text: "m[300] offset 5.5" },
  { name: "arithmetic in a window", query: "m[5m*2+step()]", text: "m[(5m * 2) + step()]" },
  { name: "functions in a window", query: "m[MAX_OF(step(), min_of(1m, range()/2)):-(-5m)]", text: "m[max_of(step(), min_of(1m, range() / 2)):5m]" },
  { name: "sign in a window", query: "m[-2^2 + 1h]", text: "m[(-(2 ^ 2)) + 1h]" },
  { name: "operators after an offset are those of the expression", query: "m offset -step()*2", text: "(m offset -step()) * 2" },
  { name: "formula as offset", query: "m offset (5m+step())", text: "m offset (5m + step())" },
  { name: "negative formula as offset", query: "m offset -(5m+step())+1", text: "(m offset -(5m + step())) + 1" },
  { name: "a formula that begins with parentheses goes on", query: "m offset (5m)*2", text: "m offset (5m * 2)" },
  { name: "but not into an expression", query: "m offset (5m) * n", text: "(m offset 5m) * n" },
  { name: "durations are numbers", query: "time() - 5m", text: "time() - 5m" },
  { name: "octal and decimal with zeros", query: "0755 + 089 + 1_000.5", text: "(0755 + 089) + 1_000.5" },
  { name: "info", query: "info(m, {__name__='target_info', a=~'b|c'})", text: 'info(m, {__name__="target_info",a=~"b|c"})' },
  { name: "grid functions", query: "STEP() + range() + start() - end() + min_of(1, 2)", text: "(((step() + range()) + start()) - end()) + min_of(1, 2)" },
];
for (const { name, query, text } of canonical) {
  test(`PromQL prints: ${name}`, () => {
    const expr = parseExpr(query, promql);
    checkPromql(expr);
    assert.equal(printExpr(expr, promql), text);
    assert.equal(printExpr(parseExpr(text, promql), promql), text);
  });
}

const metricsqlOnly = [
  "with (x = 1) x", "a default b", "a if b", "a ifnot b", "rate(m[5m]) keep_metric_names", "sum(a) by (b) limit 3", 'm{a="b" or c="d"}', "5Ki", "1.5h", "m[1i]",
  "m[$__interval]", "$__interval", "(a, b)", "()", "a * on (b) group_left(*) c", 'a * on (b) group_left(c) prefix "p_" d', "m @ (end() - 5)", "m[:5m]", "m[]",
  "label_set(m, 'a', 'b')", "rollup(m[5m])", "0b11", "5M",
];
for (const query of metricsqlOnly) {
  test(`PromQL refuses what only MetricsQL has: ${query}`, () => {
    assert.throws(() => parseExpr(query, promql), (error) => error instanceof InputError && error.code === "parse_error" && error.message.includes("MetricsQL"));
  });
}

const refused = [
  { query: "", message: "expected an expression, found the end of the query" },
  { query: "rate(m)", message: 'expected type range vector in call to function "rate", got instant vector; PromQL needs a window' },
  { query: "Rate(m[5m])", message: 'names of functions are lower case in PromQL, did you mean "rate"?' },
  { query: "rated(m[5m])", message: 'unknown function "rated"; did you mean "rate"?' },
  { query: "abs(m[5m])", message: 'expected type instant vector in call to function "abs", got range vector' },
  { query: "abs()", message: 'expected 1 argument(s) in call to "abs", got 0' },
  { query: "round(m, 1, 2)", message: 'expected at most 2 argument(s) in call to "round", got 3' },
  { query: 'label_join(m, "a")', message: 'expected at least 3 argument(s) in call to "label_join", got 2' },
  { query: 'label_join(m, "a", "b", 5)', message: 'expected type string in call to function "label_join", got scalar' },
  { query: "histogram_quantiles(m, 'a', 1,2,3,4,5,6,7,8,9,10,11)", message: "expected at most 12" },
  { query: "sum(a, b)", message: "wrong number of arguments for aggregate expression provided, expected 1, got 2" },
  { query: "sum()", message: "no arguments for aggregate expression provided" },
  { query: "topk('a', m)", message: "expected type scalar in aggregation parameter, got string" },
  { query: "count_values(5, m)", message: "expected type string in aggregation parameter, got scalar" },
  { query: "sum(1)", message: "expected type instant vector in aggregation expression, got scalar" },
  { query: "sum(m,)", message: "trailing commas not allowed in function call args" },
  { query: "-'a'", message: 'unary expression only allowed on expressions of type scalar or instant vector, got "string"' },
  { query: "+m[5m]", message: "unary expression only allowed" },
  { query: "'a' + 'b'", message: "binary expression must contain only scalar and instant vector types" },
  { query: "m[5m] > 1", message: "binary expression must contain only scalar and instant vector types" },
  { query: "1 == 1", message: "comparisons between scalars must use BOOL modifier" },
  { query: "a + bool b", message: "bool modifier can only be used on comparison operators" },
  { query: "1 and a", message: 'set operator "and" not allowed in binary scalar expression' },
  { query: "1 + on (x) a", message: "vector matching only allowed between instant vectors" },
  { query: "1 + fill(1) a", message: "filling in missing series only allowed between instant vectors" },
  { query: "a or fill(1) b", message: "filling in missing series not allowed for set operators" },
  { query: "a + fill(1) fill_left(2) b", message: '"fill_left" sets a value that is set already' },
  { query: "a and on (x) group_left b", message: 'no grouping allowed for "and" operation' },
  { query: "a * on (x) group_left (x) b", message: 'label "x" must not occur in ON and GROUP clause at once' },
  { query: "a * group_left b", message: 'expected an expression, found "group_left"' },
  { query: "1 </ 2", message: '"</" needs a vector with histograms' },
  { query: "a </ bool b", message: "bool modifier can only be used on comparison operators" },
  { query: "a b", message: 'expected an operator, found "b"' },
  { query: "a.b", message: "in PromQL a name with other characters than letters" },
  { query: "{}", message: "vector selector must contain at least one non-empty matcher" },
  { query: 'sum({a!="b",c=~".*"})', message: "vector selector must contain at least one non-empty matcher" },
  { query: 'm{__name__="n"}', message: 'metric name must not be set twice: "m" or "n"' },
  { query: 'm{a=~"("}', message: "invalid regular expression" },
  { query: "m{,}", message: 'expected a label name or "}", found ","' },
  { query: "m{a='b\n'}", message: "expected closing '" },
  { query: "'a\\qb'", message: "unknown escape \\q" },
  { query: "sum by ('') (m)", message: "invalid label name for grouping" },
  { query: "sum by ('\\xff') (m)", message: "invalid label name for grouping" },
  { query: "(m)[5m]", message: "ranges only allowed for vector selectors" },
  { query: "m offset 5m[5m]", message: "no offset modifiers allowed before range" },
  { query: "m @ 5 [5m]", message: "no @ modifiers allowed before range" },
  { query: "(m) offset 5m", message: "offset modifier must be preceded by" },
  { query: "rate(m[5m]) offset 5m", message: "offset modifier must be preceded by" },
  { query: "sum(m) @ 5", message: "@ modifier must be preceded by" },
  { query: "m offset 5m offset 5m", message: "offset may not be set multiple times" },
  { query: "m @ 5 @ 6", message: "@ <timestamp> may not be set multiple times" },
  { query: "m @ Inf", message: "timestamp out of bounds for @ modifier" },
  { query: "m[5m:] anchored", message: "anchored modifier is not supported for subqueries" },
  { query: "m anchored smoothed", message: "anchored and smoothed modifiers cannot be used together" },
  { query: "deriv(m[5m] anchored)", message: "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with deriv" },
  { query: "changes(m[5m] smoothed)", message: "smoothed modifier can only be used with: delta, increase, rate - not with changes" },
  { query: "m[5m][1h:]", message: "subquery is only allowed on instant vector, got range vector instead" },
  { query: "1[5m:]", message: "subquery is only allowed on instant vector, got scalar instead" },
  { query: "m[0s]", message: "must be greater than 0" },
  { query: "m[-5m]", message: "must be greater than 0" },
  { query: "m[5m:0]", message: "must be greater than 0" },
  { query: "m[5m/0]", message: "division by zero" },
  { query: "m[5m%0s]", message: "modulo by zero" },
  { query: "m[1s1h]", message: 'malformed duration "1s1h"' },
  { query: "m[300y]", message: "the duration 300y is out of range" },
  { query: "m[sum(a)]", message: "expected a duration, step(), range(), min_of() or max_of()" },
  { query: "m[n]", message: 'expected a duration, found "n"' },
  { query: "info(m, n)", message: "expected label selectors only" },
  { query: "info(m, abs(n))", message: "expected label selectors only" },
  { query: "1e999", message: 'malformed number "1e999", or out of range' },
  { query: "5..5", message: 'malformed number or duration "5..5"' },
];
for (const { query, message } of refused) {
  test(`PromQL refuses ${query}`, () => {
    assert.throws(() => checkPromql(parseExpr(query, promql)), (error) => {
      assert.ok(error instanceof InputError && error.offset !== undefined && error.offset <= query.length);
      assert.ok(error.message.includes(message), error.message);
      return true;
    });
  });
}

test("types of PromQL", () => {
  const types = [
    { query: "1", type: "scalar" }, { query: "5m", type: "scalar" }, { query: "'a'", type: "string" }, { query: "m", type: "vector" },
    { query: "m offset 5m", type: "vector" }, { query: "m smoothed", type: "vector" }, { query: "m[5m]", type: "matrix" }, { query: "m[5m:]", type: "matrix" },
    { query: "time()", type: "scalar" }, { query: "scalar(m)", type: "scalar" }, { query: "vector(1)", type: "vector" }, { query: "-time()", type: "scalar" },
    { query: "1 + time()", type: "scalar" }, { query: "1 + m", type: "vector" }, { query: "sum(m)", type: "vector" }, { query: "info(m, {})", type: "vector" },
  ];
  for (const { query, type } of types) {
    const expr = parseExpr(query, promql);
    checkPromql(expr);
    assert.equal(promqlType(expr), type, query);
  }
});

test("the tables have all functions and aggregates, and the same names as MetricsQL but for those that only PromQL has", () => {
  assert.equal(promqlFunctions.size, 90);
  assert.equal(promqlAggregates.size, 14);
  const own = [...promqlFunctions.keys(), ...promqlAggregates.keys()].filter((name) => !functions.has(name));
  assert.deepEqual(own, [
    "double_exponential_smoothing", "histogram_count", "histogram_sum", "info", "max_of", "min_of", "range", "start_timestamp", "ts_of_first_over_time",
    "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time", "limit_ratio",
  ]);
});

test("a tree of PromQL has positions, signs and numbers as written", () => {
  assert.deepEqual(parseExpr("-m[5m:] + 1m", promql), {
    kind: "binary", op: "+", position: 8, bool: false, matching: undefined, join: undefined, fillLeft: undefined, fillRight: undefined, keepMetricNames: false,
    left: {
      kind: "unary", op: "-", position: 0,
      operand: {
        kind: "rollup", position: 1, step: undefined, inheritsStep: true, offset: undefined, at: undefined,
        inner: { kind: "selector", position: 1, groups: [[{ name: "__name__", op: "=", value: "m" }]] },
        window: { kind: "duration", fixedMs: 300_000, steps: 0, text: "5m", position: 3 },
      },
    },
    right: { kind: "number", value: 60, text: "1m", position: 10 },
  });
});

test("expressions begin with their parentheses or first operand", () => {
  const starts = [
    { query: "a + b", start: 0 }, { query: " (a) + b", start: 1 }, { query: "((a + b) * c)", start: 0 }, { query: "(a + b) * c", start: 0 }, { query: "-a", start: 0 },
    { query: " sum(a)", start: 1 }, { query: "((m))", start: 0 }, { query: "(a)[5m:]", start: 0 },
  ];
  for (const { query, start } of starts) assert.equal(startOf(parseExpr(query, promql)), start, query);
});

const lengths = [
  { text: "5m", ms: 300_000 }, { text: "0.0015", ms: 1 }, { text: "1y", ms: 31_536_000_000 }, { text: "5m*2", ms: 600_000 }, { text: "step()+1", ms: 16_000 },
  { text: "range()", ms: 3_600_000 }, { text: "1h30m % 1h", ms: 1_800_000 }, { text: "2^3^2", ms: 512_000 }, { text: "min_of(step(), 1h) - max_of(1, 2)", ms: 13_000 },
  { text: "1/3", ms: 333 }, { text: "-step()", ms: -15_000 }, { text: "0.0005*4000", ms: 2000 },
];
for (const { text, ms } of lengths) {
  test(`length of ${text}`, () => {
    const expr = parseExpr(`m offset (${text})`, promql);
    assert.ok(expr.kind === "rollup" && expr.offset !== undefined);
    assert.equal(durationLengthMs(expr.offset, { stepMs: 15_000, rangeMs: 3_600_000 }, true), ms);
  });
}

test("lengths that cannot be are refused when the grid is known", () => {
  const grid = { stepMs: 15_000, rangeMs: 0 };
  for (const text of ["1/range()", "1%range()", "2^step()^9", "0/1 - step()", "range()"]) {
    const expr = parseExpr(`m[${text}]`, promql);
    const { window } = expr.kind === "rollup" ? expr : { window: undefined };
    assert.ok(window !== undefined);
    assert.throws(() => durationLengthMs(window, grid, false), InputError, text);
  }
});

test("a long query of PromQL is split into lines", () => {
  const query = `sum by (job) (rate(http_requests_total{job=~"api-server|web-server",instance!="a"}[5m:step()]))
    / on(job) group_left -info(m, {a="${"a".repeat(50)}",b="${"b".repeat(20)}"})`;
  assert.equal(prettifyExpr(query, promql), `sum by (job) (
  rate(
    http_requests_total{job=~"api-server|web-server",instance!="a"}[5m:step()]
  )
)
  / on (job) group_left ()
(
  -info(
    m,
    {a="${"a".repeat(50)}",b="${"b".repeat(20)}"}
  )
)`);
});

interface ConformanceCase {
  readonly id: string;
  readonly query: string;
  readonly fail?: unknown;
}

test("every query of the conformance cases parses, prints and reads back; only those that fail may be refused", () => {
  const { cases } = JSON.parse(readFileSync(new URL("../../conformance/promql-cases.json", import.meta.url), "utf8")) as { cases: readonly ConformanceCase[] };
  assert.ok(cases.length > 1000);
  for (const { id, query, fail } of cases) {
    const expr = parseExpr(query, promql);
    const text = printExpr(expr, promql);
    assert.equal(printExpr(parseExpr(text, promql), promql), text, id);
    assert.equal(printExpr(parseExpr(prettifyExpr(query, promql), promql), promql), text, id);
    if (fail === undefined) checkPromql(expr);
  }
});

function chain(count: number, item: (i: number) => string, separator: string): string {
  return Array.from({ length: count }, (_, i) => item(i)).join(separator);
}

const nested = (open: string, count: number, close: string): string => open.repeat(count) + "a" + close.repeat(count);

function cpuSeconds(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

const hostile = [
  { name: "parentheses", query: nested("(", 100_000, ")"), message: /nested deeper than 802 levels/ },
  { name: "calls", query: nested("abs(", 100_000, ")"), message: /nested deeper than 802 levels/ },
  { name: "signs", query: nested("-", 100_000, ""), message: /more than 400 levels deep/ },
  { name: "operators", query: chain(100_000, () => "a", " or "), message: /more than 400 levels deep/ },
  { name: "powers", query: chain(100_000, () => "a", "^"), message: /more than 400 levels deep/ },
  { name: "subqueries", query: "a" + "[1m:]".repeat(100_000), message: /more than 400 levels deep/ },
  { name: "operators in a duration", query: `a[${chain(100_000, () => "1", "+")}]`, message: /more than 400 levels deep/ },
  { name: "powers in a duration", query: `a[${chain(100_000, () => "1", "^")}]`, message: /more than 400 levels deep/ },
  { name: "parentheses in a duration", query: `a[${"(".repeat(100_000)}1]`, message: /nested deeper than 802 levels/ },
  { name: "calls in an offset", query: `a offset ${"min_of(".repeat(100_000)}`, message: /nested deeper than 802 levels/ },
  { name: "an endless string", query: `a{b="${"\\n".repeat(300_000)}`, message: /expected closing "/ },
  { name: "an endless number", query: "1_".repeat(300_000), message: /malformed number/ },
  { name: "an endless duration", query: `a[${"1h".repeat(200_000)}]`, message: /malformed duration/ },
];
for (const { name, query, message } of hostile) {
  test(`PromQL limit: ${name}`, () => {
    const seconds = cpuSeconds(() => assert.throws(() => parseExpr(query, promql), (error) => error instanceof InputError && message.test(error.message)));
    assert.ok(seconds < 2, `${seconds} CPU seconds`);
  });
}

const large = [
  { name: "deepest nesting", query: nested("abs(", 399, ")") },
  { name: "longest chain", query: chain(399, (i) => `a{b="${i}"}`, " or ") },
  { name: "deepest parentheses", query: nested("(", 798, ")") },
  { name: "longest formula", query: `a[${chain(390, () => "1m", " + ")}:]` },
  { name: "wide call", query: `label_join(a, ${chain(20_000, (i) => `"a${i}"`, ",")})` },
  { name: "many filters", query: `a{${chain(20_000, (i) => `b${i}=~"c.*"`, ",")}}` },
  { name: "many labels", query: `sum by (${chain(20_000, (i) => `b${i}`, ",")}) (a)` },
  { name: "long name", query: "a".repeat(1_000_000) },
  { name: "long string", query: `label_join(a, "${"\\n".repeat(200_000)}", "", "")` },
  { name: "many bytes", query: `label_join(a, "${"\\xff".repeat(100_000)}", "", "")` },
  { name: "comments", query: "#\n".repeat(300_000) + "a" },
  { name: "signs of a number", query: "-".repeat(20_000) + "1" },
];
for (const { name, query } of large) {
  test(`large queries of PromQL are linear: ${name}`, () => {
    const seconds = cpuSeconds(() => {
      const expr = parseExpr(query, promql);
      checkPromql(expr);
      assert.equal(printExpr(parseExpr(printExpr(expr, promql), promql), promql), printExpr(expr, promql));
      prettifyExpr(query, promql);
    });
    assert.ok(seconds < 2, `${seconds} CPU seconds`);
  });
}
