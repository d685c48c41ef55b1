/** Histograms come back from their components as they were written, but for empty buckets; broken components never throw. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHistogram, printHistogram } from "../../testkit/histogram_text.ts";
import { randomHistogram } from "../../testkit/random_histogram.ts";
import { testSeed } from "../../testkit/seed.ts";
import { seededRandom } from "../base/random.ts";
import { joinHistograms, parseComponent, splitHistogramLabel, staleComponents, visitComponents, withHistogramLabel } from "./histogram_series.ts";
import { labelsOf } from "./labels.ts";
import { compactHistogram, type CounterResetHint, createHistogram, equalHistograms, type FloatHistogram, staleHistogram } from "./native_histogram.ts";
import { writeStaleMarker } from "./row_batch.ts";

/** Component series as a store would hold them. */
class Columns {
  readonly #samples = new Map<string, { timestampMs: number; value: number | "stale" }[]>();

  add(timestampMs: number, histogram: FloatHistogram): void {
    if (histogram === staleHistogram) for (const component of staleComponents) this.put(component, timestampMs, "stale");
    else visitComponents(histogram, (component, value) => this.put(component, timestampMs, value));
  }

  put(component: string, timestampMs: number, value: number | "stale"): void {
    const samples = this.#samples.get(component) ?? [];
    this.#samples.set(component, samples);
    samples.push({ timestampMs, value });
  }

  columns(): { component: string; timestampsMs: Float64Array; values: Float64Array }[] {
    return [...this.#samples].map(([component, samples]) => {
      const values = Float64Array.from(samples, ({ value }) => (value === "stale" ? 0 : value));
      samples.forEach(({ value }, i) => value === "stale" && writeStaleMarker(values, i));
      return { component, timestampsMs: Float64Array.from(samples, ({ timestampMs }) => timestampMs), values };
    });
  }
}

const rows = [
  { name: "nothing observed", text: "{{}}", components: { schema: 512, count: 0, sum: 0 } },
  {
    name: "all of an exponential one", text: "{{schema:1 count:10 sum:-2 z_bucket:1 z_bucket_w:0.001 counter_reset_hint:gauge offset:-1 buckets:[2 0 3] n_offset:4 n_buckets:[4]}}",
    components: { schema: 523, count: 10, sum: -2, "z:0.001": 1, "p1:-1": 2, "p1:1": 3, "n1:4": 4 },
  },
  { name: "an empty zero bucket with a width", text: "{{z_bucket_w:1e-128}}", components: { schema: 512, count: 0, sum: 0, "z:1e-128": 0 } },
  { name: "custom buckets", text: "{{schema:-53 count:3 sum:5 custom_values:[-0.5 10] buckets:[0 3]}}", components: { schema: 88, count: 3, sum: 5, "c:-0.5": 0, "c:10": 3, "c:+Inf": 0 } },
];
for (const row of rows) {
  test(`components: ${row.name}`, () => {
    const components: Record<string, number> = {};
    visitComponents(parseHistogram(row.text), (component, value) => (components[component] = value));
    assert.deepEqual(components, row.components);
  });
}

test("join(decompose(h)) is h without empty buckets, for a series of them with stale markers and floats between", () => {
  const random = seededRandom(testSeed());
  const hints: CounterResetHint[] = ["unknown", "reset", "not_reset", "gauge"];
  for (let round = 0; round < 60; round++) {
    const columns = new Columns();
    const written: [number, FloatHistogram][] = [];
    for (let i = 0, timestampMs = 0; i < 1 + random.int(12); i++) {
      timestampMs += 1000 * (1 + random.int(3));
      const special = random.int(10);
      const plain = { ...randomHistogram(random), resetHint: hints[random.int(4)], ...(random.int(2) === 0 && { isInteger: true }) };
      const histogram = special === 0 ? staleHistogram : special === 1 ? { ...plain, sum: NaN } : special === 2 ? { ...plain, sum: Infinity } : plain;
      columns.add(timestampMs, histogram);
      written.push([timestampMs, histogram]);
    }
    const joined = joinHistograms(columns.columns());
    assert.deepEqual([...joined.timestampsMs], written.map(([timestampMs]) => timestampMs));
    joined.histograms.forEach((histogram, i) => {
      const expected = written[i][1];
      if (expected === staleHistogram) return assert.equal(histogram, staleHistogram);
      const message = `round ${round}, seed ${testSeed()}: ${printHistogram(histogram)}, not ${printHistogram(expected)}`;
      assert(equalHistograms(histogram, compactHistogram(expected)), message);
      assert.equal(histogram.resetHint, expected.resetHint, message);
      assert.equal(histogram.isInteger, expected.isInteger, message);
    });
  }
});

test("of two histograms at one time the last one counts, and a histogram without its count is left out", () => {
  const columns = new Columns();
  columns.add(1000, createHistogram({ count: 1, sum: 1 }));
  columns.add(1000, createHistogram({ count: 2, sum: 2 }));
  columns.put("schema", 2000, 512);
  columns.put("sum", 2000, 1);
  columns.put("schema", 3000, 1e9);
  columns.put("nonsense", 3000, 1);
  const { timestampsMs, histograms } = joinHistograms(columns.columns());
  assert.deepEqual([...timestampsMs], [1000]);
  assert.equal(histograms[0].count, 2);
});

test("what is no component is not read as one", () => {
  for (const text of ["", "zero", "z:", "z:-1", "p:1", "p9:1", "p0:x", "p0:1.5", "p0.5:1", "q0:1", "c:", "c:x", ":1", "p0:99999999999"]) assert.equal(parseComponent(text), undefined, text);
  assert.deepEqual(parseComponent("n-4:-7"), { kind: "negative", schema: -4, index: -7 });
});

test("the label of a component is put in and taken out", () => {
  const labels = labelsOf({ __name__: "a", Job: "x", zone: "y" });
  const whole = withHistogramLabel(labels, "sum");
  assert.deepEqual(whole.map(({ name }) => name), ["Job", "__histogram__", "__name__", "zone"]);
  assert.deepEqual(splitHistogramLabel(whole), { labels, component: "sum" });
  assert.equal(splitHistogramLabel(labels), undefined);
});
