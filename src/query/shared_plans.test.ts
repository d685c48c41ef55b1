// Equal parts of a query are evaluated once, and the second operand of a binary operation is read only where the first one has series: the answers, and how many
// series were read for them.
import assert from "node:assert/strict";
import test from "node:test";
import { Kernel } from "../kernel/kernel.ts";
import { parseExpr } from "../metricsql/parser.ts";
import { labelsOf, labelsToRecord } from "../model/labels.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import { Engine } from "./engine.ts";
import { commonFilters } from "./common_filters.ts";
import type { Plan } from "./plan.ts";
import { planQuery } from "./planner.ts";

const endMs = 1_700_000_100_000;

/** m and n of 6 hosts in 2 zones, on the step: m of host i is i, n is 10 i. `total` has no labels. */
async function engineOfHosts(): Promise<Engine> {
  const store = new MemoryStore();
  const builder = new RowBatchBuilder();
  const add = (labels: Record<string, string>, value: number): void => {
    builder.addSeries(labelsOf(labels), Float64Array.of(endMs - 120_000, endMs - 60_000, endMs), Float64Array.of(value, value, value));
  };
  for (let i = 1; i <= 6; i++) {
    add({ __name__: "m", host: `h.${i}`, zone: i > 3 ? "b" : "a" }, i);
    add({ __name__: "n", host: `h.${i}`, zone: i > 3 ? "b" : "a" }, 10 * i);
  }
  add({ __name__: "total" }, 100);
  await store.write(builder.build());
  return new Engine({ store, kernel: new Kernel(), nowMs: () => endMs });
}

const rows: { query: string; series: number; expected: string[] }[] = [
  // shared
  { query: "sum(m) / sum(m)", series: 6, expected: [" 1"] },
  { query: "count(m > avg(m)) + sum(m * 0)", series: 6, expected: [" 3"] },
  { query: "topk(1, m) or bottomk(1, m)", series: 6, expected: ["h.6 6", "h.1 1"] },
  { query: "sum(m + m + m)", series: 6, expected: [" 63"] },
  { query: "sum by (zone) (rate(m[2m]) + m) - on (zone) sum by (zone) (rate(m[2m]) + m)", series: 12, expected: [" 0", " 0"] },
  { query: "sum(m) + sum(m offset 1m)", series: 12, expected: [" 42"] },
  { query: "max_over_time((sum(m) + sum(m))[2m:1m])", series: 6, expected: [" 42"] },
  { query: "quantile(0.5, m) - median(m)", series: 6, expected: [" 0"] },
  { query: "sum(m) * count(m)", series: 12, expected: [" 126"] },
  // narrowed
  { query: 'm{host="h.2"} + n', series: 2, expected: ["h.2 22"] },
  { query: "topk(2, m) + n", series: 8, expected: ["h.5 55", "h.6 66"] },
  { query: "(m > 4) * on (host) group_left n", series: 8, expected: ["h.5 250", "h.6 360"] },
  { query: "(m > 4) * ignoring (host) group_left sum by (zone) (n)", series: 9, expected: ["h.5 750", "h.6 900"] },
  { query: "(m > 4) * on () group_left () sum(n)", series: 12, expected: ["h.5 1050", "h.6 1260"] },
  { query: "n and (m > 5)", series: 7, expected: ["h.6 60"] },
  { query: "n if (m > 5)", series: 7, expected: ["h.6 60"] },
  { query: "(m > 5) unless n", series: 7, expected: [] },
  { query: "(m > 5) or (n < 20)", series: 12, expected: ["h.6 6", "h.1 10"] },
  { query: "(m > 5) default n", series: 12, expected: ["h.1 10", "h.2 20", "h.3 30", "h.4 40", "h.5 50", "h.6 6"] },
  { query: "(m > 100) + n", series: 6, expected: [] },
  { query: "(m > 5) + fill_left(1) n", series: 12, expected: ["h.1 11", "h.2 21", "h.3 31", "h.4 41", "h.5 51", "h.6 66"] },
  { query: "m + scalar(total)", series: 7, expected: [1, 2, 3, 4, 5, 6].map((i) => `h.${i} ${100 + i}`) },
  { query: "m == (1, 3)", series: 6, expected: ["h.1 1", "h.3 3"] },
];

for (const { query, series, expected } of rows) {
  test(`common parts and narrowed operands: ${query}`, async () => {
    const engine = await engineOfHosts();
    const { stats, ...answer } = await engine.instant({ query, timeMs: endMs, stepMs: 60_000 });
    const found = answer.series.map(({ labels, values }) => `${labelsToRecord(labels)["host"] ?? ""} ${Number(values[0].toPrecision(9))}`);
    assert.deepEqual(found, expected);
    assert.equal(stats.seriesFetched, series);
  });
}

test("random parts are not shared, and plans without equal parts stay as they are", () => {
  const plan = planQuery(parseExpr("sum(rand()) - sum(rand())")) as Plan & { kind: "binary" };
  assert.notEqual(plan.left, plan.right);
  assert.equal("uses" in planQuery(parseExpr("sum(m)")), false);
});

test("filters of many values are left out, and texts are taken literally", () => {
  const series = Array.from({ length: 101 }, (_, i) => ({ labels: labelsOf({ __name__: "m", host: `h${i}`, zone: i % 2 === 0 ? "a.b" : "c|d", ...(i === 7 ? {} : { some: "x" }) }), values: new Float64Array(1) }));
  assert.deepEqual(commonFilters(series), [{ name: "zone", op: "=~", value: "a\\.b|c\\|d" }]);
  assert.deepEqual(commonFilters(series.slice(0, 1)).map(({ op, value }) => op + value), ["=h0", "=x", "=a.b"]);
  assert.deepEqual(commonFilters([]), []);
});
