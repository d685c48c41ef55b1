/** Wire formats: bodies of write requests and frames between processes. */
import { InputError } from "../../src/base/errors.ts";
import type { Random } from "../../src/base/random.ts";
import { checksumOfBytes } from "../../src/kernel/checksum.ts";
import { bodySlackBytes, defaultLabelLimits } from "../../src/kernel/label_run.ts";
import { countSamples, joinHistograms, parseComponent, visitComponents } from "../../src/model/histogram_series.ts";
import { decodeLabelRun, encodeLabelRun, isLabelRun, type Labels } from "../../src/model/labels.ts";
import { defaultTenant } from "../../src/model/matcher.ts";
import type { FloatHistogram } from "../../src/model/native_histogram.ts";
import { type RowBatch, seriesRow } from "../../src/model/row_batch.ts";
import { RowBatchBuilder } from "../../src/model/row_batch_builder.ts";
import { parseExemplar } from "../../src/protocol/exemplar_text.ts";
import { extraLabelsOf } from "../../src/protocol/extra_labels.ts";
import { JsonLinesParser } from "../../src/protocol/json_lines.ts";
import { PrometheusProtobufParser } from "../../src/protocol/prometheus_protobuf.ts";
import { PrometheusTextParser } from "../../src/protocol/prometheus_text.ts";
import { RemoteWriteParser } from "../../src/protocol/remote_write.ts";
import { decodeRowBatchFrame, encodeRowBatchFrame, rowBatchFrameSize } from "../../src/protocol/row_batch_frame.ts";
import type { SliceParser } from "../../src/protocol/slice_parser.ts";
import { encodeExposition } from "../exposition_body.ts";
import { encodeHistogramRequest, histogramFields } from "../histogram_body.ts";
import { randomHistogram } from "../random_histogram.ts";
import { encodeWriteRequest } from "../remote_write_body.ts";
import { collectBatch } from "../parse_body.ts";
import { expect } from "./expectation.ts";
import { type FuzzSeed, type FuzzTarget, once } from "./fuzz_target.ts";
import { GuardedKernel } from "./guarded_kernel.ts";
import { randomLabelSet } from "./label_seeds.ts";

const nowMs = 1_700_000_000_000;
const bodyBytesMax = 128 << 10;

interface GuardedParser {
  readonly guard: GuardedKernel;
  readonly parser: SliceParser;
}

function guarded(make: (guard: GuardedKernel) => SliceParser): () => GuardedParser {
  return once(() => {
    const guard = new GuardedKernel(6 << 20);
    return { guard, parser: guard.claim(() => make(guard)) };
  });
}

const extraLabels: Labels = [{ name: "__name__", value: "extra" }, { name: "label_5", value: "x" }];

/** A row has labels that are canonical and within the limits. */
function checkRow(batch: RowBatch, row: number): void {
  const offset = batch.seriesRows[row * seriesRow.slots + seriesRow.labelsOffset];
  const end = offset + batch.seriesRows[row * seriesRow.slots + seriesRow.labelsSize];
  expect(isLabelRun(batch.labelBytes, offset, end), `the labels of row ${row} are not canonical`);
  const labels = decodeLabelRun(batch.labelBytes, offset, end);
  expect(labels.length <= defaultLabelLimits.labelsMax + extraLabels.length, `row ${row} has ${labels.length} labels`);
}

/** A parser that takes native histograms and their classic buckets. */
function nativeScrapes(parser: PrometheusProtobufParser): SliceParser {
  const start: SliceParser["start"] = (pointer, size, options) => parser.start(pointer, size, { ...options, histograms: { takesNative: true, takesClassicBesides: size % 2 === 0, bucketsMax: 100, minBucketFactor: (size % 5) / 4, convertsClassic: size % 3 === 0 }, takesStarts: size % 7 < 4 });
  return { start, next: () => parser.next(), get report() { return parser.report; } };
}

/** Parses a body to its end, slice by slice, in a memory that ends behind it. */
function runParser({ guard, parser }: GuardedParser, input: Uint8Array): void {
  const body = input.subarray(0, bodyBytesMax);
  const pointer = guard.place(body, bodySlackBytes);
  parser.start(pointer, body.length, { tenant: defaultTenant, extraLabels: body.length % 3 === 0 ? extraLabels : [], nowMs });
  let sampleCount = 0;
  let batches = 0;
  for (let batch = parser.next(); batch !== undefined; batch = parser.next()) {
    expect(++batches < 20_000, "the parser does not come to an end");
    collectBatch(batch, []);
    for (let row = 0; row < batch.seriesCount; row++) checkRow(batch, row);
    for (const timestampMs of batch.timestampsMs) expect(Number.isInteger(timestampMs), `a timestamp of ${timestampMs}`);
    for (const { metricFamily } of batch.metadata) expect(metricFamily !== "", "metadata without a name");
    sampleCount += countSamples(batch);
  }
  guard.check();
  const { report } = parser;
  expect(report.samples === sampleCount, `the report counts ${report.samples} samples instead of ${sampleCount}`);
  expect(!report.broken || report.firstError !== undefined, "a broken body has an error");
  if (report.firstError !== undefined) throw report.firstError;
}

const valueTexts = ["0", "1", "-1.5", "1e9", "NaN", "+Inf", "-Inf", "123456789012345678901234567890", "4.9e-324", "1.7976931348623157e308", "0x1p-3", "1_000", ".5", "5.", "9007199254740993"];

function randomValue(random: Random): number {
  return random.int(3) === 0 ? [0, -0, Infinity, 1e300, 5e-324, 0.1, 2 ** 53][random.int(7)] : random.int(1000) / 4;
}

function writeRequestSeed(random: Random): FuzzSeed {
  const series = Array.from({ length: 1 + random.int(12) }, () => {
    const count = random.int(5);
    return {
      labels: randomLabelSet(random),
      timestampsMs: Array.from({ length: count }, () => nowMs + random.int(1e6)),
      values: Float64Array.from({ length: count }, () => randomValue(random)),
    };
  });
  const metadata = Array.from({ length: random.int(3) }, (_, i) => ({ metricFamily: `metric_${i}`, type: "counter" as const, help: "Help.", unit: "" }));
  return { bytes: encodeWriteRequest(series, metadata) };
}

function histogramRequestSeed(random: Random): FuzzSeed {
  const series = Array.from({ length: 1 + random.int(4) }, () => ({
    labels: randomLabelSet(random),
    floats: Array.from({ length: random.int(3) }, (): [number, number] => [nowMs + random.int(1e6), randomValue(random)]),
    histograms: Array.from({ length: random.int(3) }, (): [number, FloatHistogram] => [nowMs + random.int(1e6), { ...randomHistogram(random), ...(random.int(2) === 0 && { isInteger: true }) }]),
    exemplars: Array.from({ length: random.int(2) }, () => ({ labels: [{ name: "trace_id", value: "x" }], value: 1, timestampMs: nowMs })),
  }));
  return { bytes: encodeHistogramRequest(series) };
}

function expositionSeed(random: Random): FuzzSeed {
  const families = Array.from({ length: 1 + random.int(4) }, (_, i) => ({ name: `metric_${i}`, help: "Help.", type: random.int(6), metric: Array.from({ length: 1 + random.int(4) }, () => expositionMetric(random)) }));
  return { bytes: encodeExposition(families) };
}

function expositionMetric(random: Random): Record<string, unknown> {
  const label = randomLabelSet(random).filter(({ name }) => name !== "__name__");
  const exemplar = { label: [{ name: "trace_id", value: "x" }], value: 1, timestamp: { seconds: 1.6e9, nanos: 5 } };
  const created_timestamp = { seconds: 1.5e9, nanos: random.int(1e9) };
  const { schema, sum, count_int, zero_count_int, zero_threshold, positive_spans, negative_spans, positive_deltas, negative_deltas } = histogramFields({ ...randomHistogram(random, random.int(9)), isInteger: true });
  const histogram = { schema, sample_sum: sum, sample_count: count_int, zero_count: zero_count_int, zero_threshold, positive_span: positive_spans, negative_span: negative_spans, positive_delta: positive_deltas, negative_delta: negative_deltas, bucket: [{ cumulative_count: Math.min(1, Number(count_int ?? 0)), upper_bound: 2, exemplar }], exemplars: [exemplar], created_timestamp };
  const values = [{ gauge: { value: randomValue(random) } }, { counter: { value: 1, exemplar, created_timestamp } }, { summary: { sample_count: 1, quantile: [{ quantile: 0.5, value: 1 }] } }, { untyped: { value: 1 } }, { histogram }];
  return { label, ...values[random.int(values.length)], ...(random.int(3) === 0 && { timestamp_ms: nowMs }) };
}

/** The value of __histogram__ as it may stand on a disk. */
function runComponent(input: Uint8Array): void {
  const parsed = parseComponent(Buffer.from(input).toString("utf8"));
  if (parsed === undefined) throw new InputError("bad_component", "no component");
  const histograms = joinHistograms([...["schema", "count", "sum"].map((component) => ({ component, timestampsMs: Float64Array.of(1), values: Float64Array.of(component === "schema" ? 512 : 1) })), { component: Buffer.from(input).toString("utf8"), timestampsMs: Float64Array.of(1), values: Float64Array.of(1) }]);
  expect(histograms.histograms.length === 1, "a histogram");
  visitComponents(histograms.histograms[0], (component) => expect(parseComponent(component) !== undefined, `component ${component} cannot be read`));
}

function componentSeed(random: Random): FuzzSeed {
  const components: string[] = [];
  visitComponents(randomHistogram(random), (component) => components.push(component));
  return { bytes: Buffer.from(components[random.int(components.length)]) };
}

function runExemplar(input: Uint8Array): void {
  const exemplar = parseExemplar(`# {${Buffer.from(input).toString("utf8")}`, nowMs);
  if (exemplar === undefined) throw new InputError("bad_exemplar", "no exemplar");
  expect(Number.isInteger(exemplar.timestampMs) && !Number.isNaN(exemplar.value), "an exemplar has a time and a value");
}

function textSeed(random: Random): FuzzSeed {
  const lines: string[] = [];
  for (let i = 1 + random.int(12); i > 0; i--) {
    if (random.int(5) === 0) lines.push([`# HELP metric_${i} Some \\n help.`, `# TYPE metric_${i} counter`, `# UNIT metric_${i} seconds`, "# a comment", ""][random.int(5)]);
    const labels = randomLabelSet(random);
    const pairs = labels.slice(1).map(({ name, value }) => `${name}="${value}"`);
    const timestamp = random.int(2) === 0 ? "" : ` ${nowMs + random.int(1e6)}`;
    const exemplar = random.int(8) === 0 ? ' # {trace_id="a"} 1.5' : "";
    lines.push(`${labels[0].value}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${random.int(4) === 0 ? String(randomValue(random)) : "1.5"}${timestamp}${exemplar}`);
  }
  // Names of values in JavaScript are not those of the format.
  return { bytes: Buffer.from(lines.join("\n").replaceAll("Infinity", "+Inf") + (random.int(2) === 0 ? "\n" : "")) };
}

const textWords = ["{", "}", '"', "\\", "\\n", "\n", "\r\n", "#", "# HELP ", "# TYPE ", " ", "\t", ",", "=", '="', '",', "{a=", "__name__", '{"', "\u0000", "\ufeff", "\u00fc", ...valueTexts];

function jsonSeed(random: Random): FuzzSeed {
  const lines = Array.from({ length: 1 + random.int(6) }, () => {
    const count = 1 + random.int(6);
    return JSON.stringify({
      metric: Object.fromEntries(randomLabelSet(random).map(({ name, value }) => [name, value])),
      values: Array.from({ length: count }, () => (random.int(8) === 0 ? null : random.int(1000) / 4)),
      timestamps: Array.from({ length: count }, () => nowMs + random.int(1e6)),
    });
  });
  return { bytes: Buffer.from(lines.join("\n")) };
}

const jsonWords = ["{", "}", "[", "]", '"', "\\", "\\u", "\\ud800", "\\u0000", ",", ":", "null", '"NaN"', '"Infinity"', '{"metric":', '"values":[', '"timestamps":[', "\n", "[[[[[[[[", ...valueTexts];

/** A number alone on a line has the value that JavaScript gives it. */
function runNumber(target: () => GuardedParser, input: Uint8Array): void {
  const text = Buffer.from(input.subarray(0, 400)).toString("latin1").replace(/[^\x21-\x7e]|[#{}"]/g, "0");
  const { guard, parser } = target();
  const body = Buffer.from(`m ${text}\n`);
  parser.start(guard.place(body, bodySlackBytes), body.length, { tenant: defaultTenant, extraLabels: [], nowMs });
  const batch = parser.next();
  const value = batch !== undefined && batch.sampleCount === 1 ? batch.values[0] : undefined;
  while (parser.next() !== undefined);
  guard.check();
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) expect(value !== undefined && Object.is(value, Number(text)), `${text} is read as ${value}`);
  if (value === undefined) throw new InputError("bad_number", text);
}

function numberSeed(random: Random): FuzzSeed {
  const digits = (count: number): string => Array.from({ length: count }, () => random.int(10)).join("");
  const fraction = random.int(2) === 0 ? "" : `.${digits(random.int(25))}`;
  const exponent = random.int(2) === 0 ? "" : `e${["", "-", "+"][random.int(3)]}${random.int(400)}`;
  return { bytes: Buffer.from(`${random.int(4) === 0 ? "-" : ""}${1 + random.int(9)}${digits(random.int(random.int(8) === 0 ? 330 : 22))}${fraction}${exponent}`) };
}

function frameSeed(random: Random): FuzzSeed {
  const builder = new RowBatchBuilder();
  for (let i = 1 + random.int(8); i > 0; i--) {
    const count = 1 + random.int(3);
    builder.addSeries(randomLabelSet(random), Float64Array.from({ length: count }, () => nowMs), Float64Array.from({ length: count }, () => random.next()));
  }
  const metadata = random.int(2) === 0 ? [] : [{ metricFamily: "metric_1", type: "gauge" as const, help: "h", unit: "s" }];
  const bytes = encodeRowBatchFrame({ ...builder.build(), metadata });
  return { bytes, seal: sealFrame };
}

function sealFrame(bytes: Uint8Array): void {
  if (bytes.length < 48) return;
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(8, checksumOfBytes(bytes.subarray(12)), true);
}

function runFrame(input: Uint8Array): void {
  rowBatchFrameSize(input);
  const batch = decodeRowBatchFrame(input);
  expect(batch.timestampsMs.length === batch.sampleCount && batch.values.length === batch.sampleCount, "columns have the size that the frame says");
  for (let row = 0; row < batch.seriesCount; row++) {
    const offset = batch.seriesRows[row * seriesRow.slots + seriesRow.labelsOffset];
    decodeLabelRun(batch.labelBytes, offset, offset + batch.seriesRows[row * seriesRow.slots + seriesRow.labelsSize]);
  }
  // What was accepted can be passed on.
  decodeRowBatchFrame(encodeRowBatchFrame(batch));
}

function runLabelRun(input: Uint8Array): void {
  if (!isLabelRun(input, 0, input.length)) throw new InputError("malformed_labels", "not canonical");
  for (const { value } of decodeLabelRun(input, 0, input.length)) expect(value !== "", "a label without value");
}

function extraLabelsSeed(random: Random): FuzzSeed {
  const path = ["/api/v1/import/prometheus/metrics/job/x/a/b", "/metrics/job@base64/Zm9v/l@base64/YmFy", "/api/v1/write", "/metrics/job/a%2Fb/x/%zz"][random.int(4)];
  return { bytes: Buffer.from(`${path}?extra_label=a=b&extra_label=c=%C3%BC&x=1`) };
}

function runExtraLabels(input: Uint8Array): void {
  const text = Buffer.from(input).toString("utf8");
  const mark = text.indexOf("?");
  const labels = extraLabelsOf(mark < 0 ? text : text.slice(0, mark), new URLSearchParams(mark < 0 ? "" : text.slice(mark + 1)));
  const run = encodeLabelRun(labels);
  expect(labels.length === 0 || isLabelRun(run, 0, run.length), "extra labels are not canonical");
}

const remoteWrite = guarded(({ kernel }) => new RemoteWriteParser(kernel));
const text = guarded(({ kernel }) => new PrometheusTextParser(kernel));
const openMetrics = guarded(({ kernel }) => new PrometheusTextParser(kernel, defaultLabelLimits, "seconds"));
const protobuf = guarded(({ kernel }) => nativeScrapes(new PrometheusProtobufParser(kernel)));
const json = guarded(({ kernel }) => new JsonLinesParser(kernel));

export const protocolTargets: readonly FuzzTarget[] = [
  { name: "remote_write", covers: ["RemoteWriteParser", "remoteWriteParse"], make: writeRequestSeed, run: (input) => runParser(remoteWrite(), input) },
  { name: "remote_write_histograms", covers: ["ProtobufReader"], make: histogramRequestSeed, run: (input) => runParser(remoteWrite(), input) },
  { name: "prometheus_protobuf", covers: ["PrometheusProtobufParser"], make: expositionSeed, run: (input) => runParser(protobuf(), input) },
  { name: "histogram_component", covers: ["parseComponent", "visitComponents"], words: ["p", "n", "z:", "c:", "-", "+Inf", "1e999", "8:"], make: componentSeed, run: runComponent },
  { name: "exemplar_text", covers: ["parseExemplar"], words: ['="', '",', "}", " ", "\\", "1.5"], make: () => ({ bytes: Buffer.from('trace_id="a",b="\\n"} 1.5 1600000000.5') }), run: runExemplar },
  { name: "prometheus_text", covers: ["PrometheusTextParser", "prometheusTextParse"], make: textSeed, words: textWords, run: (input) => runParser(text(), input) },
  { name: "openmetrics", covers: ["PrometheusTextParser"], make: textSeed, words: textWords, run: (input) => runParser(openMetrics(), input) },
  { name: "json_lines", covers: ["JsonLinesParser", "jsonLinesParse"], make: jsonSeed, words: jsonWords, run: (input) => runParser(json(), input) },
  { name: "number", covers: ["applyFixes"], make: numberSeed, words: valueTexts, run: (input) => runNumber(text, input) },
  { name: "row_batch_frame", covers: ["decodeRowBatchFrame", "rowBatchFrameSize"], make: frameSeed, run: runFrame },
  { name: "label_run", covers: ["isLabelRun", "decodeLabelRun"], make: (random) => ({ bytes: encodeLabelRun(randomLabelSet(random)) }), run: runLabelRun },
  { name: "extra_labels", covers: ["extraLabelsOf"], make: extraLabelsSeed, words: ["/", "@base64", "%", "%2F", "=", "&extra_label="], run: runExtraLabels },
];
