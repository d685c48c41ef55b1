// The remote write kernel equals its plain twin on well-formed, odd and damaged bodies, whatever the slices.
import assert from "node:assert/strict";
import { test } from "node:test";
import protobuf from "protobufjs";
import { type Random, seededRandom } from "../base/random.ts";
import { decodeLabelRun, encodeLabelRun, type Label, labelsOf } from "../model/labels.ts";
import { RemoteWriteParser, remoteWriteSliceRowsMax } from "../protocol/remote_write.ts";
import { defaultTenant } from "../model/matcher.ts";
import { defaultBucketsMax, RemoteWriteSeries } from "../protocol/remote_write_series.ts";
import { BodyParser, collectBatch, type CollectedSeries, describeSeries, joinSeries, mutate } from "../../testkit/parse_body.ts";
import { type BodySeries, encodeWriteRequest, fleetSeries } from "../../testkit/remote_write_body.ts";
import { runRemoteWriteBench } from "./remote_write.bench.ts";
import { Kernel } from "./kernel.ts";
import { defaultLabelLimits, type IntakeRules } from "./label_run.ts";
import { ParsedBody } from "./label_run_reference.ts";
import { remoteWriteParseReference } from "./remote_write_reference.ts";
import { testSeed } from "../../testkit/seed.ts";

const kernel = new Kernel();
const body = new BodyParser(kernel, 4 << 20);
const parser = new RemoteWriteParser(kernel);
/** The other parser also keeps NaN. */
const smallLimits: IntakeRules = { labelsMax: 5, nameSizeMax: 20, valueSizeMax: 150, keepsNaN: true };
const smallParser = new RemoteWriteParser(kernel, smallLimits);
const encoder = new TextEncoder();

const schema = protobuf.parse(`syntax = "proto3";
  message WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
  message TimeSeries { repeated Label labels = 1; repeated Sample samples = 2; repeated Exemplar exemplars = 3; repeated Histogram histograms = 4; }
  message Label { string name = 1; string value = 2; }
  message Sample { double value = 1; int64 timestamp = 2; }
  message Exemplar { repeated Label labels = 1; double value = 2; int64 timestamp = 3; }
  message Histogram { uint64 count = 1; double sum = 3; int64 timestamp = 15; }
  message MetricMetadata { uint32 type = 1; string metric_family_name = 2; string help = 4; string unit = 5; }`, { keepCase: true }).root;
const writeRequest = schema.lookupType("WriteRequest");

const label = (name: string, value: string): Label => ({ name, value });
const series = (labels: Label[], timestampsMs: number[], values: number[]): BodySeries => ({ labels, timestampsMs, values: Float64Array.from(values) });

/** Kernel and twin on the same bytes. */
function check(bytes: Uint8Array, options: { extra?: Record<string, string> | undefined; limits?: IntakeRules | undefined; message?: string } = {}): ReturnType<typeof body.parse> {
  const message = options.message ?? "";
  const extraLabels = labelsOf(options.extra ?? {});
  const actual = body.parse(options.limits === undefined ? parser : smallParser, bytes, { extraLabels });
  const expected = new ParsedBody(options.limits);
  const extra = extraLabels.filter((pair) => pair.name !== "").map((pair) => ({ name: encoder.encode(pair.name), value: encoder.encode(pair.value) }));
  remoteWriteParseReference(bytes, expected, extra, options.limits ?? defaultLabelLimits);
  // What the kernel leaves to others is what the twin leaves to them.
  const more = new RemoteWriteSeries({ limits: options.limits ?? defaultLabelLimits, bucketsMax: defaultBucketsMax });
  more.start(defaultTenant, extraLabels.filter((pair) => pair.name !== ""));
  for (const message of expected.seriesNotes) more.add(message);
  const components: CollectedSeries[] = [];
  for (let batch = more.next(); batch !== undefined; batch = more.next()) collectBatch(batch, components);
  for (const [reason, count] of Object.entries(more.dropped)) expected.drop(reason, count);
  // Of two breaks in one series the kernel may meet another first, but it stops at the same series.
  assert.equal(actual.report.broken, expected.errorOffset !== undefined, message);
  const isComponent = (one: CollectedSeries): boolean => Buffer.from(one.labelRun).includes("__histogram__");
  assert.deepEqual(joinSeries(actual.series.filter((one) => !isComponent(one))), joinSeries(expected.series.filter((one) => !isComponent(one))), message);
  assert.deepEqual(joinSeries(actual.series.filter(isComponent)), joinSeries([...expected.series.filter(isComponent), ...components]), message);
  if (expected.errorOffset === undefined) assert.deepEqual(actual.report.droppedByReason, expected.dropped, message);
  return actual;
}

const steps = [1_700_000_000_000, 1_700_000_015_000];
const long = (size: number): string => "x".repeat(size);
const rows: { name: string; series: BodySeries[]; extra?: Record<string, string>; expected: [Record<string, string>, number[]][]; dropped?: object; limits?: IntakeRules }[] = [
  { name: "canonical", series: [series([label("__name__", "up"), label("job", "a")], steps, [1, 0])], expected: [[{ __name__: "up", job: "a" }, [1, 0]]] },
  { name: "unsorted", series: [series([label("job", "a"), label("__name__", "up")], steps, [1, 2])], expected: [[{ __name__: "up", job: "a" }, [1, 2]]] },
  { name: "names with a common prefix", series: [series([label("abcdefghij", "1"), label("abcdefghi", "2"), label("abcdefgh", "3")], steps, [1, 2])], expected: [[{ abcdefgh: "3", abcdefghi: "2", abcdefghij: "1" }, [1, 2]]] },
  { name: "empty value", series: [series([label("__name__", "up"), label("job", "")], steps, [1, 2])], expected: [[{ __name__: "up" }, [1, 2]]] },
  { name: "empty name", series: [series([label("", "x"), label("__name__", "up")], steps, [1, 2])], expected: [[{ __name__: "up" }, [1, 2]]] },
  { name: "twice the same name", series: [series([label("a", "1"), label("b", "x"), label("a", "2")], steps, [1, 2])], expected: [[{ a: "2", b: "x" }, [1, 2]]] },
  { name: "extra label overrides", extra: { job: "z", zone: "q" }, series: [series([label("__name__", "up"), label("job", "a")], steps, [1, 2])], expected: [[{ __name__: "up", job: "z", zone: "q" }, [1, 2]]] },
  { name: "no labels", series: [series([], steps, [1, 2]), series([label("a", "b")], [1], [3])], expected: [[{ a: "b" }, [3]]], dropped: { no_labels: 2 } },
  { name: "only empty labels", series: [series([label("a", "")], steps, [1, 2])], expected: [], dropped: { no_labels: 2 } },
  { name: "NaN is dropped", series: [series([label("a", "b")], [1, 2, 3], [1, Number.NaN, 3])], expected: [[{ a: "b" }, [1, 3]]], dropped: { nan_value: 1 } },
  { name: "NaN is kept where it is wanted", limits: smallLimits, series: [series([label("a", "b")], [1, 2, 3], [1, Number.NaN, 3]), series([label("a", "c")], [4], [Number.NaN])], expected: [[{ a: "b" }, [1, Number.NaN, 3]], [{ a: "c" }, [Number.NaN]]] },
  { name: "zero, minus zero and infinities", series: [series([label("a", "b")], [0, 1, -5, 2 ** 52], [0, -0, Infinity, -Infinity])], expected: [[{ a: "b" }, [0, -0, Infinity, -Infinity]]] },
  { name: "long values", series: [series([label("a", long(127)), label("b", long(128)), label("c", long(4096))], [1], [1])], expected: [[{ a: long(127), b: long(128), c: long(4096) }, [1]]] },
  { name: "value too long", series: [series([label("a", long(4097))], steps, [1, 2]), series([label("a", "b")], [1], [3])], expected: [[{ a: "b" }, [3]]], dropped: { label_too_long: 2 } },
  { name: "name too long", series: [series([label(long(257), "a")], [1], [2])], expected: [], dropped: { label_too_long: 1 } },
  { name: "40 labels", series: [series(Array.from({ length: 40 }, (_, i) => label(`l${i + 100}`, "v")), [1], [2])], expected: [[Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`l${i + 100}`, "v"])), [2]]] },
  { name: "41 labels", series: [series(Array.from({ length: 41 }, (_, i) => label(`l${i + 100}`, "v")), [1], [2])], expected: [], dropped: { too_many_labels: 1 } },
  { name: "short name limit", limits: smallLimits, series: [series([label(long(21), "a")], [1], [2]), series([label(long(20), long(150))], [1], [2])], expected: [[{ [long(20)]: long(150) }, [2]]], dropped: { label_too_long: 1 } },
  { name: "few labels allowed, extra ones count", limits: smallLimits, extra: { x: "1" }, series: [series(["a", "b", "c", "d", "e"].map((name) => label(name, "v")), [1], [2]), series(["a", "b", "c", "d"].map((name) => label(name, "v")), [1], [2])], expected: [[{ a: "v", b: "v", c: "v", d: "v", x: "1" }, [2]]], dropped: { too_many_labels: 1 } },
  { name: "bytewise order of UTF-8", series: [series([label("ä", "1"), label("z", "2"), label("\u{10000}", "3"), label("\uffff", "4")], [1], [2])], expected: [[{ z: "2", ä: "1", "\uffff": "4", "\u{10000}": "3" }, [2]]] },
];
for (const row of rows) {
  test(`remote write: ${row.name}`, () => {
    const result = check(encodeWriteRequest(row.series), { extra: row.extra, limits: row.limits });
    assert.deepEqual(result.series.map((one) => [describeSeries(one).labels, describeSeries(one).values]), row.expected);
    assert.deepEqual(result.report.droppedByReason, row.dropped ?? {});
    for (const one of result.series) assert.deepEqual(encodeLabelRun(decodeLabelRun(one.labelRun, 0, one.labelRun.length)), one.labelRun);
  });
}

test("a canonical series is used in place, another is rewritten", () => {
  const bytes = encodeWriteRequest([series([label("a", "b")], [1], [1]), series([label("b", "b"), label("a", "c")], [1], [1])]);
  kernel.u8.set(bytes, body.bodyPointer);
  parser.start(body.bodyPointer, bytes.length, { tenant: { accountId: 3, projectId: 4 }, extraLabels: [], nowMs: 0 });
  const batch = parser.next();
  assert.ok(batch !== undefined && batch.tenant.accountId === 3);
  const inBody = (offset: number): boolean => offset >= body.bodyPointer && offset < body.bodyPointer + bytes.length;
  assert.deepEqual([inBody(batch.seriesRows[0]), inBody(batch.seriesRows[5])], [true, false]);
  assert.equal(parser.next(), undefined);
});

test("the stale marker and other values keep their bits", () => {
  const values = new Float64Array(BigUint64Array.of(0x7ff0000000000002n, 0x7ff8000000000001n, 0xfff0000000000001n, 1n, 0x8000000000000000n).buffer);
  const result = check(encodeWriteRequest([{ labels: [label("a", "b")], timestampsMs: [1, 2, 3, 4, 5], values }]));
  assert.deepEqual(result.series[0].valueBits, [0x7ff0000000000002n, 1n, 0x8000000000000000n]);
  assert.deepEqual(result.report.droppedByReason, { nan_value: 2 });
  const keeping = check(encodeWriteRequest([{ labels: [label("a", "b")], timestampsMs: [1, 2, 3, 4, 5], values }]), { limits: smallLimits });
  assert.deepEqual(keeping.series[0].valueBits, [...new BigUint64Array(values.buffer)]);
});

test("metadata is kept (protobufjs writes the body)", () => {
  const bytes = writeRequest.encode(writeRequest.fromObject({
    timeseries: [{ labels: [label("__name__", "a")], samples: [{ value: 2, timestamp: 1000 }], exemplars: [{ labels: [label("trace", "x")], value: 1, timestamp: 5 }], histograms: [{ count: 1, timestamp: 4 }, { timestamp: 5 }] }],
    metadata: [{ type: 1, metric_family_name: "a", help: "what it is", unit: "s" }, { type: 99, metric_family_name: "b" }, { type: 1 }],
  })).finish();
  const result = check(bytes);
  assert.deepEqual(describeSeries(result.series[0]), { labels: { __name__: "a" }, timestamps: [1000], values: [2] });
  assert.deepEqual(result.series.slice(1).map((one) => describeSeries(one).labels["__histogram__"]), ["schema", "count", "sum"]);
  assert.deepEqual(result.report.droppedByReason, { invalid_histogram: 1 });
  assert.deepEqual(result.metadata, [
    { metricFamily: "a", type: "counter", help: "what it is", unit: "s" },
    { metricFamily: "b", type: "unknown", help: "", unit: "" },
  ]);
});

test("a request of metadata alone yields it", () => {
  const entries = Array.from({ length: 2000 }, (_, i) => ({ metricFamily: `m${i}`, type: "gauge" as const, help: "h", unit: "" }));
  const result = check(encodeWriteRequest([], entries));
  assert.deepEqual(result.metadata, entries);
});

test("one long series continues in the next slices, canonical or not, with labels behind its samples too", () => {
  const count = remoteWriteSliceRowsMax * 2 + 1000;
  const timestampsMs = Array.from({ length: count }, (_, i) => 1_700_000_000_000 + i * 1000);
  const values = Float64Array.from({ length: count }, (_, i) => i / 4);
  const sorted = [label("a", "1"), label("b", "2")];
  for (const labels of [sorted, sorted.toReversed()]) {
    const one = check(encodeWriteRequest([{ labels: [label("x", "y")], timestampsMs: [1], values: Float64Array.of(7) }, { labels, timestampsMs, values }, { labels: [label("x", "z")], timestampsMs: [1], values: Float64Array.of(7) }]));
    assert.equal(one.batchCount, 3);
    assert.deepEqual(one.series.map((each) => each.valueBits.length), [1, count, 1]);
    assert.deepEqual(describeSeries(one.series[1]).labels, { a: "1", b: "2" });
  }
  // protobufjs writes fields in order; join two messages of one series to get a label at the end.
  const message = Buffer.concat([encodeWriteRequest([{ labels: [label("b", "1")], timestampsMs, values }]).subarray(4), encodeWriteRequest([series([label("a", "2")], [], [])]).subarray(2)]);
  const size: number[] = [];
  for (let rest = message.length; ; rest >>>= 7) {
    size.push(rest >= 128 ? (rest & 127) | 128 : rest);
    if (rest < 128) break;
  }
  const late = check(Buffer.concat([Buffer.from([0x0a, ...size]), message]));
  assert.deepEqual(describeSeries(late.series[0]).labels, { a: "2", b: "1" });
  assert.equal(late.series[0].valueBits.length, count);
});

test("slices end when rows, samples or rewritten labels run out of room", () => {
  const many = Array.from({ length: remoteWriteSliceRowsMax * 2 + 1 }, (_, i) => series([label("a", String(i))], [i], [i]));
  assert.equal(check(encodeWriteRequest(many)).batchCount, 3);
  assert.equal(check(encodeWriteRequest(many.slice(1))).batchCount, 2);
  const extra = { b: long(4000) };
  assert.equal(check(encodeWriteRequest(many.slice(0, 2000)), { extra }).batchCount, 4);
});

test("rows before a break are kept, the error has its offset", () => {
  const whole = encodeWriteRequest(fleetSeries(3, 1_700_000_000_000));
  const cut = check(whole.subarray(0, whole.length - 3));
  assert.equal(cut.series.length, 2);
  assert.equal(cut.report.broken, true);
  assert.equal(cut.report.firstError?.code, "corrupt_protobuf");
  assert.equal(cut.report.firstError?.offset, whole.length - encodeWriteRequest([fleetSeries(3, 1_700_000_000_000)[2]]).length);
  assert.equal(check(whole).report.broken, false);
  for (let size = 0; size < whole.length; size += 5) check(whole.subarray(0, size), { message: `cut at ${size}` });
});

function randomSeries(random: Random): BodySeries {
  const names = ["__name__", "a", "abcdefgh", "abcdefghi", "b", "instance", "job", "zone", "Z", "é", ""];
  const labels: Label[] = [];
  for (const name of names) if (random.int(3) > 0) labels.push(label(name, random.int(12) === 0 ? "" : long(random.int(random.int(6) === 0 ? 200 : 10) + (random.int(9) === 0 ? 0 : 1))));
  if (random.int(3) === 0) labels.sort(() => random.int(3) - 1);
  if (random.int(6) === 0 && labels.length > 0) labels.push(label(labels[0].name, "again"));
  const count = random.int(4);
  const values = Float64Array.from({ length: count }, () => [0, -0, 1, random.next(), Number.NaN, Infinity][random.int(6)]);
  return { labels, timestampsMs: Array.from({ length: count }, () => [0, 5, 1_700_000_000_000 + random.int(1e6), -1, 2 ** 40][random.int(5)]), values };
}

test("kernel equals twin on random and damaged bodies", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  let goodCount = 0;
  let badCount = 0;
  for (let round = 0; round < 4000; round++) {
    const message = `seed ${seed} round ${round}`;
    const bytes = encodeWriteRequest(Array.from({ length: 1 + random.int(5) }, () => randomSeries(random)));
    const options = { message, extra: random.int(4) === 0 ? { job: "extra", "": "x" } : undefined, limits: random.int(3) === 0 ? smallLimits : undefined };
    const { series: found, report } = check(round % 3 === 0 ? bytes : mutate(bytes, random), options);
    goodCount += found.length;
    badCount += report.broken ? 1 : 0;
    if (round % 10 === 0) check(Uint8Array.from({ length: random.int(100) }, () => [0x0a, 0x12, 0x09, 0x10, random.int(256)][random.int(5)]), { message });
  }
  assert.ok(goodCount > 1000 && badCount > 300, `good ${goodCount}, bad ${badCount}`);
});

test("the benchmark runs", () => {
  const figures = runRemoteWriteBench({ seriesCount: 50, rounds: 1 });
  assert.ok(figures.walkNs > 0 && figures.snappyNs > 0);
});
