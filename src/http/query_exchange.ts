/** What the query endpoints share: reading the query, waiting for a turn, the time limit, sending the answer. */
import { assert } from "../base/assert.ts";
import { InputError, LimitError, UnavailableError } from "../base/errors.ts";
import type { Dialect } from "../metricsql/parser.ts";
import { defaultTenant, type Selector } from "../model/matcher.ts";
import type { TraceNode } from "../query/query_trace.ts";
import type { QueryFacts } from "./active_queries.ts";
import type { Api } from "./api.ts";
import { findEmptyHints, isEmptyAnswer } from "./empty_hint.ts";
import type { Exchange } from "./exchange.ts";
import { type QueryRecord, recordQuery } from "./query_record.ts";
import type { EncodedAnswer, InstantRequest } from "./query_runner.ts";
import type { RequestArguments } from "./request_arguments.ts";
import { enforcedFilters } from "./selector_argument.ts";

export const defaultStepMs = 300_000;

type QueryText = Pick<InstantRequest, "tenant" | "dialect" | "query" | "seriesLimit" | "enforcedFilters" | "lookbackMs" | "roundDigits" | "skipsCaches" | "delaysNameRemoval" | "isTraced">;

/** The arguments that instant and range queries have in common. */
export function readQuery(api: Api, requestArguments: RequestArguments): QueryText {
  const query = requestArguments.requiredText("query");
  checkQueryText(api, query);
  const dialect = readDialect(api, requestArguments);
  return {
    tenant: defaultTenant,
    dialect,
    query,
    seriesLimit: requestArguments.count("limit", 0),
    enforcedFilters: enforcedFilters(api, requestArguments),
    lookbackMs: readLookback(api, requestArguments, dialect),
    roundDigits: requestArguments.text("round_digits") === "" ? undefined : requestArguments.count("round_digits", 0),
    skipsCaches: requestArguments.isSet("nocache") || api.limits.skipsCaches,
    delaysNameRemoval: requestArguments.isSet("delayed_name_removal"),
    isTraced: !api.limits.deniesTracing && requestArguments.isSet("trace"),
  };
}

/** Throws LimitError for a text that is too long to be looked at. */
export function checkQueryText(api: Api, query: string): void {
  const sizeBytes = Buffer.byteLength(query);
  const { queryBytesMax } = api.limits;
  if (sizeBytes > queryBytesMax) throw new LimitError("query_too_long", `the query is ${sizeBytes} bytes long, the limit is ${queryBytesMax} (-search.maxQueryLen)`);
}

/** The language of a query: argument `dialect`, or -search.dialect. */
export function readDialect(api: Api, requestArguments: RequestArguments): Dialect {
  const text = requestArguments.text("dialect");
  if (text === "") return api.limits.dialect;
  if (text === "metricsql" || text === "promql") return text;
  throw new InputError("bad_argument", `bad value ${JSON.stringify(text)} in argument "dialect"; allowed: metricsql, promql`);
}

/** `max_lookback` (PromQL: `lookback_delta`) of the request; -search.lookbackDelta for PromQL without it. */
function readLookback(api: Api, requestArguments: RequestArguments, dialect: Dialect): number {
  const maxLookbackMs = Math.max(0, requestArguments.durationMs("max_lookback", 0));
  if (dialect === "metricsql") return maxLookbackMs;
  return Math.max(0, requestArguments.durationMs("lookback_delta", maxLookbackMs)) || api.limits.lookbackDeltaMs;
}

/** A step argument; nothing stands for 5 minutes. */
export function readStep(requestArguments: RequestArguments): number {
  const stepMs = requestArguments.durationMs("step", defaultStepMs);
  if (stepMs > 0) return stepMs;
  throw new InputError("bad_argument", `bad value ${JSON.stringify(requestArguments.text("step"))} in argument "step"; allowed: at least 1ms`);
}

/** `latency_offset` of the request, or -search.latencyOffset. */
export function readLatencyOffset(api: Api, requestArguments: RequestArguments): number {
  return Math.max(0, requestArguments.durationMs("latency_offset", api.limits.latencyOffsetMs));
}

/** A request as it is answered: what is said of the query elsewhere, and how it is run. */
interface QueryWork {
  readonly facts: QueryFacts;
  /** What narrows its selectors. */
  readonly enforcedFilters: Selector;
  readonly isTraced: boolean;
  run(signal: AbortSignal): Promise<EncodedAnswer>;
}

/** Runs a query when it is its turn and sends the answer; ends it when the client goes away, time is up, or somebody cancels it. */
export async function answerQuery(api: Api, exchange: Exchange, requestArguments: RequestArguments, work: QueryWork): Promise<void> {
  const startedMs = api.clock.monotonicMs();
  const record: QueryRecord = { ...work.facts, exchange, startedMs, waitedMs: 0, durationMs: 0, answer: undefined, error: undefined };
  try {
    record.answer = await runInTurn(api, requestArguments, work, record);
  } catch (error) {
    record.error = error;
    throw error;
  } finally {
    record.durationMs = api.clock.monotonicMs() - startedMs;
    recordQuery(api, record);
  }
  const body = isEmptyAnswer(record.answer.body) || work.isTraced ? await completeBody(api, work, record, exchange.signal) : record.answer.body;
  await exchange.send(200, "application/json", body);
}

async function runInTurn(api: Api, requestArguments: RequestArguments, work: QueryWork, record: QueryRecord): Promise<EncodedAnswer> {
  const { clock } = api;
  const { exchange } = record;
  const { queryDurationMsMax } = api.limits;
  const timeoutMs = Math.min(Math.max(1, requestArguments.durationMs("timeout", queryDurationMsMax)), queryDurationMsMax);
  using _active = api.activeQueries.add(work.facts, exchange, record.startedMs);
  using _timer = clock.setTimer(timeoutMs, () => {
    exchange.abort(new UnavailableError("query_timeout", `the query took longer than ${timeoutMs / 1000}s (argument timeout, -search.maxQueryDuration)`));
  });
  const { signal } = exchange;
  const place = await api.queryGate.enter(signal);
  record.waitedMs = clock.monotonicMs() - record.startedMs;
  // A runner may need a while to notice; its place is free only then.
  const running = work.run(signal).finally(() => place[Symbol.dispose]());
  return await firstOf(running, signal);
}

/** The document with what is added to it outside of the engine: hints when there is no series in it, and the trace. */
async function completeBody(api: Api, work: QueryWork, { answer, waitedMs, durationMs }: QueryRecord, signal: AbortSignal): Promise<Uint8Array> {
  assert(answer !== undefined);
  const { body } = answer;
  const members: string[] = [];
  if (isEmptyAnswer(body)) {
    const hints = await hintsOf(api, work, answer, signal);
    if (hints.length > 0) members.push(`"hints":${JSON.stringify(hints)}`);
  }
  if (work.isTraced) {
    const { query, startMs, endMs, stepMs } = work.facts;
    const waiting: TraceNode = { duration_msec: rounded(waitedMs), message: "wait for a turn (-search.maxConcurrentRequests)" };
    const message = `query=${JSON.stringify(query)} start=${startMs} end=${endMs} step=${stepMs}: ${body.length} bytes`;
    members.push(`"trace":${JSON.stringify({ duration_msec: rounded(durationMs), message, children: [waiting, ...(answer.trace === undefined ? [] : [answer.trace])] })}`);
  }
  if (members.length === 0) return body;
  return Buffer.concat([body.subarray(0, -1), Buffer.from(`,${members.join(",")}}`)]);
}

/** Hints to an answer that is kept and given again, and until when they are new enough. */
const keptHints = new WeakMap<EncodedAnswer, { readonly hints: Awaited<ReturnType<typeof findEmptyHints>>; readonly untilMs: number }>();
const hintsForMs = 10_000;

async function hintsOf(api: Api, work: QueryWork, answer: EncodedAnswer, signal: AbortSignal): ReturnType<typeof findEmptyHints> {
  const nowMs = api.clock.monotonicMs();
  const kept = keptHints.get(answer);
  if (kept !== undefined && nowMs < kept.untilMs) return kept.hints;
  const hints = await findEmptyHints(api, { ...work.facts, enforcedFilters: work.enforcedFilters, stats: answer.stats, signal });
  keptHints.set(answer, { hints, untilMs: nowMs + hintsForMs });
  return hints;
}

function rounded(durationMs: number): number {
  return Math.round(durationMs * 1000) / 1000;
}

function firstOf<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}
