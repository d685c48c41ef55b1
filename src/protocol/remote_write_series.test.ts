/** Native histograms and exemplars of remote write: they come out as they were sent, among any number of floats; bad ones are refused one by one, with the reason. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeHistogramRequest, histogramFields, type HistogramBodySeries } from "../../testkit/histogram_body.ts";
import { parseHistogram, printHistogram } from "../../testkit/histogram_text.ts";
import { BodyParser, type CollectedBody, mutate } from "../../testkit/parse_body.ts";
import { randomHistogram } from "../../testkit/random_histogram.ts";
import { testSeed } from "../../testkit/seed.ts";
import { seededRandom } from "../base/random.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { SeriesExemplar } from "../model/exemplar.ts";
import { joinHistograms, splitHistogramLabel } from "../model/histogram_series.ts";
import { decodeLabelRun, labelsOf, labelsToRecord } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { compactHistogram, equalHistograms, type FloatHistogram, staleHistogram } from "../model/native_histogram.ts";
import { ProtobufReader } from "./protobuf_reader.ts";
import { RemoteWriteParser } from "./remote_write.ts";

const kernel = new Kernel();
const body = new BodyParser(kernel, 8 << 20);
const parser = new RemoteWriteParser(kernel);

/** Histograms by series, and what floats there are. */
function join(parsed: CollectedBody): { histograms: Map<string, [number, FloatHistogram][]>; floats: Map<string, number> } {
  const components = new Map<string, { component: string; timestampsMs: number[]; bits: bigint[] }[]>();
  const floats = new Map<string, number>();
  for (const { labelRun, timestampsMs, valueBits } of parsed.series) {
    const labels = decodeLabelRun(labelRun, 0, labelRun.length);
    const split = splitHistogramLabel(labels);
    const key = JSON.stringify(labelsToRecord(split?.labels ?? labels));
    if (split === undefined) {
      floats.set(key, (floats.get(key) ?? 0) + timestampsMs.length);
      continue;
    }
    const group = components.get(key) ?? [];
    components.set(key, group);
    const known = group.find(({ component }) => component === split.component);
    if (known === undefined) group.push({ component: split.component, timestampsMs: [...timestampsMs], bits: [...valueBits] });
    else {
      known.timestampsMs.push(...timestampsMs);
      known.bits.push(...valueBits);
    }
  }
  const histograms = new Map([...components].map(([key, group]) => {
    const joined = joinHistograms(group.map(({ component, timestampsMs, bits }) => ({ component, timestampsMs: Float64Array.from(timestampsMs), values: new Float64Array(BigUint64Array.from(bits).buffer) })));
    return [key, joined.histograms.map((histogram, i): [number, FloatHistogram] => [joined.timestampsMs[i], histogram])];
  }));
  return { histograms, floats };
}

test("random histograms, whole and fractional, with floats and stale markers between", () => {
  const random = seededRandom(testSeed());
  for (let round = 0; round < 12; round++) {
    const sent: HistogramBodySeries[] = Array.from({ length: 1 + random.int(8) }, (_, i) => ({
      labels: labelsOf({ __name__: `m${i}`, zone: "z", ...(random.int(2) === 0 && { Job: "x" }) }),
      floats: Array.from({ length: random.int(3) }, (_unused, k): [number, number] => [1000 * k, k]),
      histograms: Array.from({ length: 1 + random.int(4) }, (_unused, k): [number, FloatHistogram] => {
        const histogram = { ...randomHistogram(random), resetHint: (["unknown", "reset", "not_reset", "gauge"] as const)[random.int(4)] };
        return [1000 * (k + 1), random.int(8) === 0 ? staleHistogram : random.int(2) === 0 ? { ...histogram, isInteger: true } : histogram];
      }),
    }));
    const parsed = body.parse(parser, encodeHistogramRequest(sent));
    assert.deepEqual(parsed.report.droppedByReason, {}, parsed.report.firstError?.message ?? "");
    const { histograms, floats } = join(parsed);
    for (const { labels, histograms: expected, floats: expectedFloats } of sent) {
      const key = JSON.stringify(labelsToRecord(labels));
      assert.equal(floats.get(key) ?? 0, expectedFloats!.length);
      const found = histograms.get(key) ?? [];
      assert.deepEqual(found.map(([timestampMs]) => timestampMs), expected!.map(([timestampMs]) => timestampMs));
      found.forEach(([, histogram], i) => {
        const wanted = expected![i][1] as FloatHistogram;
        if (wanted === staleHistogram) return assert.equal(histogram, staleHistogram);
        assert(equalHistograms(histogram, compactHistogram(wanted)), `seed ${testSeed()}: ${printHistogram(histogram)}, not ${printHistogram(wanted)}`);
        assert.deepEqual([histogram.resetHint, histogram.isInteger], [wanted.resetHint, wanted.isInteger]);
      });
    }
  }
});

const good = histogramFields({ ...parseHistogram("{{count:3 sum:4 z_bucket:1 z_bucket_w:0.1 buckets:[2]}}"), isInteger: true });
const custom = histogramFields({ ...parseHistogram("{{schema:-53 count:3 sum:4 custom_values:[1 2] buckets:[3]}}"), isInteger: true });
const refusals = [
  { name: "a schema that is none", fields: { ...good, schema: 53 }, reason: /schema 53/ },
  { name: "a count that is not that of the buckets", fields: { ...good, count_int: 4 }, reason: /3 observations in the buckets, but a count of 4/ },
  { name: "too few for its buckets, with NaN", fields: { ...good, count_int: 2, sum: NaN }, reason: /3 observations in the buckets, but a count of 2/ },
  { name: "fewer buckets than spans", fields: { ...good, positive_deltas: [] }, reason: /positive side: spans need 1 buckets, have 0/ },
  { name: "more buckets than spans", fields: { ...good, positive_deltas: [1, 1] }, reason: /spans need 1 buckets, have 2/ },
  { name: "a span that would need a lot", fields: { ...good, positive_spans: [{ offset: 0, length: 4_000_000_000 }] }, reason: /out of range/ },
  { name: "a span that goes back", fields: { ...good, positive_spans: [{ offset: 0, length: 1 }, { offset: -1, length: 1 }], positive_deltas: [2, 0] }, reason: /span 2 has a negative offset/ },
  { name: "a negative count", fields: { ...good, count_int: 0, zero_count_int: 0, positive_deltas: [-1] }, reason: /bucket 1 has a count of -1/ },
  { name: "custom bounds that do not ascend", fields: { ...custom, custom_values: [2, 2] }, reason: /bound 2 comes after 2/ },
  { name: "a custom bound of NaN", fields: { ...custom, custom_values: [NaN] }, reason: /a bound is NaN/ },
  { name: "a custom bound of +Inf", fields: { ...custom, custom_values: [1, Infinity] }, reason: /\+Inf/ },
  { name: "custom buckets without bounds", fields: { ...custom, custom_values: [], positive_spans: [{ offset: 1, length: 1 }] }, reason: /there are no bounds/ },
  { name: "custom buckets without bounds, all in the first", fields: { ...custom, custom_values: [] }, reason: /there are no bounds/ },
  { name: "custom buckets with a zero bucket", fields: { ...custom, zero_threshold: 1 }, reason: /no zero bucket/ },
  { name: "custom buckets and negative ones", fields: { ...custom, negative_spans: [{ offset: 0, length: 1 }], negative_deltas: [1] }, reason: /no negative buckets/ },
];
for (const row of refusals) {
  test(`refused: ${row.name}; the rest is kept`, () => {
    const parsed = body.parse(parser, encodeHistogramRequest([{ labels: labelsOf({ __name__: "h", job: "a" }), floats: [[1, 1]], histograms: [[1, good], [2, row.fields], [3, good]] }]));
    assert.deepEqual(parsed.report.droppedByReason, { invalid_histogram: 1 });
    assert.match(parsed.report.firstError?.message ?? "", row.reason);
    assert.match(parsed.report.firstError?.message ?? "", /^h: invalid native histogram: /);
    const { histograms, floats } = join(parsed);
    assert.deepEqual([...histograms.values()].flat().map(([timestampMs]) => timestampMs), [1, 3]);
    assert.deepEqual([...floats.values()], [1]);
  });
}

test("NaN observations are in no bucket: a count above the buckets is right if the sum is NaN", () => {
  const parsed = body.parse(parser, encodeHistogramRequest([{ labels: labelsOf({ __name__: "h" }), histograms: [[1, { ...good, count_int: 5, sum: NaN }]] }]));
  assert.deepEqual(parsed.report.droppedByReason, {});
  assert.deepEqual([...join(parsed).histograms.values()][0].map(([, { count, sum }]) => [count, sum]), [[5, NaN]]);
});

test("higher resolutions than are kept, and more buckets than allowed, are brought down", () => {
  const labels = labelsOf({ __name__: "h" });
  const fine = histogramFields({ ...parseHistogram("{{schema:8 count:15 sum:4 offset:1 buckets:[1 2 3 4 5]}}"), isInteger: true });
  const small = new RemoteWriteParser(kernel, undefined, undefined, 2);
  const histogramsOf = (parsed: CollectedBody): string[] => [...join(parsed).histograms.values()].flat().map(([, histogram]) => printHistogram(histogram));
  assert.deepEqual(histogramsOf(body.parse(parser, encodeHistogramRequest([{ labels, histograms: [[1, { ...fine, schema: 9 }]] }]))), ["{{schema:8 count:15 sum:4 offset:1 buckets:[3 7 5]}}"]);
  assert.deepEqual(histogramsOf(body.parse(small, encodeHistogramRequest([{ labels, histograms: [[1, fine]] }]))), ["{{schema:6 count:15 sum:4 offset:1 buckets:[10 5]}}"]);
  const wide = histogramFields({ ...parseHistogram("{{schema:-4 count:3 offset:1 buckets:[1 1 1]}}"), isInteger: true });
  assert.match(body.parse(small, encodeHistogramRequest([{ labels, histograms: [[1, wide]] }])).report.firstError?.message ?? "", /3 buckets, more than -maxBucketsPerHistogram 2/);
});

test("thousands of series with histograms and long series of floats go through in slices", () => {
  const floats = Array.from({ length: 20_000 }, (_, i): [number, number] => [i, i]);
  const sent: HistogramBodySeries[] = [
    { labels: labelsOf({ __name__: "long" }), floats, histograms: [[1, good]] },
    ...Array.from({ length: 1500 }, (_, i): HistogramBodySeries => ({ labels: labelsOf({ __name__: "h", i: String(i) }), floats: [[1, i]], histograms: [[1, good]] })),
    { labels: labelsOf({ __name__: "last" }), floats: [[1, 1]] },
  ];
  const parsed = body.parse(parser, encodeHistogramRequest(sent));
  const { histograms, floats: found } = join(parsed);
  assert.equal(histograms.size, 1501);
  assert.equal([...found.values()].reduce((sum, count) => sum + count, 0), 21_501);
  assert.deepEqual(parsed.report.droppedByReason, {});
});

test("extra labels and limits hold for histograms; the component label may not be sent", () => {
  const series: HistogramBodySeries[] = [
    { labels: labelsOf({ __name__: "h", job: "a" }), histograms: [[1, good]] },
    { labels: labelsOf({ __name__: "h", __histogram__: "sum" }), histograms: [[1, good], [2, good]] },
    { labels: labelsOf({ __name__: "h", long: "x".repeat(5000) }), histograms: [[1, good]] },
    { labels: [], histograms: [[1, good]] },
  ];
  const parsed = body.parse(parser, encodeHistogramRequest(series), { extraLabels: labelsOf({ job: "b", env: "q" }) });
  assert.deepEqual([...join(parsed).histograms.keys()], ['{"__name__":"h","env":"q","job":"b"}', '{"env":"q","job":"b"}']);
  assert.deepEqual(parsed.report.droppedByReason, { reserved_label: 2, label_too_long: 1 });
});

test("exemplars come with their series; too long ones do not", () => {
  const exemplars = [{ labels: labelsOf({ trace_id: "abc", span: "1" }), value: 0.5, timestampMs: 1234 }, { labels: labelsOf({ trace_id: "x".repeat(121) }), value: 1, timestampMs: 1 }];
  const bytes = encodeHistogramRequest([{ labels: labelsOf({ job: "a", __name__: "c" }), floats: [[1, 1]], exemplars }]);
  kernel.u8.set(bytes, body.bodyPointer);
  parser.start(body.bodyPointer, bytes.length, { tenant: defaultTenant, extraLabels: [], nowMs: 0 });
  const found: SeriesExemplar[] = [];
  for (let batch = parser.next(); batch !== undefined; batch = parser.next()) found.push(...(batch.exemplars ?? []));
  assert.deepEqual(found.map(({ labelRun, ...exemplar }) => [labelsToRecord(decodeLabelRun(labelRun, 0, labelRun.length)), exemplar]), [
    [{ __name__: "c", job: "a" }, { labels: labelsOf({ trace_id: "abc", span: "1" }), value: 0.5, timestampMs: 1234 }],
  ]);
});

test("damaged messages are refused, never more", () => {
  const random = seededRandom(testSeed());
  const bytes = encodeHistogramRequest([{ labels: labelsOf({ __name__: "h", job: "a" }), floats: [[1, 1]], histograms: [[1, good], [2, custom]], exemplars: [{ labels: labelsOf({ t: "1" }), value: 1, timestampMs: 5 }] }]);
  for (let round = 0; round < 1500; round++) body.parse(parser, mutate(bytes, random), { garbage: random.int(256) });
  for (const message of [[0x08], [0x09, 1], [0x0a, 5, 1], [0x07], [0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]]) {
    assert.throws(() => {
      const reader = new ProtobufReader(Uint8Array.from(message));
      while (reader.next()) reader.bytes();
    }, { code: "corrupt_protobuf" });
  }
});
