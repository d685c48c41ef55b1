// The text kernel equals its plain twin on good, odd and damaged bodies, reads numbers as JavaScript does, and answers the
// conformance cases of VictoriaMetrics.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { type Labels, labelsOf, labelsToRecord } from "../model/labels.ts";
import { PrometheusTextParser, timestampUnitOf } from "../protocol/prometheus_text.ts";
import { BodyParser, type CollectedBody, describeSeries, joinSeries, mutate } from "../../testkit/parse_body.ts";
import { Kernel } from "./kernel.ts";
import { defaultLabelLimits, type IntakeRules } from "./label_run.ts";
import { ParsedBody } from "./label_run_reference.ts";
import { prometheusTextParseReference } from "./prometheus_text_reference.ts";
import { testSeed } from "../../testkit/seed.ts";

const nowMs = 1_700_000_000_123;
const kernel = new Kernel();
const body = new BodyParser(kernel, 4 << 20);
const parser = new PrometheusTextParser(kernel);
/** The other parser also keeps NaN. */
const smallLimits: IntakeRules = { labelsMax: 4, nameSizeMax: 12, valueSizeMax: 20, keepsNaN: true };
const smallParser = new PrometheusTextParser(kernel, smallLimits);

/** Kernel and twin on the same text. */
function check(input: string | Uint8Array, options: { extra?: Labels | undefined; limits?: IntakeRules | undefined; unit?: "auto" | "seconds" | "milliseconds"; message?: string } = {}): CollectedBody {
  const bytes = typeof input === "string" ? Buffer.from(input) : input;
  const unit = options.unit ?? "auto";
  const chosen = options.limits === undefined ? parser : smallParser;
  const start = chosen.start.bind(chosen);
  const withUnit = { start: (pointer: number, size: number, rest: Parameters<typeof start>[2]) => start(pointer, size, { ...rest, unit }), next: () => chosen.next(), get report() { return chosen.report; } };
  const actual = body.parse(withUnit, bytes, { extraLabels: options.extra ?? [], nowMs, garbage: 0x31 });
  const expected = new ParsedBody(options.limits);
  const extra = (options.extra ?? []).map((label) => ({ name: Buffer.from(label.name), value: Buffer.from(label.value) }));
  prometheusTextParseReference(bytes, expected, { extra, limits: options.limits ?? defaultLabelLimits, nowMs, unit });
  const message = `${options.message ?? ""}\n${Buffer.from(bytes).toString("latin1")}`;
  assert.deepEqual(actual.series, joinSeries(expected.series), message);
  assert.deepEqual(actual.report.droppedByReason, expected.dropped, message);
  assert.ok(actual.report.skippedLines >= expected.skippedLines && (expected.skippedLines === 0 || actual.report.firstError !== undefined), message);
  return actual;
}

interface ConformanceCase {
  readonly id: string;
  readonly group: string;
  readonly input?: string;
  readonly expected?: { metric: string; tags: Record<string, string>; value: number; timestamp: number }[];
  readonly expected_metadata?: { metric: string; type: string; help: string }[];
  readonly expected_error_count?: number;
}

const conformance = JSON.parse(readFileSync(new URL("../../conformance/prometheus-text.json", import.meta.url), "utf8")) as { cases: ConformanceCase[] };
/** The data has lost the first lines of these inputs. */
const brokenCases = ["prometheus-text/metadata/724", "prometheus-text/metadata/785"];

for (const one of conformance.cases.filter((each) => /^(parse|parse_with_metadata|invalid)$/.test(each.group))) {
  test(one.id, () => {
    const result = check(one.input ?? "");
    const expected = (one.expected ?? []).map((row) => ({ labels: labelsToRecord(labelsOf({ ...row.tags, __name__: row.metric })), timestamps: [row.timestamp || nowMs], values: [row.value] }));
    assert.deepEqual(result.series.map(describeSeries), expected);
    assert.deepEqual(result.metadata, []);
  });
}

for (const one of conformance.cases.filter((each) => each.group.startsWith("metadata") && !brokenCases.includes(each.id))) {
  test(one.id, () => {
    const result = check(one.input ?? "");
    if (one.expected_metadata !== undefined) assert.deepEqual(result.metadata.map(({ metricFamily, type, help }) => ({ metric: metricFamily, type, help })), one.expected_metadata);
    if (one.expected_error_count !== undefined) assert.equal(result.report.skippedLines, one.expected_error_count);
  });
}

const valueRows: [string, number[]][] = [
  ["up 1\nup 0\n", [1, 0]],
  ["up NaN\nup nan\nup 2", [2]],
  ["up +Inf\nup -Inf\nup inf\nup Infinity\nup -infinity", [Infinity, -Infinity, Infinity, Infinity, -Infinity]],
  ["up 0x10\nup 1_000\nup 1e\nup e1\nup .\nup +\nup --1\nup 1.2.3\nup 5", [5]],
  ["up 1.\nup .5\nup +5\nup -0\nup 1e5\nup 1E+05\nup 25e-1", [1, 0.5, 5, -0, 1e5, 1e5, 2.5]],
  ["up 1e999\nup -1e999\nup 1e-999\nup 5e-324\nup 1.7976931348623157e308", [Infinity, -Infinity, 0, 5e-324, 1.7976931348623157e308]],
];
for (const [input, expected] of valueRows) {
  test(`text values: ${JSON.stringify(input)}`, () => assert.deepEqual(check(input).series.flatMap((one) => describeSeries(one).values), expected));
}

test("numbers are rounded as JavaScript does", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  const bits = new DataView(new ArrayBuffer(8));
  const texts = ["9007199254740993", "9007199254740992.999999999999999999", "123456789012345678901234567890", "0.1", "1e23", "8.5e22", "2.2250738585072011e-308", "179769313486231580793e289", "0." + "0".repeat(400) + "1", "1".repeat(400), "7205759403792793.5", "1152921504606846976.5e1", "0e99999999999", "9223372036854775808", "18446744073709551615", "18446744073709551616"];
  for (let round = 0; round < 4000; round++) {
    bits.setUint32(0, random.int(2 ** 32));
    bits.setUint32(4, random.int(2 ** 32));
    const value = bits.getFloat64(0);
    if (Number.isNaN(value)) continue;
    texts.push(String(value), value.toExponential(random.int(20)), String(random.next() * 10 ** random.int(20)), `${random.int(2 ** 31)}${random.int(2 ** 31)}.${random.int(2 ** 31)}e${random.int(40) - 20}`);
  }
  const result = check(texts.map((text) => `up ${text}`).join("\n"), { message: `seed ${seed}` });
  assert.equal(result.report.samples, texts.length);
});

const timestampRows: { unit: "auto" | "seconds" | "milliseconds"; text: string; expected: number }[] = [
  { unit: "auto", text: "1700000000000", expected: 1_700_000_000_000 },
  { unit: "auto", text: "1700000000", expected: 1_700_000_000_000 },
  { unit: "auto", text: "1520879607.789", expected: 1_520_879_607_789 },
  { unit: "auto", text: "2147483648", expected: 2_147_483_648 },
  { unit: "auto", text: "-5", expected: -5000 },
  { unit: "seconds", text: "1520879607.789", expected: 1_520_879_607_789 },
  { unit: "seconds", text: "1520879607.7899", expected: 1_520_879_607_789 },
  { unit: "seconds", text: "1.520879607e9", expected: 1_520_879_607_000 },
  { unit: "seconds", text: "-0.0015", expected: -2 },
  { unit: "milliseconds", text: "1700", expected: 1700 },
  { unit: "auto", text: "-1e-200", expected: -1 },
  { unit: "seconds", text: "5e-324", expected: 0 },
  { unit: "auto", text: `17${"0".repeat(30)}e-20`, expected: 170_000_000_000 },
  { unit: "milliseconds", text: "1700.9", expected: 1700 },
];
for (const row of timestampRows) {
  test(`text timestamp: ${row.text} in ${row.unit}`, () => assert.deepEqual(check(`up 1 ${row.text}`, { unit: row.unit }).series[0].timestampsMs, [row.expected]));
}

test("the content type chooses the unit", () => {
  assert.equal(timestampUnitOf("application/openmetrics-text; version=1.0.0; charset=utf-8"), "seconds");
  assert.equal(timestampUnitOf("text/plain; version=0.0.4"), "auto");
  assert.equal(timestampUnitOf(""), "auto");
});

test("OpenMetrics with metadata, exemplars and the end mark", () => {
  const result = check(`# HELP foo_seconds A \\"help\\" with\\nlines and \\\\ too
# TYPE foo_seconds histogram
# UNIT foo_seconds seconds
foo_seconds_bucket{le="0.1"} 8 1520879607.789 # {trace_id="abc"} 0.05 1520879607.7
foo_seconds_bucket{le="+Inf"} 9
foo_seconds_count 9 # {} 1
# TYPE "quoted \\"name" gauge
# TYPE other nonsense
# EOF
`, { unit: "seconds" });
  assert.deepEqual(result.series.map(describeSeries), [
    { labels: { __name__: "foo_seconds_bucket", le: "0.1" }, timestamps: [1_520_879_607_789], values: [8] },
    { labels: { __name__: "foo_seconds_bucket", le: "+Inf" }, timestamps: [nowMs], values: [9] },
    { labels: { __name__: "foo_seconds_count" }, timestamps: [nowMs], values: [9] },
  ]);
  assert.deepEqual(result.metadata, [
    { metricFamily: "foo_seconds", type: "histogram", help: 'A "help" with\nlines and \\ too', unit: "seconds" },
    { metricFamily: 'quoted "name', type: "gauge", help: "", unit: "" },
  ]);
  assert.equal(result.report.skippedLines, 1);
  assert.match(result.report.firstError?.message ?? "", /^line 8, column 1: unknown metric type "nonsense"$/);
});

test("bad lines are skipped, the first is described, good ones are kept", () => {
  const result = check('good 1\r\n  bad{a="b} 1\nbad\ngood{a="b"} 2\n');
  assert.equal(result.series.length, 2);
  assert.equal(result.report.skippedLines, 2);
  assert.equal(result.report.broken, false);
  assert.equal(result.report.firstError?.message, "line 2, column 9: the closing quote is missing");
  assert.equal(result.report.firstError?.offset, 16);
});

test("following lines of one series share a row", () => {
  const input = Array.from({ length: 20_000 }, (_, i) => `foo{a="b"} ${i} ${1_700_000_000_000 + i}`).join("\n");
  const result = check(input);
  assert.equal(result.batchCount, 3);
  assert.deepEqual(result.series.map((one) => one.valueBits.length), [20_000]);
  check('foo 1\nfoo {a="b"} 2\nfoo 3\nfoo\t4\nfoob 5\nfo 6\nfoo{} 7\nfoo 8\nfoo NaN\nfoo 9\nfoo{a="1"} 1\nfoo{a="1"}2\nfoo{a="1"} x\nfoo{a="1"} 3');
});

test("slices end when rows, labels, metadata or inexact numbers run out of room", () => {
  const lines = (count: number, make: (i: number) => string): string => Array.from({ length: count }, (_, i) => make(i)).join("\n");
  assert.equal(check(lines(20_000, (i) => `foo${i} 1`)).batchCount, 3);
  assert.equal(check(lines(1000, (i) => `foo${i} 1`), { extra: labelsOf({ a: "x".repeat(4000), b: "y".repeat(4000) }) }).batchCount, 4);
  assert.equal(check(lines(1500, (i) => `# TYPE foo${i} counter`)).metadata.length, 1500);
  assert.deepEqual(check(lines(1500, (i) => `foo 1e-${100 + (i % 200)}`)).batchCount, 3);
  assert.equal(check("x 1\n".repeat(100_000)).report.samples, 100_000);
});

test("labels over the limits, extra labels, duplicates", () => {
  const limits = { limits: smallLimits };
  const dropped = check(`abcdefghijklm{} 1\nname{abcdefghijklm="1"} 1\nname{a="${"x".repeat(21)}"} 1\nname{a="${'\\"'.repeat(20)}"} 1\nname{a="${"\\n".repeat(21)}"} 1\nn{a="1",b="1",c="1"} 1\nn{a="1",b="1",c="1",d="1"} 1\nn{a="",b="",c="",d="",e="1"} 1`, limits);
  assert.deepEqual(dropped.report.droppedByReason, { label_too_long: 3, too_many_labels: 1 });
  assert.deepEqual(describeSeries(check('n{a="1",a="2",b="3"} 1', { extra: labelsOf({ b: "x", z: "y" }) }).series[0]).labels, { __name__: "n", a: "2", b: "x", z: "y" });
  check(`n{${'a="\\n",'.repeat(3000)}} 1`, { ...limits, extra: labelsOf({ a: "b" }) });
});

const pieces = ["foo", "bar_total", "{", "}", '"', "=", ",", " ", "\t", "#", "\n", "\\", "\\n", '\\"', "1", "2.5", "-3e7", "NaN", "+Inf", "1700000000000", 'a="b"', 'le="0.1"', "é", "\r\n", "# HELP x y", "# TYPE x counter", '"quoted"', "0.30000000000000004", "1e-300"];

function randomText(random: Random): string {
  let text = "";
  for (let i = random.int(8); i >= 0; i--) {
    if (random.int(3) > 0) text += `name_${random.int(3)}{job="${"x".repeat(random.int(25))}",${random.int(2) ? 'z="\\"q",' : ""}b="${random.int(4)}"} ${random.next() * 100} ${random.int(2) ? 1_700_000_000_000 : ""}\n`;
    else for (let j = random.int(10); j >= 0; j--) text += pieces[random.int(pieces.length)];
  }
  return text;
}

test("kernel equals twin on random and damaged texts", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  let goodCount = 0;
  let badCount = 0;
  for (let round = 0; round < 5000; round++) {
    const bytes = Buffer.from(randomText(random));
    const { series, report } = check(round % 3 === 0 ? bytes : mutate(bytes, random), { message: `seed ${seed} round ${round}`, limits: random.int(3) === 0 ? smallLimits : undefined, extra: random.int(5) === 0 ? labelsOf({ job: "extra" }) : undefined });
    goodCount += series.length;
    badCount += report.skippedLines;
  }
  assert.ok(goodCount > 1000 && badCount > 300, `good ${goodCount}, bad ${badCount}`);
});
