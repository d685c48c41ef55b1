/** What the conformance cases do not show: trees, positions, messages, limits, and syntax they have no case for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../base/errors.ts";
import type { LabelFilter } from "./ast.ts";
import { withSeparateNames } from "./filter_group.ts";
import { hasImplicitConversion } from "./implicit_conversion.ts";
import { optimizeExpr } from "./filter_pushdown.ts";
import { parseExpr, parseSelector } from "./parser.ts";
import { prettifyExpr } from "./prettifier.ts";
import { printExpr } from "./printer.ts";
import { visitExpr } from "./visit.ts";

const canonical = [
  { name: "fill on both sides", query: "a + fill(0) b", text: "a + fill(0) b" },
  { name: "fill after a join", query: "a / on(x) group_left() FILL_RIGHT(-1.5) b", text: "a / on(x) group_left() fill_right(-1.5) b" },
  { name: "both fills are one if equal", query: "a + fill_left(Inf) fill_right(inf) b", text: "a + fill(+Inf) b" },
  { name: "different fills", query: "a + fill_right(2) fill_left(1) b", text: "a + fill_left(1) fill_right(2) b" },
  { name: "a metric may be called fill", query: "a + fill", text: "a + (fill)" },
  { name: "limit", query: "sum(x) by (y) LIMIT 5", text: "sum(x) by(y) limit 5" },
  { name: "quoted label in a list", query: 'sum by ("a b", c) (x)', text: "sum(x) by(a\\ b,c)" },
  { name: "rate interval means a fitting window", query: "rate(m[$__rate_interval])", text: "rate(m)" },
  { name: "interval as a subquery step", query: "max_over_time(rate(m)[1h:$__interval])", text: "max_over_time(rate(m)[1h:1i])" },
  { name: "minus binds like a binary minus", query: "-a ^ 2 * b", text: "0 - ((a ^ 2) * b)" },
  { name: "minus after an operator", query: "a ^ -b * c", text: "(a ^ (0 - b)) * c" },
  { name: "minus before keep_metric_names", query: "a + -b keep_metric_names", text: "(a + (0 - b)) keep_metric_names" },
  { name: "negative base", query: "(-5) ^ x", text: "(-5) ^ x" },
  { name: "power is right associative", query: "a ^ b ^ c", text: "a ^ (b ^ c)" },
  { name: "metric name is moved to the front", query: '{a="b",__name__="m"}', text: 'm{a="b"}' },
  { name: "a metric name is that of all groups", query: '{a="b" or __name__="m",c="d" or e="f"}', text: 'm{a="b" or c="d" or e="f"}' },
  { name: "two metric names are those of their groups", query: '{a="b" or __name__="m",c="d" or __name__="n"}', text: '{a="b" or __name__="m",c="d" or __name__="n"}' },
  { name: "a pattern on the name is that of its group", query: '{a="b" or __name__=~"m.*"}', text: '{a="b" or __name__=~"m.*"}' },
  { name: "metrics called like numbers", query: "\\inf + \\nan", text: "\\inf + \\nan" },
  { name: "string and metric", query: '"a" + (b)', text: '"a" + (b)' },
  { name: "octal and binary numbers", query: "0o17 + 017 + 0b11 + 1_000", text: "1033" },
  { name: "bytes in a string", query: '"\\xd0\\xbf\\u00e9\\101"', text: '"пéA"' },
  { name: "template as negative offset", query: "with (w = 2h-5m) m offset -w", text: "m offset -1h55m" },
  { name: "number as window", query: "with (w = 300) m[w]", text: "m[300]" },
  { name: "folded number as window", query: "with (w = 5*60) m[w]", text: "m[5m]" },
  { name: "arguments are not captured by parameters", query: "with (f(a, b) = a - b) f(x, a)", text: "x - a" },
  { name: "arguments are not captured by templates", query: "with (q = up, f(x) = (with (q = down) x + q)) f(q)", text: "up + down" },
  { name: "a template cannot see itself", query: "with (a = a + 1) a", text: "a + 1" },
  { name: "built-in templates ignore those of the query", query: "with (clamp_min(a, b) = b) ru(x, y)", text: "(clamp_min(y - clamp_min(x, 0), 0) / clamp_min(y, 0)) * 100" },
  { name: "built-in templates in upper case", query: "ALIAS(x, 'y')", text: 'label_set(x, "__name__", "y")' },
  { name: "an empty filter set matches everything", query: 'with (x = {}) {a="b" or x}', text: "{}" },
  { name: "equal groups are one", query: 'm{a="b" or a="b"}', text: 'm{a="b"}' },
];
for (const { name, query, text } of canonical) {
  test(`prints: ${name}`, () => {
    assert.equal(printExpr(parseExpr(query)), text);
    assert.equal(printExpr(parseExpr(text)), text);
  });
}

const messages = [
  { query: "sum(rate(m[5m])", offset: 15, message: 'expected ")", "," or an operator, found the end of the query at line 1, column 16, after sum(rate(m[5m])' },
  { query: "a\n  + b{c=d-}", offset: 11, message: 'expected "}", "," or "or", found "-" at line 2, column 10, after a\n  + b{c=d' },
  { query: "rates(m)", offset: 0, message: 'unsupported function "rates"; did you mean "rate"? at line 1, column 1' },
  { query: "1 + Histogram_Percentile(2)", offset: 4, message: 'unsupported function "Histogram_Percentile"; did you mean "histogram_quantile"? at line 1, column 5, after 1 +' },
  { query: "x > $threshold", offset: 4, message: 'expected an expression or a duration (variables other than $__interval and $__rate_interval are replaced by the dashboard), found "$threshold" at line 1, column 5, after x >' },
  { query: 'm{a=~"\\d+"}', offset: 6, message: "unknown escape \\d in a string; write \\\\d or use back quotes at line 1, column 7, after m{a=~\"" },
  { query: 'm{a=~"("}', offset: 2, message: 'invalid regular expression in a=~"(": error parsing regexp: missing closing ): `(` at line 1, column 3, after m{' },
  { query: "m[5m-10m]", offset: 2, message: "the duration 5m-10m in square brackets is negative at line 1, column 3, after m[" },
  { query: 'a{__name__="b"}', offset: 0, message: "the metric name is given twice: a and b at line 1, column 1" },
  { query: "with (f(x) = x) f(1, 2)", offset: 16, message: 'invalid number of args for "f": expected 1, found 2 at line 1, column 17, after with (f(x) = x)' },
  { query: "sum(a) + ttf(1, 2)", offset: 9, message: 'invalid number of args for "ttf": expected 1, found 2 at line 1, column 10, after sum(a) +' },
  { query: "a and fill(0) b", offset: 6, message: '"fill" cannot be used with "and" at line 1, column 7, after a and' },
  { query: "a + fill(0) fill_left(1) b", offset: 12, message: '"fill_left" sets a value that is set already at line 1, column 13, after a + fill(0)' },
];
for (const { query, offset, message } of messages) {
  test(`refuses ${query}`, () => {
    assert.throws(() => parseExpr(query), (error) => {
      assert.ok(error instanceof InputError);
      assert.deepEqual({ code: error.code, offset: error.offset, message: error.message }, { code: "parse_error", offset, message });
      return true;
    });
  });
}

test("a tree has positions, written names and values", () => {
  assert.deepEqual(parseExpr('1Ki * RATE(m{a!="b"}[1h:] offset -1i)'), {
    kind: "binary", op: "*", position: 4, bool: false, matching: undefined, join: undefined, fillLeft: undefined, fillRight: undefined,
    keepMetricNames: false,
    left: { kind: "number", value: 1024, text: "1Ki", position: 0 },
    right: {
      kind: "function", name: "rate", writtenName: "RATE", keepMetricNames: false, position: 6,
      args: [{
        kind: "rollup", position: 11, step: undefined, inheritsStep: true, at: undefined,
        inner: { kind: "selector", position: 11, groups: [[{ name: "__name__", op: "=", value: "m" }, { name: "a", op: "!=", value: "b" }]] },
        window: { kind: "duration", fixedMs: 3_600_000, steps: 0, text: "1h", position: 21 },
        offset: { kind: "duration", fixedMs: 0, steps: -1, text: "-1i", position: 33 },
      }],
    },
  });
});

test("nodes of a built-in template have the position of its call", () => {
  const positions = new Set<number>();
  visitExpr(parseExpr("1 + ttf(m)"), (node) => positions.add(node.position));
  assert.deepEqual([...positions].toSorted((a, b) => a - b), [0, 2, 4, 8]);
});

test("parseSelector takes selectors only", () => {
  assert.deepEqual(parseSelector('{a="b"}').groups, [[{ name: "a", op: "=", value: "b" }]]);
  assert.deepEqual(parseSelector("{}").groups, [[]]);
  assert.deepEqual(parseSelector('{a="b",__graphite__="c.*"}').groups, [[{ name: "a", op: "=", value: "b" }, { name: "__name__", op: "=~", value: "c\\.[^.]*" }]]);
  for (const query of ["up[5m]", "1", "up offset 5m", ""]) assert.throws(() => parseSelector(query), InputError);
});

test("groups of which only some have a name stay so when they are printed for another reader", () => {
  const filter = (name: string, value: string): LabelFilter => ({ name, op: "=", value });
  const groups = withSeparateNames([[filter("__name__", "m"), filter("a", "b")], [filter("c", "d")]]);
  const text = printExpr({ kind: "selector", position: 0, groups });
  assert.equal(text, '{__name__="m",a="b" or c="d",__name__!=""}');
  assert.deepEqual(parseSelector(text).groups, groups);
  const shared = [[filter("__name__", "m")], [filter("__name__", "n")], [filter("c", "d")]];
  assert.equal(withSeparateNames(shared), shared);
});

const pushes = [
  { name: "not through default", query: 'a{x="1"} + (b default c)', text: 'a{x="1"} + (b default c)' },
  { name: "what both sides of default have", query: 'a + (b{x="1",y="2"} default c{x="1"})', text: 'a{x="1"} + (b{x="1",y="2"} default c{x="1"})' },
  { name: "a filled side gives and takes differently", query: 'a{x="1"} + fill_left(0) b{y="2"}', text: 'a{x="1",y="2"} + fill_left(0) b{y="2"}' },
  { name: "both sides filled", query: 'a{x="1"} + fill(0) b{y="2"}', text: 'a{x="1"} + fill(0) b{y="2"}' },
  { name: "around a filled operation", query: '(a{x="1"} + fill_left(0) b) * c', text: '(a{x="1"} + fill_left(0) b) * c' },
  { name: "not on labels of group_left", query: 'a{x="1"} * on(y) group_left(x) b', text: 'a{x="1"} * on(y) group_left(x) b' },
];
for (const { name, query, text } of pushes) {
  test(`pushes filters down: ${name}`, () => assert.equal(printExpr(optimizeExpr(parseExpr(query))), text));
}

function chain(count: number, item: (i: number) => string, separator: string): string {
  return Array.from({ length: count }, (_, i) => item(i)).join(separator);
}

function doubling(body: string, last: string): string {
  return `with (x0 = ${last}, ${chain(60, (i) => `x${i + 1} = ${body.replaceAll("?", `x${i}`)}`, ",")}) x60`;
}

const nested = (open: string, count: number, close: string): string => open.repeat(count) + "a" + close.repeat(count);
const deepest = 399;
const limits = [
  { name: "parentheses", query: nested("(", 100_000, ")"), message: /nested deeper than 802 levels at line 1, column 803,/ },
  { name: "calls", query: nested("abs(", 100_000, ")"), message: /nested deeper than 802 levels/ },
  { name: "WITH", query: nested("with (x = y) ", 100_000, ""), message: /nested deeper than 802 levels/ },
  { name: "@", query: nested("a @ (", 100_000, ")"), message: /nested deeper than 802 levels/ },
  { name: "signs", query: nested("-", 100_000, ""), message: /more than 400 levels deep/ },
  { name: "operators", query: chain(100_000, () => "a", " or "), message: /more than 400 levels deep/ },
  { name: "templates that use each other", query: `with (x0 = a, ${chain(5000, (i) => `x${i + 1} = x${i}`, ",")}) x5000`, message: /more than 400 levels deep/ },
  { name: "deep arguments", query: `with (f(a) = ${nested("abs(", 200, ")")}) ${nested("f(", 60, ")")}`, message: /400 levels deep/ },
  { name: "doubling expressions", query: doubling("? + ?", "a"), message: /WITH templates add more than 50000 nodes/ },
  { name: "doubling arguments", query: `with (f(x) = x + x) ${nested("f(", 60, ")")}`, message: /WITH templates add more than 50000 nodes/ },
  { name: "doubling strings", query: doubling('"" + ? + ?', '"some text that grows"'), message: /WITH templates add more than 50000 nodes/ },
  { name: "products of filters", query: `with (x = {${chain(2000, (i) => `a${i}="b"`, " or ")}}) x{${chain(2000, (i) => `c${i}="d"`, ",")}}`, message: /WITH templates add more than 50000 nodes/ },
];
for (const { name, query, message } of limits) {
  test(`limit: ${name}`, () => {
    const before = process.cpuUsage();
    assert.throws(() => parseExpr(query), (error) => error instanceof InputError && message.test(error.message));
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 2e6, `${(user + system) / 1e6} CPU seconds`);
  });
}

const large = [
  { name: "deepest nesting", query: nested("abs(", deepest, ")") },
  { name: "longest chain", query: chain(deepest, (i) => `a{b="${i}"}`, " or ") },
  { name: "deepest parentheses", query: nested("(", 2 * deepest, ")") },
  { name: "parentheses of printed chains", query: "(".repeat(2 * deepest - 2) + "a" + " + b) keep_metric_names)".repeat(deepest - 1) },
  { name: "longest chain to the right", query: chain(deepest, () => "a", " ^ ") },
  { name: "wide call", query: `sum(${chain(20_000, (i) => `a${i}`, ",")})` },
  { name: "many filters", query: `a{${chain(20_000, (i) => `b${i}="c"`, ",")}}` },
  { name: "many groups", query: `a{${chain(20_000, (i) => `b${i}="c"`, " or ")}}` },
  { name: "many templates", query: `with (${chain(10_000, (i) => `x${i} = a`, ",")}) (${chain(10_000, (i) => `x${i}`, ",")})` },
  { name: "long name", query: "a".repeat(1_000_000) },
  { name: "long string", query: `"${"\\n".repeat(300_000)}"` },
  { name: "long escaped name", query: "\\-".repeat(200_000) },
  { name: "long duration", query: "1h".repeat(200_000) },
  { name: "long number", query: "1".repeat(300) },
  { name: "comments", query: "#\n".repeat(300_000) + "a" },
  { name: "signs that cancel", query: "+".repeat(100_000) + "a" },
];
for (const { name, query } of large) {
  test(`large queries are linear: ${name}`, () => {
    const before = process.cpuUsage();
    const expr = parseExpr(query);
    assert.equal(printExpr(parseExpr(printExpr(expr))), printExpr(expr));
    prettifyExpr(query);
    optimizeExpr(expr);
    hasImplicitConversion(expr);
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 2e6, `${(user + system) / 1e6} CPU seconds`);
  });
}
