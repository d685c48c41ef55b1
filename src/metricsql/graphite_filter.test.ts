/** Graphite filters match what Graphite would match. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../base/errors.ts";
import { AnchoredRegexp } from "../model/regexp.ts";
import { graphiteRegexp, replaceGraphiteFilters } from "./graphite_filter.ts";
import { parseExpr } from "./parser.ts";
import { printExpr } from "./printer.ts";

const rows = [
  { name: "an exact name", query: '{__graphite__="a.b"}', text: "a.b" },
  { name: "a star", query: 'sum({__graphite__="a.*.b",c="d"})', text: 'sum({__name__=~"a\\\\.[^.]*\\\\.b",c="d"})' },
  { name: "alternatives", query: '{__graphite__="a.{b,c*}.d"}', text: '{__name__=~"a\\\\.(?:b|c[^.]*)\\\\.d"}' },
  { name: "nested alternatives", query: '{__graphite__="{a,b{c,d}}e"}', text: '{__name__=~"(?:a|b(?:c|d))e"}' },
  { name: "characters", query: '{__graphite__="a[0-9].b"}', text: '{__name__=~"a[0-9]\\\\.b"}' },
  { name: "special characters and a comma of their own", query: '{__graphite__="a+b,(c)*"}', text: '{__name__=~"a\\\\+b,\\\\(c\\\\)[^.]*"}' },
  { name: "a brace without partner", query: '{__graphite__="a}b{c*"}', text: '{__name__=~"a\\\\}b\\\\{c[^.]*"}' },
  { name: "variables of dashboards", query: '{__graphite__=~"a.(b|c).(.*)"}', text: '{__name__=~"a\\\\.(?:b|c)\\\\.[^.]*"}' },
  { name: "negative", query: '{__graphite__!="a.*",b="c"}', text: '{__name__!~"a\\\\.[^.]*",b="c"}' },
  { name: "negative and exact", query: '{__graphite__!="a.b",b="c"}', text: '{__name__!="a.b",b="c"}' },
  { name: "in each group", query: '{__graphite__="a.*" or b="c"}', text: '{__name__=~"a\\\\.[^.]*" or b="c"}' },
  { name: "nothing to replace", query: 'sum(a{b="c"})', text: 'sum(a{b="c"})' },
];
for (const { name, query, text } of rows) {
  test(`Graphite filter: ${name}`, () => {
    const expr = parseExpr(query);
    assert.equal(printExpr(replaceGraphiteFilters(expr)), text);
    assert.equal(printExpr(expr), query);
  });
}

test("a Graphite filter with a malformed class is refused", () => {
  assert.throws(() => replaceGraphiteFilters(parseExpr('a + {__graphite__="b[z-a]"}')), (error) => error instanceof InputError && error.offset === 4);
});

test("names matched by Graphite patterns", () => {
  const pattern = new AnchoredRegexp(graphiteRegexp("servers.web*.cpu.{user,system}"));
  for (const name of ["servers.web1.cpu.user", "servers.web.cpu.system"]) assert.ok(pattern.test(name), name);
  for (const name of ["servers.web1.x.cpu.user", "servers.db.cpu.user", "servers.web1.cpu.idle", "xservers.web.cpu.user"]) assert.ok(!pattern.test(name), name);
});

test("hostile Graphite patterns take linear time", () => {
  const before = process.cpuUsage();
  for (const pattern of ["{".repeat(100_000), "{".repeat(50_000) + "}".repeat(50_000), "[".repeat(300_000), "*".repeat(100_000), "{a,".repeat(30_000)]) graphiteRegexp(pattern);
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 2e6, `${(user + system) / 1e6} CPU seconds`);
});
