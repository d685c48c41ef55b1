/** Labels, values and series of a store with native histograms, as both languages see them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHistogram } from "../../testkit/histogram_text.ts";
import { startHttpNode } from "../../testkit/http_node.ts";
import { ComponentRows } from "../protocol/component_rows.ts";
import { encodeLabelRun, labelsOf } from "../model/labels.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";

const nowMs = Date.now();

const rows: { path: string; metricsql: unknown; promql: unknown }[] = [
  { path: "labels", metricsql: ["__name__", "code", "job", "room"], promql: ["__name__", "code", "job", "room"] },
  { path: "labels?match[]=foo_count", metricsql: ["__name__", "code", "job"], promql: [] },
  { path: "labels?match[]=foo", metricsql: ["__name__", "code", "job"], promql: ["__name__", "code", "job"] },
  { path: "label/__name__/values", metricsql: ["foo_bucket", "foo_count", "foo_sum", "temp", "temp_count"], promql: ["foo", "temp", "temp_count"] },
  { path: "label/__name__/values?limit=2", metricsql: ["foo_bucket", "foo_count"], promql: ["foo", "temp"] },
  { path: 'label/__name__/values?match[]={code="200"}', metricsql: ["foo_bucket", "foo_count", "foo_sum"], promql: ["foo"] },
  { path: "label/__name__/values?match[]=foo_sum", metricsql: ["foo_sum"], promql: [] },
  { path: "label/code/values", metricsql: ["200", "500"], promql: ["200", "500"] },
  { path: 'label/code/values?match[]=foo_bucket{code="500"}', metricsql: ["500"], promql: [] },
  { path: "label/__histogram__/values", metricsql: [], promql: [] },
  {
    path: 'series?match[]=foo_bucket{code="200"}', promql: [],
    metricsql: [{ __name__: "foo_bucket", code: "200", job: "a", vmrange: "1...2" }, { __name__: "foo_bucket", code: "200", job: "a", vmrange: "2...4" }],
  },
  { path: "series?match[]=foo", metricsql: [], promql: [{ __name__: "foo", code: "200", job: "a" }, { __name__: "foo", code: "500", job: "a" }] },
  {
    path: 'series?match[]={job="a",code!="500"}',
    metricsql: [{ __name__: "foo_bucket", code: "200", job: "a" }, { __name__: "foo_count", code: "200", job: "a" }, { __name__: "foo_sum", code: "200", job: "a" }],
    promql: [{ __name__: "foo", code: "200", job: "a" }],
  },
  { path: "series?match[]=temp_count", metricsql: [{ __name__: "temp_count", room: "x" }], promql: [{ __name__: "temp_count", room: "x" }] },
];

test("an export of native histograms is imported again", async () => {
  await using source = await startHttpNode();
  await using target = await startHttpNode();
  const builder = new RowBatchBuilder();
  new ComponentRows(builder).add(encodeLabelRun(labelsOf({ __name__: "foo", job: "a" })), nowMs, parseHistogram("{{count:3 sum:4 offset:1 buckets:[1 2]}}"));
  await source.store.write(builder.build());
  const lines = (node: { url: string }): Promise<string> => fetch(`${node.url}/api/v1/export?match[]=foo`).then((response) => response.text());
  const exported = await lines(source);
  assert.equal(exported.trim().split("\n").length, 5);
  assert.equal((await fetch(`${target.url}/api/v1/import`, { method: "POST", body: exported })).status, 204);
  assert.equal(await lines(target), exported);
  const refused = await fetch(`${target.url}/api/v1/import/prometheus`, { method: "POST", body: 'x{__histogram__="sum"} 1\nx 1\n' });
  assert.equal(refused.headers.get("X-Tidemark-Dropped-Rows"), "reserved_label=1");
});

test("answers about labels", async () => {
  await using node = await startHttpNode();
  const builder = new RowBatchBuilder();
  const components = new ComponentRows(builder);
  for (const code of ["200", "500"]) components.add(encodeLabelRun(labelsOf({ __name__: "foo", job: "a", code })), nowMs, parseHistogram("{{count:3 sum:4 offset:1 buckets:[1 2]}}"));
  for (const name of ["temp", "temp_count"]) builder.addSeries(labelsOf({ __name__: name, room: "x" }), Float64Array.of(nowMs), Float64Array.of(1));
  await node.store.write(builder.build());
  for (const { path, ...expected } of rows) {
    for (const dialect of ["metricsql", "promql"] as const) {
      const response = await fetch(`${node.url}/api/v1/${path}${path.includes("?") ? "&" : "?"}dialect=${dialect}`);
      assert.deepEqual(((await response.json()) as { data: unknown }).data, expected[dialect], `${path} in ${dialect}`);
    }
  }
});
