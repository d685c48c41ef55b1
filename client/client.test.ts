// The client against answers as servers give them: columns equal what JSON.parse gives, errors are typed, cut and random bytes never hang.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseQueryAnswer } from "./answer_parser.ts";
import type { QueryAnswer } from "./answer_parser.ts";
import { Client } from "./client.ts";
import { AnswerError, ApiError, ConnectionError, errorOffset } from "./errors.ts";

const encoder = new TextEncoder();

function parse(text: string): QueryAnswer {
  const steps = parseQueryAnswer(encoder.encode(text));
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

const matrix = (values: string): string => `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[${values}]}]}}`;

const numbers = ["0", "-0", "1", "-1.5", "123456789012345", "1234567890123456789", "0.1", "0.30000000000000004", "1e300", "-2.5e-7", "NaN", "+Inf", "-Inf", "Inf", "9007199254740993", "100.000000000001"];
for (const text of numbers) {
  test(`answer: value ${text}`, () => {
    const expected = text.includes("Inf") ? (text.startsWith("-") ? -Infinity : Infinity) : Number(text);
    assert.deepEqual([...parse(matrix(`[1.5,"${text}"]`)).series[0].values], [expected]);
  });
}

test("answer: random values equal JSON.parse and Number", () => {
  let state = 7;
  const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  const expected = Array.from({ length: 3000 }, () => (random() - 0.5) * 10 ** Math.floor(random() * 30 - 15));
  const rounded = expected.map((value, i) => (i % 2 === 0 ? value : Number(value.toPrecision(6))));
  const { series } = parse(matrix(rounded.map((value, i) => `[${1795255644 + i / 1000},"${value}"]`).join(",")));
  assert.deepEqual([...series[0].values], rounded);
  assert.deepEqual([...series[0].timestampsMs], rounded.map((_, i) => 1795255644000 + i));
});

const shapes: readonly { name: string; text: string; expected: Partial<QueryAnswer> & { count: number } }[] = [
  { name: "empty", text: `{"status":"success","data":{"resultType":"matrix","result":[]}}`, expected: { resultType: "matrix", count: 0 } },
  { name: "vector, spaces, other keys", text: ` { "stats" : {"a":[1,"]"]} , "status":"success","data":{"result":[ {"x":null,"value":[1,"2"],"metric":{"n":"\\"}{"}} , {"metric":{},"value":[1,"3"]} ],"resultType":"vector"}} `, expected: { resultType: "vector", count: 2 } },
  { name: "scalar", text: `{"status":"success","data":{"resultType":"scalar","result":[1,"42"]}}`, expected: { resultType: "scalar", count: 1 } },
  { name: "string", text: `{"status":"success","data":{"resultType":"string","result":[1,"foo"]}}`, expected: { resultType: "string", count: 1, text: "foo" } },
  { name: "warnings and partial", text: `{"status":"success","isPartial":true,"warnings":["w"],"infos":["i"],"data":{"resultType":"vector","result":[]}}`, expected: { isPartial: true, warnings: ["w"], infos: ["i"], hints: [], count: 0 } },
  { name: "hints", text: `{"status":"success","data":{"resultType":"vector","result":[]},"hints":["there is no metric \\"upp\\""]}`, expected: { hints: ['there is no metric "upp"'], count: 0 } },
];
for (const { name, text, expected } of shapes) {
  test(`answer: ${name}`, () => {
    const { count, ...rest } = expected;
    const answer = parse(text);
    assert.equal(answer.series.length, count);
    for (const [key, value] of Object.entries(rest)) assert.deepEqual(answer[key as keyof QueryAnswer], value);
  });
}

test("answer: every cut and many changes give an AnswerError or an answer", () => {
  const text = shapes[1].text.trim();
  for (let end = 0; end < text.length; end++) assert.throws(() => parse(text.slice(0, end)), AnswerError);
  for (let i = 0; i < text.length; i++) {
    for (const character of '{}[]",:0\\ ') {
      try {
        parse(text.slice(0, i) + character + text.slice(i + 1));
      } catch (error) {
        assert.ok(error instanceof AnswerError, String(error));
      }
    }
  }
});

const positions: readonly { name: string; message: string; query: string; given?: number; offset: number | undefined }[] = [
  { name: "ours", message: 'expected ")", found "}" at line 2, column 3, after sum(', query: "sum(\nup}", offset: 7 },
  { name: "Prometheus", message: "1:5: parse error: unexpected end", query: "sum(", offset: 4 },
  { name: "outside", message: "1:50: parse error: x", query: "sum(", offset: 4 },
  { name: "line outside", message: "9:1: parse error: x", query: "sum(", offset: 4 },
  { name: "none", message: "limit reached", query: "sum(", offset: undefined },
  { name: "given as a number", message: "bad regular expression", query: "up{", given: 2, offset: 2 },
  { name: "given outside", message: "bad regular expression", query: "up{", given: 99, offset: 3 },
];
for (const row of positions) {
  test(`position: ${row.name}`, () => {
    assert.equal(errorOffset(row.query, new ApiError(422, "bad_data", row.message, row.given)), row.offset);
  });
}

function clientOf(status: number, body: string, seen: Request[] = []): Client {
  const answer: typeof fetch = async (input, init) => {
    seen.push(new Request(input as URL, init));
    return new Response(body, { status });
  };
  return new Client({ baseUrl: "http://server/prefix/", fetch: answer });
}

test("client: parameters of a range query", async () => {
  const seen: Request[] = [];
  await clientOf(200, shapes[0].text, seen).queryRange({ query: "a+b", startMs: 1500, endMs: 10_000, stepMs: 250 });
  assert.equal(seen[0].url, "http://server/prefix/api/v1/query_range?query=a%2Bb&start=1.5&end=10&step=0.25");
});

test("client: long queries are posted", async () => {
  const seen: Request[] = [];
  await clientOf(200, shapes[0].text, seen).query({ query: "x".repeat(5000) });
  assert.equal(seen[0].method, "POST");
  assert.equal((await seen[0].text()).length, 5006);
});

test("client: label values", async () => {
  const seen: Request[] = [];
  const values = await clientOf(200, `{"status":"success","data":["a"]}`, seen).labelValues("a/b", { match: ["{x=\"y\"}", "z"], limit: 3 });
  assert.deepEqual(values, ["a"]);
  assert.equal(decodeURIComponent(seen[0].url), 'http://server/prefix/api/v1/label/a/b/values?match[]={x="y"}&match[]=z&limit=3');
});

test("client: typed errors", async () => {
  await assert.rejects(clientOf(422, `{"status":"error","errorType":"422","error":"1:3: parse error: x"}`).query({ query: "x" }), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual({ ...error.position }, { line: 1, column: 3 });
    return error.status === 422 && error.errorType === "422" && !error.isRetryable;
  });
  await assert.rejects(clientOf(503, "<html>").query({ query: "x" }), (error) => error instanceof ApiError && error.isRetryable && !error.message.includes("<"));
  await assert.rejects(clientOf(200, "hello").labels(), AnswerError);
  const broken = new Client({ baseUrl: "http://server/", fetch: () => Promise.reject(new TypeError("refused")) });
  await assert.rejects(broken.labels(), ConnectionError);
});

test("client: a cancelled request rejects with the reason", async () => {
  const controller = new AbortController();
  const waiting = new Client({ baseUrl: "http://server/", fetch: (_, init) => new Promise((_resolve, reject) => init!.signal!.addEventListener("abort", () => reject(init!.signal!.reason as Error))) });
  const answer = waiting.query({ query: "x", signal: controller.signal });
  controller.abort(new Error("navigated"));
  await assert.rejects(answer, /navigated/);
});
