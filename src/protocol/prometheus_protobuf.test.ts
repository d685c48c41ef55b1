/** The protobuf exposition format gives the series of the text format, native histograms as asked for, and exemplars. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeExposition, expositionContentType, type FamilyFields } from "../../testkit/exposition_body.ts";
import { printHistogram } from "../../testkit/histogram_text.ts";
import { BodyParser, mutate } from "../../testkit/parse_body.ts";
import { testSeed } from "../../testkit/seed.ts";
import { seededRandom } from "../base/random.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { SeriesExemplar } from "../model/exemplar.ts";
import { joinHistograms, splitHistogramLabel } from "../model/histogram_series.ts";
import { decodeLabelRun, type Labels, labelsOf } from "../model/labels.ts";
import { defaultTenant } from "../model/matcher.ts";
import { type MetricMetadata, seriesRow } from "../model/row_batch.ts";
import { defaultLabelLimits } from "../kernel/label_run.ts";
import { defaultHistogramOptions, type HistogramOptions, isPrometheusProtobuf, printOpenMetricsFloat, PrometheusProtobufParser } from "./prometheus_protobuf.ts";
import { PrometheusTextParser } from "./prometheus_text.ts";
import type { ParseReport, SliceParser } from "./slice_parser.ts";

const kernel = new Kernel();
const body = new BodyParser(kernel, 1 << 20);
const parser = new PrometheusProtobufParser(kernel);
const keepingParser = new PrometheusProtobufParser(kernel, { ...defaultLabelLimits, keepsNaN: true });
const nowMs = 1_700_000_000_000;

const seriesText = (labels: Labels): string => {
  const name = labels.find((label) => label.name === "__name__")?.value ?? "";
  const rest = labels.filter((label) => label.name !== "__name__").map((label) => `${label.name}="${label.value}"`);
  return rest.length === 0 ? name : `${name}{${rest.join(",")}}`;
};

interface Page {
  /** `series value@ms` or `series {{histogram}}@ms`. */
  readonly samples: string[];
  readonly exemplars: string[];
  readonly metadata: MetricMetadata[];
  readonly report: ParseReport;
}

function parse(bytes: Uint8Array, options: { extraLabels?: Labels; histograms?: Partial<HistogramOptions>; text?: PrometheusTextParser; keepsNaN?: boolean } = {}): Page {
  kernel.u8.set(bytes, body.bodyPointer);
  const start = { tenant: defaultTenant, extraLabels: options.extraLabels ?? [], nowMs };
  const own = options.keepsNaN === true ? keepingParser : parser;
  const reader: SliceParser = options.text ?? own;
  if (options.text === undefined) own.start(body.bodyPointer, bytes.length, { ...start, histograms: { ...defaultHistogramOptions, ...options.histograms } });
  else options.text.start(body.bodyPointer, bytes.length, { ...start, unit: "seconds" });
  const samples: string[] = [];
  const exemplars: SeriesExemplar[] = [];
  const metadata: MetricMetadata[] = [];
  const components = new Map<string, { component: string; timestampsMs: Float64Array; values: Float64Array }[]>();
  for (let batch = reader.next(); batch !== undefined; batch = reader.next()) {
    exemplars.push(...(batch.exemplars ?? []));
    metadata.push(...batch.metadata);
    for (let row = 0; row < batch.seriesRows.length; row += seriesRow.slots) {
      const [offset, size, from, count] = batch.seriesRows.subarray(row, row + 4);
      const labels = decodeLabelRun(batch.labelBytes, offset, offset + size);
      const [timestampsMs, values] = [batch.timestampsMs.slice(from, from + count), batch.values.slice(from, from + count)];
      const split = splitHistogramLabel(labels);
      if (split === undefined) timestampsMs.forEach((timestampMs, i) => samples.push(`${seriesText(labels)} ${values[i]}@${timestampMs}`));
      else components.set(seriesText(split.labels), [...(components.get(seriesText(split.labels)) ?? []), { component: split.component, timestampsMs, values }]);
    }
  }
  for (const [series, columns] of components) {
    const joined = joinHistograms(columns);
    joined.histograms.forEach((histogram, i) => samples.push(`${series} ${printHistogram(histogram)}@${joined.timestampsMs[i]}`));
  }
  const exemplarTexts = exemplars.map(({ labelRun, labels, value, timestampMs }) => `${seriesText(decodeLabelRun(labelRun, 0, labelRun.length))} # ${seriesText(labels)} ${value}@${timestampMs}`);
  return { samples, exemplars: exemplarTexts, metadata, report: reader.report };
}

const label = [{ name: "code", value: "200" }, { name: "a", value: "b" }];
const exemplar = { label: [{ name: "trace_id", value: "x" }], value: 0.5, timestamp: { seconds: 1_600_000_000, nanos: 123_000_000 } };
const histogram = {
  sample_count: 6, sample_sum: 7.5, bucket: [{ cumulative_count: 1, upper_bound: 0.5 }, { cumulative_count: 4, upper_bound: 1000000, exemplar }],
  schema: 3, zero_threshold: 0.001, zero_count: 1, positive_span: [{ offset: 0, length: 2 }, { offset: 3, length: 1 }], positive_delta: [1, 1, -1], negative_span: [{ offset: -2, length: 1 }], negative_delta: [1],
  created_timestamp: { seconds: 5 },
};
const classic = ['h_bucket{le="0.5"} 1@1700000000000', 'h_bucket{le="1e+06"} 4@1700000000000', 'h_bucket{le="+Inf"} 6@1700000000000', "h_sum 7.5@1700000000000", "h_count 6@1700000000000"];
const native = "h {{schema:3 count:6 sum:7.5 z_bucket:1 z_bucket_w:0.001 buckets:[1 2 0 0 0 1] n_offset:-2 n_buckets:[1]}}@1700000000000";

const rows: { name: string; families: FamilyFields[]; options?: Parameters<typeof parse>[1]; samples: string[]; exemplars?: string[] }[] = [
  { name: "a counter with an exemplar and a created time", families: [{ name: "c_total", type: 0, metric: [{ label, counter: { value: 3, exemplar, created_timestamp: { seconds: 1 } } }] }], samples: ['c_total{a="b",code="200"} 3@1700000000000'], exemplars: ['c_total{a="b",code="200"} # {trace_id="x"} 0.5@1600000000123'] },
  { name: "an exemplar without a time has that of the sample", families: [{ name: "c", type: 0, metric: [{ counter: { value: 3, exemplar: { ...exemplar, timestamp: undefined } }, timestamp_ms: 77 }] }], samples: ["c 3@77"], exemplars: ['c # {trace_id="x"} 0.5@77'] },
  { name: "gauges with a time of their own, values that are zero, infinite or not there", families: [{ name: "g", type: 1, metric: [{ gauge: { value: -Infinity }, timestamp_ms: 1234 }, { label, gauge: {} }] }], samples: ["g -Infinity@1234", 'g{a="b",code="200"} 0@1700000000000'] },
  { name: "an untyped one", families: [{ name: "u", type: 3, metric: [{ untyped: { value: 2 } }] }], samples: ["u 2@1700000000000"] },
  { name: "a summary", families: [{ name: "s", type: 2, metric: [{ summary: { sample_count: 4, sample_sum: 2, quantile: [{ quantile: 0.5, value: 1 }, { quantile: 1, value: NaN }] } }] }], samples: ['s{quantile="0.5"} 1@1700000000000', "s_sum 2@1700000000000", "s_count 4@1700000000000"] },
  { name: "a native histogram is a classic one unless asked for", families: [{ name: "h", type: 4, metric: [{ histogram }] }], samples: classic, exemplars: ['h_bucket{le="1e+06"} # {trace_id="x"} 0.5@1600000000123'] },
  { name: "native histograms", families: [{ name: "h", type: 4, metric: [{ histogram }] }], options: { histograms: { takesNative: true } }, samples: [native], exemplars: ['h # {trace_id="x"} 0.5@1600000000123'] },
  { name: "native histograms and their classic buckets", families: [{ name: "h", type: 4, metric: [{ histogram }] }], options: { histograms: { takesNative: true, takesClassicBesides: true } }, samples: [...classic, native], exemplars: ['h # {trace_id="x"} 0.5@1600000000123', 'h_bucket{le="1e+06"} # {trace_id="x"} 0.5@1600000000123'] },
  { name: "a classic histogram stays one", families: [{ name: "h", type: 4, metric: [{ histogram: { sample_count: 4, sample_sum: 2, bucket: [{ cumulative_count: 3, upper_bound: 1 }, { cumulative_count: 4, upper_bound: Infinity }] } }] }], options: { histograms: { takesNative: true } }, samples: ['h_bucket{le="1.0"} 3@1700000000000', 'h_bucket{le="+Inf"} 4@1700000000000', "h_sum 2@1700000000000", "h_count 4@1700000000000"] },
  { name: "an empty native histogram has an empty span", families: [{ name: "h", type: 4, metric: [{ histogram: { positive_span: [{ offset: 0, length: 0 }] } }] }], options: { histograms: { takesNative: true } }, samples: ["h {{}}@1700000000000"] },
  { name: "gauge histograms of fractions", families: [{ name: "h", type: 5, metric: [{ histogram: { sample_count_float: 2.5, sample_sum: 1, positive_span: [{ offset: 1, length: 1 }], positive_count: [2.5] } }] }], options: { histograms: { takesNative: true } }, samples: ["h {{count:2.5 sum:1 counter_reset_hint:gauge offset:1 buckets:[2.5]}}@1700000000000"] },
  { name: "extra labels", families: [{ name: "g", type: 1, metric: [{ label, gauge: { value: 1 } }] }], options: { extraLabels: labelsOf({ a: "z", job: "j" }) }, samples: ['g{a="z",code="200",job="j"} 1@1700000000000'] },
];
for (const row of rows) {
  test(`protobuf page: ${row.name}`, () => {
    const page = parse(encodeExposition(row.families), row.options);
    assert.deepEqual(page.samples, row.samples);
    assert.deepEqual(page.exemplars, row.exemplars ?? []);
    assert.equal(page.report.broken, false);
  });
}

test("protobuf page: limits of buckets lower the resolution", () => {
  const page = (histograms: Partial<HistogramOptions>): string[] => parse(encodeExposition([{ name: "h", type: 4, metric: [{ histogram }] }]), { histograms: { takesNative: true, ...histograms } }).samples;
  assert.match(page({ bucketsMax: 3 })[0], /schema:\d|buckets/);
  assert.match(page({ minBucketFactor: 1.5 })[0], /^h \{\{schema:1 count:6 /);
  assert.match(page({ minBucketFactor: 2 })[0], /^h \{\{count:6 /);
});

test("metadata comes with the families, and NaN and bad histograms are counted", () => {
  const { metadata, report, samples } = parse(encodeExposition([
    { name: "a_bytes", help: "what", type: 1, unit: "bytes", metric: [{ gauge: { value: NaN } }] },
    { name: "h", type: 4, metric: [{ histogram: { ...histogram, sample_count: 7 } }, { label, gauge: { value: 1 } }] },
  ]), { histograms: { takesNative: true } });
  assert.deepEqual(metadata, [{ metricFamily: "a_bytes", type: "gauge", help: "what", unit: "bytes" }, { metricFamily: "h", type: "histogram", help: "", unit: "" }]);
  assert.deepEqual(report.droppedByReason, { nan_value: 1, invalid_histogram: 1 });
  assert.match(report.firstError?.message ?? "", /6 observations in the buckets, but a count of 7/);
  assert.deepEqual(samples, ['h{a="b",code="200"} 1@1700000000000']);
});

test("NaN is kept where it is wanted", () => {
  const page = encodeExposition([{ name: "a", type: 1, metric: [{ gauge: { value: NaN } }] }]);
  const { report, samples } = parse(page, { keepsNaN: true });
  assert.deepEqual(report.droppedByReason, {});
  assert.deepEqual(samples, ["a NaN@1700000000000"]);
});

test("a page that breaks off keeps what was before", () => {
  const bytes = encodeExposition([{ name: "a", type: 1, metric: [{ gauge: { value: 1 } }] }, { name: "b", type: 1, metric: [{ gauge: { value: 2 } }] }]);
  const page = parse(bytes.subarray(0, bytes.length - 3));
  assert.deepEqual([page.samples, page.report.broken], [["a 1@1700000000000"], true]);
  const random = seededRandom(testSeed());
  const whole = encodeExposition(rows.flatMap(({ families }) => families));
  for (let round = 0; round < 1000; round++) parse(mutate(whole, random), { histograms: { takesNative: true, takesClassicBesides: round % 2 === 0 } });
});

test("thousands of metrics come in slices", () => {
  const metric = Array.from({ length: 5000 }, (_, i) => ({ label: [{ name: "i", value: String(i) }], gauge: { value: i } }));
  assert.equal(parse(encodeExposition([{ name: "g", type: 1, metric }])).samples.length, 5000);
});

test("the content type tells the format", () => {
  assert.equal(isPrometheusProtobuf(expositionContentType), true);
  assert.equal(isPrometheusProtobuf('application/vnd.google.protobuf;proto="io.prometheus.client.MetricFamily"'), true);
  assert.equal(isPrometheusProtobuf("application/vnd.google.protobuf;proto=other"), false);
  assert.equal(isPrometheusProtobuf("text/plain"), false);
});

test("bounds are written as OpenMetrics writes them", () => {
  const texts: [number, string][] = [[1, "1.0"], [0, "0.0"], [0.25, "0.25"], [100000, "100000.0"], [1e6, "1e+06"], [1234567, "1.234567e+06"], [0.0001, "0.0001"], [0.00001, "1e-05"], [-2.5, "-2.5"], [Infinity, "+Inf"], [1e100, "1e+100"], [12345.678, "12345.678"]];
  for (const [value, text] of texts) assert.equal(printOpenMetricsFloat(value), text);
});

test("exemplars of OpenMetrics text", () => {
  const text = new PrometheusTextParser(kernel);
  const lines = [
    'c_total{a="b"} 3 # {trace_id="x",span="a \\"q\\" b"} 0.5 1600000000.123', "d_total 1 1600000000 # {} +Inf", 'e_total 1 # {trace_id="y"} 1e3', 'f_total 1 # {trace_id=y} 1', 'g_total 1 # {a="b"} x',
    "h_total 1 # comment", 'i_total NaN # {a="b"} 1', `j_total 1 # {a="${"x".repeat(128)}"} 1`, 'k_bucket{le="1"} 1\nk_bucket{le="2"} 3 # {t="1"} 1.5', "# EOF",
  ];
  const page = parse(Buffer.from(lines.join("\n")), { text });
  assert.deepEqual(page.exemplars, [
    'c_total{a="b"} # {span="a "q" b",trace_id="x"} 0.5@1600000000123', "d_total #  Infinity@1600000000000", 'e_total # {trace_id="y"} 1000@1700000000000', 'k_bucket{le="2"} # {t="1"} 1.5@1700000000000',
  ]);
  assert.equal(page.samples.length, 9);
  const many = Array.from({ length: 3000 }, (_, i) => `m{i="${i}"} 1 # {t="${i}"} 1`).join("\n");
  const all = parse(Buffer.from(many), { text });
  assert.deepEqual([all.samples.length, all.exemplars.length, all.exemplars[2999]], [3000, 3000, 'm{i="2999"} # {t="2999"} 1@1700000000000']);
});
