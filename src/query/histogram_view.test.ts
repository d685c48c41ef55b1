/** MetricsQL sees native histograms as foo_bucket{vmrange}, foo_count and foo_sum, over the naive store and a real one, and nothing of how they are stored. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHistogram } from "../../testkit/histogram_text.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import { visitComponents, withHistogramLabel } from "../model/histogram_series.ts";
import { encodeLabelRun, labelsOf, labelsToRecord } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { sampleKindHistogram } from "../model/row_batch.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import type { Store } from "../model/store.ts";
import { MemoryStore } from "../stores/memory_store.ts";
import { Engine } from "./engine.ts";

const endMs = 1_700_000_000_000;
const stepMs = 15_000;
const samples = 21;

/** Histograms that grow by one `step` each time. */
const histograms: [labels: Record<string, string>, step: string][] = [
  [{ __name__: "foo", job: "a" }, "{{schema:0 count:10 sum:20 offset:1 buckets:[4 4 2]}}"],
  [{ __name__: "foo", job: "b" }, "{{schema:0 count:10 sum:-5 z_bucket:2 z_bucket_w:0.5 offset:1 buckets:[2] n_offset:1 n_buckets:[6]}}"],
  [{ __name__: "zero", job: "a" }, "{{schema:0 count:3 sum:1 z_bucket:3 z_bucket_w:0.25}}"],
  [{ __name__: "own", job: "a" }, "{{schema:-53 count:6 sum:20 custom_values:[1 5] buckets:[1 2 3]}}"],
  [{ __name__: "both", job: "a" }, "{{schema:0 count:10 sum:20 offset:1 buckets:[4 4 2]}}"],
];
const classics: Record<string, string>[] = [
  { __name__: "both_bucket", job: "a", le: "+Inf" }, { __name__: "both_count", job: "a" }, { __name__: "plain_count", job: "a" }, { __name__: "foo_count", job: "c" },
];

async function fill(store: Store): Promise<void> {
  const builder = new RowBatchBuilder();
  const times = Float64Array.from({ length: samples }, (_, i) => endMs - (samples - 1 - i) * stepMs);
  for (const [labels, step] of histograms) {
    visitComponents(parseHistogram(step), (component, value) => {
      const values = times.map((_, i) => (component === "schema" ? value : value * (i + 1)));
      builder.addLabelRun(encodeLabelRun(withHistogramLabel(labelsOf(labels), component)), times, values, sampleKindHistogram);
    });
  }
  for (const labels of classics) builder.addSeries(labelsOf(labels), times, times.map((_, i) => i + 1));
  await store.write(builder.build());
}

const engines: { name: string; open: () => Promise<Store> }[] = [
  { name: "naive store", open: () => Promise.resolve(new MemoryStore()) },
  { name: "local store", open: () => openTestStore(new MemoryFileSystem(), { nowMs: endMs }) },
];

const rows: { query: string; expected: Record<string, number> }[] = [
  { query: "foo_count", expected: { 'foo_count{job="a"}': 210, 'foo_count{job="b"}': 210, 'foo_count{job="c"}': 21 } },
  { query: 'foo_sum{job=~"a|b"}', expected: { 'foo_sum{job="a"}': 420, 'foo_sum{job="b"}': -105 } },
  { query: 'foo_bucket{job="a"}', expected: { 'foo_bucket{job="a",vmrange="1...2"}': 84, 'foo_bucket{job="a",vmrange="2...4"}': 84, 'foo_bucket{job="a",vmrange="4...8"}': 42 } },
  { query: 'foo_bucket{job="b"}', expected: { 'foo_bucket{job="b",vmrange="-0.5...0.5"}': 42, 'foo_bucket{job="b",vmrange="-2...-1"}': 126, 'foo_bucket{job="b",vmrange="1...2"}': 42 } },
  { query: 'foo_bucket{vmrange=~"[12].*"}', expected: { 'foo_bucket{job="a",vmrange="1...2"}': 84, 'foo_bucket{job="a",vmrange="2...4"}': 84, 'foo_bucket{job="b",vmrange="1...2"}': 42 } },
  { query: "zero_bucket", expected: { 'zero_bucket{job="a",vmrange="0...0.25"}': 63 } },
  { query: "own_bucket", expected: { 'own_bucket{job="a",vmrange="0...1"}': 21, 'own_bucket{job="a",vmrange="1...5"}': 42, 'own_bucket{job="a",vmrange="5...+Inf"}': 63 } },
  { query: 'histogram_quantile(0.9, sum(rate(foo_bucket{job="a"}[2m])) by (vmrange))', expected: { "": 6 } },
  { query: "histogram_quantile(0.5, sum(increase(own_bucket[2m])) by (vmrange))", expected: { "": 5 } },
  { query: 'sum(rate(foo_count{job="a"}[1m]))', expected: { "": 10 / 15 } },
  { query: 'rate(foo_sum{job="a"}[1m]) / rate(foo_count{job="a"}[1m])', expected: { '{job="a"}': 2 } },
  { query: "foo", expected: {} },
  { query: "count({job=~'.+'})", expected: { "": 4 } },
  { query: "both_count", expected: { 'both_count{job="a"}': 21 } },
  { query: "both_bucket", expected: { 'both_bucket{job="a",le="+Inf"}': 21 } },
  { query: "both_sum", expected: { 'both_sum{job="a"}': 420 } },
  { query: "plain_count", expected: { 'plain_count{job="a"}': 21 } },
  { query: "foo_bucket{le='1'}", expected: {} },
  { query: 'foo{__histogram__="count",job="a"}', expected: { 'foo{__histogram__="count",job="a"}': 210 } },
  { query: "last_over_time(foo_count{job='b'}[1m])", expected: { 'foo_count{job="b"}': 210 } },
];

for (const { name, open } of engines) {
  test(`${name}: queries`, async () => {
    await using store = await open();
    await fill(store);
    for (const flushes of [false, true]) {
      if (flushes) await store.flush();
      const engine = new Engine({ kernel: new Kernel(), store, nowMs: () => endMs });
      for (const { query, expected } of rows) {
        const result = await engine.instant({ tenant: defaultTenant, query, timeMs: endMs, stepMs: 60_000 });
        const found = Object.fromEntries(result.series.map(({ labels, values }) => [textOf(labelsToRecord(labels)), values[0]]));
        assert.deepEqual(Object.keys(found).sort(), Object.keys(expected).sort(), query);
        for (const [key, value] of Object.entries(expected)) assert(Math.abs(found[key] - value) < 1e-9 * Math.abs(value) + 1e-12, `${query}: ${key} is ${found[key]}, not ${value}`);
      }
    }
  });
}

function textOf({ __name__: metric = "", ...labels }: Record<string, string>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return pairs.length === 0 ? metric : `${metric}{${pairs.join(",")}}`;
}
