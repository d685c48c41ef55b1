// The JSON lines kernel equals its plain twin on good, odd and damaged bodies, and answers the conformance cases of
// VictoriaMetrics.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Random, seededRandom } from "../base/random.ts";
import { type Labels, labelsOf } from "../model/labels.ts";
import { JsonLinesParser } from "../protocol/json_lines.ts";
import { BodyParser, type CollectedBody, describeSeries, joinSeries, mutate } from "../../testkit/parse_body.ts";
import { Kernel } from "./kernel.ts";
import { defaultLabelLimits, type IntakeRules } from "./label_run.ts";
import { ParsedBody } from "./label_run_reference.ts";
import { jsonLinesParseReference } from "./json_lines_reference.ts";
import { testSeed } from "../../testkit/seed.ts";

const kernel = new Kernel();
const body = new BodyParser(kernel, 4 << 20);
const parser = new JsonLinesParser(kernel);
/** The other parser also keeps NaN. */
const smallLimits: IntakeRules = { labelsMax: 4, nameSizeMax: 12, valueSizeMax: 20, keepsNaN: true };
const smallParser = new JsonLinesParser(kernel, smallLimits);

/** Kernel and twin on the same text. */
function check(input: string | Uint8Array, options: { extra?: Labels | undefined; limits?: IntakeRules | undefined; message?: string } = {}): CollectedBody {
  const bytes = typeof input === "string" ? Buffer.from(input) : input;
  const actual = body.parse(options.limits === undefined ? parser : smallParser, bytes, { extraLabels: options.extra ?? [], garbage: 0x5d });
  const expected = new ParsedBody(options.limits);
  const extra = (options.extra ?? []).map((label) => ({ name: Buffer.from(label.name), value: Buffer.from(label.value) }));
  jsonLinesParseReference(bytes, expected, extra, options.limits ?? defaultLabelLimits);
  const message = `${options.message ?? ""}\n${Buffer.from(bytes).toString("latin1").slice(0, 2000)}`;
  assert.deepEqual(actual.series, joinSeries(expected.series), message);
  assert.deepEqual(actual.report.droppedByReason, expected.dropped, message);
  assert.equal(actual.report.skippedLines, expected.skippedLines, message);
  assert.equal(actual.report.firstError === undefined, expected.skippedLines === 0, message);
  return actual;
}

interface ConformanceCase {
  readonly id: string;
  readonly group: string;
  readonly input: string;
  readonly expected?: { tags: Record<string, string>; values: (number | string)[]; timestamps: number[] }[];
}

const conformance = JSON.parse(readFileSync(new URL("../../conformance/vmimport.json", import.meta.url), "utf8")) as { cases: ConformanceCase[] };

for (const one of conformance.cases) {
  test(one.id, () => {
    const result = check(one.input);
    const expected = (one.expected ?? []).map((row) => {
      const kept = row.values.map((value, i) => ({ value: Number(String(value).replace("Inf", "Infinity")), timestampMs: row.timestamps[i] })).filter(({ value }) => !Number.isNaN(value));
      return { labels: row.tags, timestamps: kept.map(({ timestampMs }) => timestampMs), values: kept.map(({ value }) => value) };
    });
    assert.deepEqual(result.series.map(describeSeries), expected);
    if (one.group === "invalid" && one.input !== "") assert.equal(result.report.skippedLines, 1);
  });
}

const line = (metric: string, values = "[1]", timestamps = "[2]"): string => `{"metric":${metric},"values":${values},"timestamps":${timestamps}}\n`;
const rows: { name: string; input: string; labels?: Record<string, string>; values?: number[]; error?: RegExp }[] = [
  { name: "keys in any order, others passed over", input: '{ "x" : {"a":[1,{"b":"]}"}]} ,"timestamps":[ 5 , 6 ],"y":null, "values":[1.5,\t-2e3 ] , "metric" : { "b" : "2" , "a":"1" } }\r', labels: { a: "1", b: "2" }, values: [1.5, -2000] },
  { name: "escapes", input: line('{"a":"\\u00e9\\n\\t\\"\\\\\\/\\ud83d\\ude00\\ud800x"}'), labels: { a: 'é\n\t"\\/\u{1f600}\ufffdx' }, values: [1] },
  { name: "escaped name", input: line('{"\\u0061b":"1"}'), labels: { ab: "1" }, values: [1] },
  { name: "words as values", input: line('{"a":"b"}', '["Infinity","-Infinity",null,"NaN","null",NaN,Inf,"1.5"]', "[1,2,3,4,5,6,7,8]"), labels: { a: "b" }, values: [Infinity, -Infinity, Infinity, 1.5] },
  { name: "wrong escape", input: line('{"a":"\\x"}'), error: /line 1, column 17: the JSON is broken/ },
  { name: "label value is a number", input: line('{"a":1}'), error: /column 16: a label value is not a string/ },
  { name: "value is a word", input: line('{"a":"b"}', "[foo]"), error: /an element of "values" is not a number/ },
  { name: "nested array", input: line('{"a":"b"}', "[[1]]"), error: /broken/ },
  { name: "more values than timestamps", input: line('{"a":"b"}', "[1,2]"), error: /differ in length/ },
  { name: "cut off", input: '{"metric":{"a":"b"},"values":[1', error: /broken/ },
  { name: "no metric", input: '{"values":[1],"timestamps":[1]}', error: /"metric" is missing/ },
];
for (const row of rows) {
  test(`JSON lines: ${row.name}`, () => {
    const result = check(row.input);
    assert.deepEqual(result.series.map(describeSeries).map(({ labels, values }) => ({ labels, values })), row.labels === undefined ? [] : [{ labels: row.labels, values: row.values }]);
    if (row.error !== undefined) assert.match(result.report.firstError?.message ?? "", row.error);
  });
}

test("a long line goes on in the next slices; a bad number late in it keeps what was handed out", () => {
  const count = 30_000;
  const values = Array.from({ length: count }, (_, i) => i / 8);
  const timestamps = values.map((_, i) => 1_700_000_000_000 + i);
  const text = `${line('{"x":"y"}')}{"metric":{"b":"2","a":"1"},"values":${JSON.stringify(values)},"timestamps":${JSON.stringify(timestamps)}}\n${line('{"x":"z"}')}`;
  const result = check(text);
  assert.deepEqual(result.series.map((one) => one.valueBits.length), [1, count, 1]);
  assert.equal(result.batchCount, 4);
  const late = body.parse(parser, Buffer.from(text.replace(",3749.875]", ",x]")));
  assert.deepEqual(late.series.map((one) => one.valueBits.length), [1, 24575, 1]);
  assert.match(late.report.firstError?.message ?? "", /^line 2, column \d+: an element of "values"/);
});

test("a long line that is dropped comes to an end", () => {
  const zeros = `[${"0,".repeat(50_000)}0]`;
  assert.deepEqual(check(line(`{"a":"${"x".repeat(5000)}"}`, zeros, zeros)).report.droppedByReason, { label_too_long: 50_001 });
  assert.deepEqual(check(line('{"a":"b"}', zeros.replaceAll("0", "NaN"), zeros)).report.droppedByReason, { nan_value: 50_001 });
});

test("slices end when rows, labels or inexact numbers run out of room", () => {
  assert.equal(check(Array.from({ length: 9000 }, (_, i) => line(`{"a":"${i}"}`)).join("")).batchCount, 2);
  assert.equal(check(Array.from({ length: 1000 }, (_, i) => line(`{"a":"${i}"}`)).join(""), { extra: labelsOf({ b: "x".repeat(4000), c: "y".repeat(4000) }) }).batchCount, 4);
  const tiny = Array.from({ length: 1500 }, (_, i) => `1e-${100 + (i % 200)}`).join(",");
  assert.equal(check(line('{"a":"b"}', `[${tiny}]`, `[${tiny}]`)).series[0].timestampsMs.every((timestampMs) => timestampMs === 0), true);
  assert.equal(check(line('{"a":"b"}', `[${tiny}]`, `[${"1,".repeat(1499)}1]`)).series[0].valueBits.length, 1500);
});

test("labels over the limits, extra labels", () => {
  const result = check([line('{"abcdefghijklm":"1"}'), line(`{"a":"${"x".repeat(21)}"}`), line(`{"a":"${"\\n".repeat(21)}"}`), line('{"a":"1","b":"1","c":"1","d":"1","e":"1"}'), line(`{"a":"${"\\n".repeat(20)}"}`), line('{"a":""}')].join(""), { limits: smallLimits });
  assert.deepEqual(result.report.droppedByReason, { label_too_long: 3, too_many_labels: 1, no_labels: 1 });
  assert.deepEqual(describeSeries(check(line('{"a":"1","b":"2"}'), { extra: labelsOf({ a: "x", z: "y" }) }).series[0]).labels, { a: "x", b: "2", z: "y" });
});

const pieces = ["{", "}", "[", "]", '"', ":", ",", " ", "\t", "\n", "\\", "\\u00e9", "\\ud83d", "null", "NaN", "-1.5", "1e3", '"metric"', '"values"', '"timestamps"', "é"];

function randomText(random: Random): string {
  let text = "";
  for (let i = random.int(5); i >= 0; i--) {
    const count = 1 + random.int(5);
    const numbers = (make: () => string): string => `[${Array.from({ length: random.int(9) === 0 ? count + 1 : count }, make).join(random.int(4) ? "," : " , ")}]`;
    const parts = [
      `"metric":{"__name__":"m${random.int(3)}","job":"${["a", "\\n", "é", "\\ud83d\\ude00", "x".repeat(25), ""][random.int(6)]}"}`,
      `"values":${numbers(() => ["1", "2.25", "null", '"NaN"', '"Infinity"', "0.30000000000000004", String(random.next())][random.int(7)])}`,
      `"timestamps":${numbers(() => ["0", "1700000000000", String(random.int(1e9)), "1.5", "-1"][random.int(5)])}`,
    ];
    if (random.int(2)) parts.sort(() => random.int(3) - 1);
    if (random.int(4) === 0) parts.push(`"other":${["1", "null", '{"a":[1,2]}', '"x,}"', "[]"][random.int(5)]}`);
    text += `{${parts.join(",")}}${random.int(5) ? "\n" : "\r\n"}`;
    if (random.int(8) === 0) for (let j = random.int(10); j >= 0; j--) text += pieces[random.int(pieces.length)];
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
