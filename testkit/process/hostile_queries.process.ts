/**
 * Queries that ask for too much, over HTTP and in both languages: each is refused with a message that says what is too much, or answered, soon and
 * without taking much memory; the same process still answers afterwards.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, ServerProcess, temporaryFolder } from "./server_process.ts";

const timeS = 1_700_000_000;
/** Of one query. Most take milliseconds; the machine may be busy. */
const queryMsMax = 10_000;
/** An idle server and the memory that queries may hold; megabytes of text have some hundred thousand tokens besides. */
const residentBytesMax = 512 << 20;
const longResidentBytesMax = 768 << 20;
const flags = ["-search.maxMemoryPerQuery=64MiB"];

/** `f(f(...(inner)))`. */
function nested(count: number, before: string, after: string, inner = "gauge"): string {
  return before.repeat(count) + inner + after.repeat(count);
}

function range(start: number, end: number, step: number): Record<string, string> {
  return { start: String(start), end: String(end), step: String(step) };
}

interface Row {
  readonly name: string;
  readonly query: string;
  readonly range?: Record<string, string>;
  /** What the message says in both languages; undefined if the query is answered. */
  readonly refused?: RegExp;
  /** Where PromQL answers otherwise; "answered" if it does. */
  readonly promql?: RegExp | "answered";
}

const isMetricsql = /is part of MetricsQL, not of PromQL/;

const rows: readonly Row[] = [
  { name: "a regular expression that would backtrack", query: 'gauge{instance=~"(((((a*)*)*)*)*)*b"}' },
  { name: "another", query: 'gauge{instance=~"(.+)+(.+)+(.+)+x"}' },
  { name: "repetitions of repetitions", query: 'gauge{instance=~"((a{100}){100}){100}"}', refused: /invalid regular expression .*invalid repeat count/ },
  { name: "nested groups", query: `gauge{instance=~"${"(".repeat(1500)}a${")".repeat(1500)}"}`, refused: /invalid regular expression/ },
  { name: "a long query", query: `gauge{instance="${"y".repeat(20_000)}"}`, refused: /the query is 200\d\d bytes long, the limit is 16384 \(-search\.maxQueryLen\)/ },
  { name: "parentheses", query: nested(7000, "(", ")"), refused: /nested deeper than 802 levels/ },
  { name: "calls", query: nested(2000, "abs(", ")"), refused: /nested deeper than 802 levels/ },
  { name: "signs", query: `${"-".repeat(8000)}gauge`, refused: /more than 400 levels deep/ },
  { name: "a chain of operators", query: Array.from({ length: 2000 }, () => "gauge").join("+"), refused: /more than 400 levels deep/ },
  { name: "a tower of powers", query: `${"2^".repeat(3000)}2`, refused: /more than 400 levels deep/ },
  { name: "subqueries of subqueries", query: nested(100, "sum_over_time((", ")[1h:1s])"), refused: /too many points per series of a subquery: \d+ is over the limit of 100000; .*-search\.maxPointsSubqueryPerTimeseries/ },
  { name: "a subquery of ten years by milliseconds", query: "sum_over_time(gauge[10y:1ms])", refused: /too many points per series of a subquery: 315360\d{6} is over/ },
  { name: "1e9 points", query: "gauge", range: range(0, 1e9, 1), refused: /the query asks for 1000000001 points per series, the limit is 30000 \(-search\.maxPointsPerTimeseries\)/ },
  { name: "a step of zero", query: "gauge", range: range(timeS, timeS + 60, 0), refused: /bad value "0" in argument "step"; allowed: at least 1ms/ },
  { name: "a huge step", query: "gauge", range: range(timeS, timeS + 60, 1e300), refused: /bad duration "1e\+300" in argument "step"/ },
  { name: "a huge window", query: "rate(gauge[100000y])", promql: /the duration 100000y is out of range/ },
  { name: "a window of 400 digits", query: `rate(gauge[${"9".repeat(400)}s])`, promql: /the duration 9+/ },
  { name: "a huge offset", query: "gauge offset 100000y", promql: /out of range/ },
  { name: "a number of 5000 digits", query: `1${"0".repeat(5000)}`, refused: /malformed number/ },
  { name: "@ at the end of time", query: "gauge @ 1e300", promql: /timestamp out of bounds/ },
  { name: "templates that double", query: `WITH (${Array.from({ length: 24 }, (_, i) => `t${i} = ${i === 0 ? "gauge+gauge" : `t${i - 1}+t${i - 1}`}`).join(", ")}) t23`, refused: /WITH templates add more than 50000 nodes/, promql: isMetricsql },
  { name: "labels that double", query: nested(30, "label_join(", ', "x", "", "x", "instance", "x")'), refused: /label_join\(\) makes a label value of more than 65536 characters/ },
  { name: "labels of templates of templates", query: nested(7, "label_replace(", `, "instance", "${"$1".repeat(16)}", "instance", "(.*)")`), refused: /label_replace\(\) makes a label value of more than 65536 characters/ },
  { name: "a series for each value", query: `count_values("v", last_over_time(gauge[1m] @ ${timeS}) * time())`, range: range(timeS, timeS + 29_000, 1), refused: /too many bytes held by the query: \d+ is over the limit of 67108864; .*-search\.maxMemoryPerQuery/ },
  { name: "a series for each of many samples", query: 'count_values_over_time("v", (rand())[90000s:1s])', promql: isMetricsql },
  { name: "a random number of digits of a quantile", query: "quantile_over_time(1e308, gauge[5m])" },
  { name: "more series than there are numbers", query: "topk(1e308, gauge)", promql: /overflows int64/ },
  { name: "a slice from before the beginning", query: "limit_offset(1e308, -1e308, gauge)", promql: isMetricsql },
  { name: "a time zone that is a path", query: 'timezone_offset("../../etc/passwd")', refused: /does not know the time zone/, promql: isMetricsql },
  { name: "a formula of durations", query: `rate(gauge[${"1+".repeat(3000)}5m])`, refused: /expected "\]" or ":"/, promql: /more than 400 levels deep/ },
  { name: "powers of durations", query: "rate(gauge[9^9^9^9])", refused: /expected "\]" or ":"/, promql: /the duration is out of range/ },
];

/** Asked where queries may be long: what is refused otherwise by its length alone. */
const longRows: readonly Row[] = [
  { name: "100,000 parentheses", query: nested(100_000, "(", ")"), refused: /nested deeper than 802 levels/ },
  { name: "100,000 open parentheses", query: "(".repeat(100_000), refused: /nested deeper than 802 levels/ },
  { name: "100,000 braces", query: "{".repeat(100_000), refused: /./ },
  { name: "100,000 signs", query: `${"-".repeat(100_000)}gauge`, refused: /more than 400 levels deep/ },
  { name: "100,000 calls", query: nested(100_000, "abs(", ")"), refused: /nested deeper than 802 levels/ },
  { name: "100,000 subqueries", query: `gauge${"[5m:1m]".repeat(100_000)}`, refused: /./ },
  { name: "100,000 operators", query: Array.from({ length: 100_000 }, () => "gauge").join(" or "), refused: /more than 400 levels deep/ },
  { name: "200,000 arguments", query: `label_replace(gauge${', "a"'.repeat(200_000)})`, refused: /argument/ },
  { name: "100,000 matchers", query: `gauge{${Array.from({ length: 100_000 }, (_, i) => `l${i}!="x"`).join(",")}}` },
  { name: "5000 regular expressions", query: `gauge{${Array.from({ length: 5000 }, (_, i) => `instance!~"x${i}.+y"`).join(",")}}` },
  { name: "a value of 2 MB", query: `gauge{instance="${"y".repeat(2 << 20)}"}` },
  { name: "60,000 alternatives", query: `gauge{instance=~"${Array.from({ length: 60_000 }, (_, i) => `host-${i}`).join("|")}"}` },
  { name: "1000 alternatives with dots", query: `gauge{instance=~"${Array.from({ length: 1000 }, (_, i) => `h.*${i}[a-z]+`).join("|")}"}` },
  { name: "20,000 optional groups", query: `gauge{instance=~"${"(a|b)?".repeat(20_000)}"}`, refused: /is 120000 characters long/ },
  { name: "50,000 or groups", query: `gauge{${Array.from({ length: 50_000 }, (_, i) => `instance="h${i}"`).join(" or ")}}`, promql: /./ },
  { name: "a template that names itself", query: "WITH (x = x + x) x", promql: isMetricsql },
  { name: "100,000 templates", query: `WITH (${Array.from({ length: 100_000 }, (_, i) => `t${i} = ${i === 0 ? "gauge" : `t${i - 1}`}`).join(", ")}) t99999`, refused: /./, promql: isMetricsql },
  { name: "functions of functions", query: `WITH (f(x) = ${"x+".repeat(40)}x) ${nested(8, "f(", ")")}`, refused: /WITH templates add more than 50000 nodes/, promql: isMetricsql },
  { name: "filters that double", query: `WITH (${Array.from({ length: 20 }, (_, i) => (i === 0 ? 'f0 = {a!="1",b!="2"}' : `f${i} = {f${i - 1},f${i - 1}}`)).join(", ")}) gauge{f19}`, refused: /./, promql: isMetricsql },
];

function expectedOf({ refused, promql }: Row, dialect: string): RegExp | undefined {
  if (dialect !== "promql" || promql === undefined) return refused;
  return promql === "answered" ? undefined : promql;
}

const suites = [
  { name: "queries that ask for too much are refused or answered in bounded time and memory", flags, rows, bytesMax: residentBytesMax },
  { name: "queries of any length are refused or answered in bounded time and memory", flags: [...flags, "-search.maxQueryLen=4MiB"], rows: longRows, bytesMax: longResidentBytesMax },
];

for (const { name, flags: serverFlags, rows: suiteRows, bytesMax } of suites) test(name, async () => {
  using folder = temporaryFolder();
  await using server = await ServerProcess.start(folder.path, serverFlags);
  const lines = Array.from({ length: 20 }, (_, i) => `gauge{instance="host-${i}",job="test"} ${i} ${timeS * 1000 - 1000}\n`).join("");
  const written = await server.post("/api/v1/import/prometheus", lines);
  assert.ok(written.status < 300, written.text);
  for (const dialect of ["metricsql", "promql"]) {
    for (const row of suiteRows) {
      const answer = await ask(server, dialect, row);
      const note = `${dialect}, ${row.name}: ${answer.status} ${answer.text.slice(0, 500)}`;
      const expected = expectedOf(row, dialect);
      if (expected === undefined) assert.equal(answer.status, 200, note);
      else {
        assert.ok(answer.status === 400 || answer.status === 422, note);
        assert.match((JSON.parse(answer.text) as { error: string }).error, expected, note);
      }
      assert.ok(server.residentBytes() < bytesMax, `${note}: ${server.residentBytes()} bytes`);
    }
    const alive = await ask(server, dialect, { name: "", query: "count(gauge)" });
    assert.match(alive.text, /"20"\]/);
  }
});

async function ask(server: ServerProcess, dialect: string, row: Row): Promise<Answer> {
  const path = row.range === undefined ? "/api/v1/query" : "/api/v1/query_range";
  const times = row.range ?? { time: String(timeS) };
  return server.request(path, { method: "POST", body: new URLSearchParams({ query: row.query, dialect, nocache: "1", ...times }), signal: AbortSignal.timeout(queryMsMax) });
}
