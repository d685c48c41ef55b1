// Shows the JSON of all kinds of results: that it parses to what went in, that numbers have the form of Prometheus, gaps are left out.
import assert from "node:assert/strict";
import test from "node:test";
import { testSeed } from "../../testkit/seed.ts";
import { seededRandom } from "../base/random.ts";
import { Kernel } from "../kernel/kernel.ts";
import { numberTextReference } from "../kernel/number_text_reference.ts";
import { labelsOf, labelsToRecord } from "../model/labels.ts";
import { consecutiveBuckets, createHistogram } from "../model/native_histogram.ts";
import { histogramJson } from "./histogram_json.ts";
import type { QueryResult } from "./result.ts";
import { encodeResult } from "./result_encoder.ts";

const kernel = new Kernel();
const stats = { seriesFetched: 2, samplesScanned: 10, memoryBytes: 0, executionTimeMs: 1.7 };

function encode(result: Partial<QueryResult>): string {
  const mark = kernel.mark();
  const bytes = encodeResult({ resultType: "matrix", timestampsMs: new Float64Array(), series: [], isPartial: false, stats, ...result }, kernel);
  assert.equal(kernel.mark(), mark);
  assert.equal(bytes.byteOffset, 0);
  return Buffer.from(bytes).toString();
}

const envelope = (data: string, isPartial = false): string =>
  `{"status":"success","isPartial":${isPartial},"data":${data},"stats":{"seriesFetched":"2","executionTimeMsec":2}}`;

const histogram = createHistogram({ count: 3, sum: 4.5, positive: consecutiveBuckets(1, [2]), negative: consecutiveBuckets(1, [1]) });

const rows: { name: string; result: Partial<QueryResult>; data: string }[] = [
  { name: "no series", result: {}, data: '{"resultType":"matrix","result":[]}' },
  {
    name: "matrix with gaps",
    result: {
      timestampsMs: Float64Array.of(1_700_000_000_000, 1_700_000_060_500, 1_700_000_121_001),
      series: [
        { labels: labelsOf({ __name__: "up", job: 'a"\\\n' }), values: Float64Array.of(1, NaN, 0.1) },
        { labels: [], values: Float64Array.of(Infinity, -Infinity, 1e21) },
      ],
    },
    data: '{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a\\"\\\\\\n"},"values":[[1700000000,"1"],[1700000121.001,"0.1"]]},'
      + '{"metric":{},"values":[[1700000000,"+Inf"],[1700000060.5,"-Inf"],[1700000121.001,"1e+21"]]}]}',
  },
  {
    name: "raw samples",
    result: { series: [{ labels: labelsOf({ a: "Grüße 😀" }), values: Float64Array.of(1.5, 2), timestampsMs: Float64Array.of(1, 2500) }] },
    data: '{"resultType":"matrix","result":[{"metric":{"a":"Grüße 😀"},"values":[[0.001,"1.5"],[2.5,"2"]]}]}',
  },
  {
    name: "vector",
    result: {
      resultType: "vector",
      timestampsMs: Float64Array.of(1_700_000_000_123),
      series: [{ labels: labelsOf({ a: "1" }), values: Float64Array.of(5e-324) }, { labels: labelsOf({ a: "2" }), values: Float64Array.of(-3) }],
    },
    data: '{"resultType":"vector","result":[{"metric":{"a":"1"},"value":[1700000000.123,"5e-324"]},{"metric":{"a":"2"},"value":[1700000000.123,"-3"]}]}',
  },
  {
    name: "NaN that is a value, and histograms",
    result: {
      timestampsMs: Float64Array.of(1000, 2000, 3000),
      series: [
        { labels: labelsOf({ a: "1" }), values: Float64Array.of(NaN, NaN, 3), present: Uint8Array.of(1, 0, 1) },
        { labels: labelsOf({ a: "2" }), values: new Float64Array(3), present: Uint8Array.of(0, 2, 1), histograms: [undefined, histogram, undefined] },
        { labels: labelsOf({ a: "3" }), values: new Float64Array(3), present: Uint8Array.of(2, 0, 0), histograms: [createHistogram({ sum: Infinity }), undefined, undefined] },
      ],
    },
    data: '{"resultType":"matrix","result":[{"metric":{"a":"1"},"values":[[1,"NaN"],[3,"3"]]},'
      + '{"metric":{"a":"2"},"values":[[3,"0"]],"histograms":[[2,{"count":"3","sum":"4.5","buckets":[[1,"-2","-1","1"],[0,"1","2","2"]]}]]},'
      + '{"metric":{"a":"3"},"histograms":[[1,{"count":"0","sum":"+Inf"}]]}]}',
  },
  {
    name: "raw samples with NaN and histograms",
    result: {
      series: [
        {
          labels: [], values: Float64Array.of(NaN, 2), timestampsMs: Float64Array.of(1000, 2000), isExact: true,
          rawHistograms: { timestampsMs: Float64Array.of(1500), histograms: [histogram] },
        },
      ],
    },
    data: '{"resultType":"matrix","result":[{"metric":{},"values":[[1,"NaN"],[2,"2"]],"histograms":[[1.5,{"count":"3","sum":"4.5","buckets":[[1,"-2","-1","1"],[0,"1","2","2"]]}]]}]}',
  },
  {
    name: "vector with a histogram",
    result: { resultType: "vector", timestampsMs: Float64Array.of(1000), series: [{ labels: [], values: new Float64Array(1), present: Uint8Array.of(2), histograms: [histogram] }] },
    data: '{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"3","sum":"4.5","buckets":[[1,"-2","-1","1"],[0,"1","2","2"]]}]}]}',
  },
  {
    name: "string of PromQL",
    result: { resultType: "string", timestampsMs: Float64Array.of(1000), text: 'y"' },
    data: '{"resultType":"string","result":[1,"y\\""]}',
  },
  {
    name: "scalar",
    result: { resultType: "scalar", timestampsMs: Float64Array.of(1000), series: [{ labels: [], values: Float64Array.of(NaN) }] },
    data: '{"resultType":"scalar","result":[1,"NaN"]}',
  },
  {
    name: "string",
    result: { resultType: "string", timestampsMs: Float64Array.of(1000), series: [{ labels: labelsOf({ __name__: 'x"' }), values: Float64Array.of(NaN) }] },
    data: '{"resultType":"string","result":[1,"x\\""]}',
  },
];

for (const row of rows) {
  test(`encode ${row.name}`, () => {
    const text = encode(row.result);
    assert.equal(text, envelope(row.data));
    assert.doesNotThrow(() => void JSON.parse(text));
  });
}

test("warnings and infos stand at the end", () => {
  const text = encode({ warnings: ['a "b"'], infos: ["c", "d"] });
  assert.equal(text, `${envelope('{"resultType":"matrix","result":[]}').slice(0, -1)},"warnings":["a \\"b\\""],"infos":["c","d"]}`);
});

test("partial results are marked", () => {
  assert.equal(encode({ isPartial: true }), envelope('{"resultType":"matrix","result":[]}', true));
});

/** The series of an answer as JSON.stringify writes them. */
function seriesJson({ resultType, series, timestampsMs }: Pick<QueryResult, "resultType" | "series" | "timestampsMs">): string {
  const documents = series.map(({ labels, values, present, histograms }) => {
    const metric = labelsToRecord(labels);
    if (histograms !== undefined) return { metric, histogram: [timestampsMs[0] / 1000, JSON.parse(histogramJson(histograms[0]!)) as object] };
    if (resultType === "vector") return { metric, value: [timestampsMs[0] / 1000, numberTextReference(values[0])] };
    const isThere = (value: number, point: number): boolean => (present === undefined ? !Number.isNaN(value) : present[point] === 1);
    return { metric, values: [...values].map((value, point) => [isThere(value, point), timestampsMs[point] / 1000, numberTextReference(value)] as const).filter(([there]) => there).map(([, ...point]) => point) };
  });
  return JSON.stringify(documents);
}

test("random answers are what JSON.stringify writes", () => {
  const seed = testSeed();
  const texts = ["", "a", "é", "😀", "\ud800", "\u2028", '"', "\\", "\n\0\u001f", "x".repeat(300), "job", "1"];
  for (let round = 0; round < 60; round++) {
    const random = seededRandom(seed + round);
    const resultType = round % 2 === 0 ? "vector" : "matrix";
    const isPromql = random.int(3) === 0;
    const points = resultType === "vector" ? 1 : random.int(40);
    const text = (): string => texts[random.int(texts.length)] + texts[random.int(texts.length)];
    const number = (): number => [NaN, random.int(100), random.next(), Infinity][random.int(4)];
    const timestampsMs = Float64Array.from({ length: points }, (_, i) => 1_700_000_000_000 + i * 15_000);
    const series = Array.from({ length: [0, 1, 20, 3000][random.int(4)] }, (_, i) => {
      const labels = labelsOf({ __name__: text(), [`a${text()}`]: text(), i: String(i) });
      const values = Float64Array.from({ length: points }, number);
      if (!isPromql) return { labels, values };
      if (resultType === "vector" && random.int(5) === 0) return { labels, values, present: Uint8Array.of(2), histograms: [histogram] };
      return { labels, values, present: Uint8Array.from(values, () => (random.int(4) === 0 && resultType === "matrix" ? 0 : 1)) };
    }).filter(({ present }) => present?.includes(1) !== false || resultType === "vector");
    const result = { resultType, timestampsMs, series } as const;
    assert.equal(encode(result), envelope(`{"resultType":"${resultType}","result":${seriesJson(result)}}`), `seed ${seed + round}`);
  }
});

test("a large answer", () => {
  const points = 2000;
  const timestampsMs = Float64Array.from({ length: points }, (_, i) => 1_700_000_000_000 + i * 15_000);
  const series = Array.from({ length: 50 }, (_, k) => ({ labels: labelsOf({ k: String(k) }), values: timestampsMs.map((_, i) => (i * (k + 1)) / 7) }));
  const parsed = JSON.parse(encode({ timestampsMs, series })) as { data: { result: { values: [number, string][] }[] } };
  assert.equal(parsed.data.result.length, 50);
  parsed.data.result.forEach(({ values }, k) => {
    assert.deepEqual(values.map(([t]) => t), [...timestampsMs].map((ms) => ms / 1000));
    assert.deepEqual(values.map(([, v]) => v), [...series[k].values].map(String));
  });
});
