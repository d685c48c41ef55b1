// The runner that keeps answers: which requests are run again, and which are the same.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { AnswerCache } from "../query/answer_cache.ts";
import { cachedQueryRunner } from "./cached_query_runner.ts";
import type { EncodedAnswer, InstantRequest, QueryRunner, RangeRequest } from "./query_runner.ts";

const nowMs = 1_700_000_000_000;
const hourMs = 3_600_000;

const range: RangeRequest = {
  tenant: { accountId: 0, projectId: 0 }, dialect: "metricsql", query: "up", seriesLimit: 0, enforcedFilters: [[]], lookbackMs: 0, roundDigits: undefined, isTraced: false,
  signal: new AbortController().signal, startMs: nowMs - 2 * hourMs, endMs: nowMs - hourMs, stepMs: 15_000,
};
const { startMs: _startMs, endMs: _endMs, ...text } = range;
const instant: InstantRequest = { ...text, timeMs: nowMs - hourMs };

let runs = 0;
let answered: Partial<EncodedAnswer> = {};
let runner: QueryRunner;

function run(request: InstantRequest | RangeRequest): Promise<EncodedAnswer> {
  runs++;
  const maxMs = "timeMs" in request ? request.timeMs : request.endMs;
  return Promise.resolve({ body: Buffer.from(`answer ${runs}`), readRange: { minMs: maxMs - hourMs, maxMs }, ...answered });
}

beforeEach(() => {
  runs = 0;
  answered = {};
  const watch = { begin: () => 1, firstChangeMs: () => Infinity };
  runner = cachedQueryRunner({ instant: run, range: run }, new AnswerCache({ watch, nowMs: () => nowMs, offsetMs: 300_000, bytesMax: 1 << 20 }));
});

async function bodiesOf(...requests: (InstantRequest | RangeRequest)[]): Promise<string[]> {
  const bodies: string[] = [];
  for (const request of requests) {
    const { body } = await ("timeMs" in request ? runner.instant(request) : runner.range(request));
    bodies.push(Buffer.from(body).toString());
  }
  return bodies;
}

test("the same request is run once", async () => {
  assert.deepEqual(await bodiesOf(range, instant, { ...range, signal: new AbortController().signal }, instant), ["answer 1", "answer 2", "answer 1", "answer 2"]);
});

const others: { name: string; request: InstantRequest | RangeRequest }[] = [
  { name: "query", request: { ...range, query: "down" } },
  { name: "start", request: { ...range, startMs: range.startMs - 15_000 } },
  { name: "end", request: { ...range, endMs: range.endMs - 15_000 } },
  { name: "step", request: { ...range, stepMs: 30_000 } },
  { name: "tenant", request: { ...range, tenant: { accountId: 1, projectId: 0 } } },
  { name: "lookback", request: { ...range, lookbackMs: 60_000 } },
  { name: "limit", request: { ...range, seriesLimit: 5 } },
  { name: "digits", request: { ...range, roundDigits: 2 } },
  { name: "enforced filters", request: { ...range, enforcedFilters: [[{ name: "job", op: "=", value: "a" }]] } },
];
for (const { name, request } of others) {
  test(`another ${name} is another request`, async () => {
    assert.deepEqual(await bodiesOf(range, request, range, request), ["answer 1", "answer 2", "answer 1", "answer 2"]);
  });
}

const notKept: { name: string; request: InstantRequest | RangeRequest; answer?: Partial<EncodedAnswer> }[] = [
  { name: "nocache=1", request: { ...range, skipsCaches: true } },
  { name: "trace=1", request: { ...range, isTraced: true } },
  { name: "a range up to now", request: { ...range, endMs: nowMs } },
  { name: "a time in the last five minutes", request: { ...instant, timeMs: nowMs - 200_000 } },
  { name: "an answer that depends on more than samples", request: range, answer: { readRange: undefined } },
  { name: "an answer from samples after its end", request: range, answer: { readRange: { minMs: 0, maxMs: nowMs } } },
];
for (const { name, request, answer } of notKept) {
  test(`${name} is run each time`, async () => {
    answered = answer ?? {};
    assert.deepEqual(await bodiesOf(request, request), ["answer 1", "answer 2"]);
  });
}

test("failures are not kept", async () => {
  const failing = cachedQueryRunner({ instant: run, range: () => (runs++, Promise.reject(new Error("no"))) }, new AnswerCache({ watch: { begin: () => 1, firstChangeMs: () => Infinity }, nowMs: () => nowMs, offsetMs: 0, bytesMax: 1 << 20 }));
  await assert.rejects(async () => failing.range(range));
  await assert.rejects(async () => failing.range(range));
  assert.equal(runs, 2);
});
