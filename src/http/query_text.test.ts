/** What is done with the text of queries: trees as Prometheus 3.14 answers them, formatting, templates, errors in the form of each endpoint; and metadata. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type HttpNode, startHttpNode } from "../../testkit/http_node.ts";
import { randomExpr } from "../metricsql/random_expr.ts";
import { printExpr } from "../metricsql/printer.ts";
import { seededRandom } from "../base/random.ts";
import { testSeed } from "../../testkit/seed.ts";
import { queryTree } from "./syntax_json.ts";

let node: HttpNode;
before(async () => {
  node = await startHttpNode();
  const body = "# TYPE a counter\n# HELP a First.\na 1\n# TYPE b gauge\n# UNIT b seconds\nb 1\n# TYPE __proto__ gauge\n__proto__ 1\n# EOF\n";
  const headers = { "Content-Type": "application/openmetrics-text" };
  assert.equal((await fetch(`${node.url}/api/v1/import/prometheus`, { method: "POST", body, headers })).status, 204);
});
after(() => node[Symbol.asyncDispose]());

async function get(path: string, query: Record<string, string>): Promise<{ status: number; type: string; text: string }> {
  const response = await fetch(`${node.url}${path}?${new URLSearchParams(query)}`);
  return { status: response.status, type: response.headers.get("content-type") ?? "", text: await response.text() };
}

/** Answers of Prometheus 3.14. */
const trees: { query: string; tree: string }[] = [
  {
    query: "topk(3, sum without (x) (rate(foo[5m]))) > bool on(a) group_right(b) max_over_time(bar[1h:5m] offset -5m)",
    tree: '{"bool":true,"lhs":{"expr":{"expr":{"args":[{"matchers":[{"name":"__name__","type":"=","value":"foo"}],"name":"foo","offset":0,"range":300000,"startOrEnd":null,"timestamp":null,"type":"matrixSelector"}],"func":{"argTypes":["matrix"],"name":"rate","returnType":"vector","variadic":0},"type":"call"},"grouping":["x"],"op":"sum","param":null,"type":"aggregation","without":true},"grouping":[],"op":"topk","param":{"type":"numberLiteral","val":"3"},"type":"aggregation","without":false},"matching":{"card":"one-to-many","include":["b"],"labels":["a"],"on":true},"op":">","rhs":{"args":[{"expr":{"matchers":[{"name":"__name__","type":"=","value":"bar"}],"name":"bar","offset":0,"startOrEnd":null,"timestamp":null,"type":"vectorSelector"},"offset":-300000,"range":3600000,"startOrEnd":null,"step":300000,"timestamp":null,"type":"subquery"}],"func":{"argTypes":["matrix"],"name":"max_over_time","returnType":"vector","variadic":0},"type":"call"},"type":"binaryExpr"}',
  },
  {
    query: 'label_replace({__name__=~"a.*"},"a","b","c","d") ^ 2 + time()',
    tree: '{"bool":false,"lhs":{"bool":false,"lhs":{"args":[{"matchers":[{"name":"__name__","type":"=~","value":"a.*"}],"name":"","offset":0,"startOrEnd":null,"timestamp":null,"type":"vectorSelector"},{"type":"stringLiteral","val":"a"},{"type":"stringLiteral","val":"b"},{"type":"stringLiteral","val":"c"},{"type":"stringLiteral","val":"d"}],"func":{"argTypes":["vector","string","string","string","string"],"name":"label_replace","returnType":"vector","variadic":0},"type":"call"},"matching":null,"op":"^","rhs":{"type":"numberLiteral","val":"2"},"type":"binaryExpr"},"matching":null,"op":"+","rhs":{"args":[],"func":{"argTypes":[],"name":"time","returnType":"scalar","variadic":0},"type":"call"},"type":"binaryExpr"}',
  },
  { query: "1e-7 + Inf", tree: '{"bool":false,"lhs":{"type":"numberLiteral","val":"0.0000001"},"matching":null,"op":"+","rhs":{"type":"numberLiteral","val":"+Inf"},"type":"binaryExpr"}' },
  { query: "a and ignoring() b", tree: '{"bool":false,"lhs":{"matchers":[{"name":"__name__","type":"=","value":"a"}],"name":"a","offset":0,"startOrEnd":null,"timestamp":null,"type":"vectorSelector"},"matching":{"card":"many-to-many","include":[],"labels":[],"on":false},"op":"and","rhs":{"matchers":[{"name":"__name__","type":"=","value":"b"}],"name":"b","offset":0,"startOrEnd":null,"timestamp":null,"type":"vectorSelector"},"type":"binaryExpr"}' },
  { query: "-a offset 5m @ end()", tree: '{"type":"unaryExpr","op":"-","expr":{"type":"vectorSelector","name":"a","matchers":[{"name":"__name__","type":"=","value":"a"}],"offset":300000,"timestamp":null,"startOrEnd":"end"}}' },
  { query: 'clamp_min(a{b="c"}, -25)', tree: '{"args":[{"matchers":[{"name":"b","type":"=","value":"c"},{"name":"__name__","type":"=","value":"a"}],"name":"a","offset":0,"startOrEnd":null,"timestamp":null,"type":"vectorSelector"},{"type":"numberLiteral","val":"-25"}],"func":{"argTypes":["vector","scalar"],"name":"clamp_min","returnType":"vector","variadic":0},"type":"call"}' },
  { query: '{__name__="up"} @ 2m', tree: '{"type":"vectorSelector","name":"","matchers":[{"name":"__name__","type":"=","value":"up"}],"offset":0,"timestamp":120000,"startOrEnd":null}' },
  { query: "a @ 100", tree: '{"type":"vectorSelector","name":"a","matchers":[{"name":"__name__","type":"=","value":"a"}],"offset":0,"timestamp":100000,"startOrEnd":null}' },
  { query: 'WITH (x = "a", f(m) = m * 2) f(up{job=x})', tree: '{"type":"binaryExpr","op":"*","lhs":{"type":"vectorSelector","name":"up","matchers":[{"name":"job","type":"=","value":"a"},{"name":"__name__","type":"=","value":"up"}],"offset":0,"timestamp":null,"startOrEnd":null},"rhs":{"type":"numberLiteral","val":"2"},"matching":null,"bool":false}' },
];
for (const { query, tree } of trees) {
  test(`parse_query: ${query}`, async () => {
    const { status, text } = await get("/api/v1/parse_query", { query });
    assert.equal(status, 200, text);
    assert.deepEqual(JSON.parse(text), { status: "success", data: JSON.parse(tree) });
  });
}

test("parse_query: every expression has a tree", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let i = 0; i < 500; i++) {
    const query = printExpr(randomExpr(random, 4));
    assert.equal(typeof queryTree(query, "metricsql"), "object", `seed ${seed}: ${query}`);
  }
});

const answers: { name: string; path: string; query: Record<string, string>; status?: number; json: unknown }[] = [
  { name: "format_query", path: "/api/v1/format_query", query: { query: "sum(  rate(foo [5m]) )by(a)+1" }, json: { status: "success", data: "sum(rate(foo[5m])) by(a) + 1" } },
  { name: "format_query of PromQL", path: "/api/v1/format_query", query: { query: "sum(  rate(foo [300s]) )by(a)+(1)", dialect: "promql" }, json: { status: "success", data: "sum by (a) (rate(foo[5m])) + (1)" } },
  { name: "prettify", path: "/prettify-query", query: { query: 'WITH (x = foo{a="x"}) sum(x)+1' }, json: { status: "success", query: 'WITH (x = foo{a="x"}) sum(x) + 1' } },
  { name: "prettify, below the prefix", path: "/prometheus/prettify-query", query: { query: "a+b" }, json: { status: "success", query: "a + b" } },
  { name: "prettify, wrong", path: "/prettify-query", query: { query: "sum(" }, json: { status: "error", msg: /line 1, column 5/ } },
  { name: "expand", path: "/expand-with-exprs", query: { query: 'WITH (x = foo{a="x"}) sum(x)', format: "json" }, json: { status: "success", expr: 'sum(foo{a="x"})' } },
  { name: "expand, wrong", path: "/expand-with-exprs", query: { query: "sum(", format: "json" }, json: { status: "error", error: /line 1, column 5/ } },
  { name: "expand, nothing", path: "/expand-with-exprs", query: { format: "json" }, json: { status: "error", error: /"query" is missing/ } },
  { name: "parse_query, wrong", path: "/api/v1/parse_query", query: { query: "nosuch(a)" }, status: 422, json: { status: "error", errorType: "bad_data", error: /nosuch/, position: 0 } },
  { name: "format_query, nothing", path: "/api/v1/format_query", query: {}, status: 400, json: { status: "error", errorType: "bad_data", error: /"query" is missing/ } },
  { name: "format_query, long", path: "/api/v1/format_query", query: { query: "a".repeat(17_000) }, status: 422, json: { status: "error", errorType: "execution", error: /-search.maxQueryLen/ } },
  { name: "metadata", path: "/api/v1/metadata", query: {}, json: { status: "success", data: Object.fromEntries([["a", [{ type: "counter", help: "First.", unit: "" }]], ["b", [{ type: "gauge", help: "", unit: "seconds" }]], ["__proto__", [{ type: "gauge", help: "", unit: "" }]]]) } },
  { name: "metadata of a metric", path: "/api/v1/metadata", query: { metric: "b" }, json: { status: "success", data: { b: [{ type: "gauge", help: "", unit: "seconds" }] } } },
  { name: "metadata, limited", path: "/api/v1/metadata", query: { limit: "2", limit_per_metric: "1" }, json: { status: "success", data: Object.fromEntries([["__proto__", [{ type: "gauge", help: "", unit: "" }]], ["a", [{ type: "counter", help: "First.", unit: "" }]]]) } },
  { name: "metadata of an unknown metric", path: "/api/v1/metadata", query: { metric: "c", limit: "-1" }, json: { status: "success", data: {} } },
  { name: "metadata, wrong limit", path: "/api/v1/metadata", query: { limit: "x" }, status: 400, json: { status: "error", errorType: "bad_data", error: /"limit"; allowed: a whole number/ } },
];
for (const row of answers) {
  test(`query text: ${row.name}`, async () => {
    const { status, text } = await get(row.path, row.query);
    assert.equal(status, row.status ?? 200, text);
    const found = JSON.parse(text) as Record<string, unknown>;
    for (const [key, value] of Object.entries(row.json as object)) {
      if (value instanceof RegExp) assert.match(String(found[key]), value);
      else assert.deepEqual(found[key], value);
    }
    assert.deepEqual(Object.keys(found).sort(), Object.keys(row.json as object).sort());
  });
}

test("expand-with-exprs: a page, in which nothing of the query is markup", async () => {
  const { type, text } = await get("/expand-with-exprs", { query: 'foo{a="</textarea><script>"}' });
  assert.equal(type, "text/html; charset=utf-8");
  assert.doesNotMatch(text, /<script>/);
  assert.equal(text.split("&#60;/textarea&#62;&#60;script&#62;").length, 3);
});
