/** What the query endpoints share: reading the query, waiting for a turn, the time limit, sending the answer. */
import { assert } from "../base/assert.ts";
import { InputError, LimitError } from "../base/errors.ts";
import type { Dialect } from "../metricsql/parser.ts";
import { defaultTenant, type Selector } from "../model/matcher.ts";
import type { TraceNode } from "../query/query_trace.ts";
import type { QueryFacts } from "./active_queries.ts";
import type { Api } from "./api.ts";
import { findEmptyHints, isEmptyAnswer } from "./empty_hint.ts";
import type { Exchange } from "./exchange.ts";
import { type QueryRecord, recordQuery } from "./query_record.ts";
import { QueryWatch } from "./query_watch.ts";
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
  run(): Promise<EncodedAnswer> | EncodedAnswer;
}

/** Runs a query when it is its turn and sends the answer; ends it when the client goes away, time is up, or somebody cancels it. */
export async function answerQuery(api: Api, exchange: Exchange, requestArguments: RequestArguments, work: QueryWork): Promise<void> {
  const startedMs = api.clock.monotonicMs();
  const record: QueryRecord = { ...work.facts, exchange, startedMs, waitedMs: 0, durationMs: 0, answer: undefined, error: undefined };
  try {
    const answer = runInTurn(api, requestArguments, work, record);
    record.answer = answer instanceof Promise ? await answer : answer;
  } catch (error) {
    record.error = error;
    throw error;
  } finally {
    record.durationMs = api.clock.monotonicMs() - startedMs;
    recordQuery(api, record);
  }
  const { body } = record.answer;
  await exchange.send(200, "application/json", isEmptyAnswer(body) || work.isTraced ? await completeBody(api, work, record) : body);
}

function runInTurn(api: Api, requestArguments: RequestArguments, work: QueryWork, record: QueryRecord): Promise<EncodedAnswer> | EncodedAnswer {
  const { queryDurationMsMax } = api.limits;
  const timeoutMs = Math.min(Math.max(1, requestArguments.durationMs("timeout", queryDurationMsMax)), queryDurationMsMax);
  if (!api.queryGate.tryEnter()) return runAfterWaiting(api, work, record, timeoutMs);
  let running: Promise<EncodedAnswer> | EncodedAnswer | undefined;
  try {
    running = work.run();
  } finally {
    // What failed at once, or has its answer, never was at work for anybody to see.
    if (!(running instanceof Promise)) api.queryGate.leave();
  }
  return running instanceof Promise ? watched(api, running, new QueryWatch(api, work.facts, record, timeoutMs)) : running;
}

async function runAfterWaiting(api: Api, work: QueryWork, record: QueryRecord, timeoutMs: number): Promise<EncodedAnswer> {
  using watch = new QueryWatch(api, work.facts, record, timeoutMs);
  watch.start();
  using waiting = new DisposableStack();
  const place = waiting.use(await api.queryGate.enter(record.exchange.signal));
  record.waitedMs = api.clock.monotonicMs() - record.startedMs;
  const running = Promise.resolve(work.run());
  waiting.move();
  return await watch.firstOf(running.finally(() => place[Symbol.dispose]()));
}

/** The answer of a query that has a place, which is free again when the query has ended: it may need a while to notice that it was given up. */
async function watched(api: Api, running: Promise<EncodedAnswer>, watch: QueryWatch): Promise<EncodedAnswer> {
  using _watch = watch;
  return await watch.firstOf(running.finally(() => api.queryGate.leave()));
}

/** The document with what is added to it outside of the engine: hints when there is no series in it, and the trace. */
async function completeBody(api: Api, work: QueryWork, { exchange, answer, waitedMs, durationMs }: QueryRecord): Promise<Uint8Array> {
  assert(answer !== undefined);
  const { body } = answer;
  const members: string[] = [];
  if (isEmptyAnswer(body)) {
    const hints = await hintsOf(api, work, answer, exchange);
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

/** Hints that were found lately, by what was asked, and until when they are new enough; the oldest first. */
const keptHints = new WeakMap<Api, Map<string, { readonly hints: Hints; readonly untilMs: number }>>();
const hintsForMs = 10_000;
const keptHintsMax = 256;

type Hints = Awaited<ReturnType<typeof findEmptyHints>>;

async function hintsOf(api: Api, { facts, enforcedFilters }: QueryWork, { stats }: EncodedAnswer, exchange: Exchange): Promise<Hints> {
  const nowMs = api.clock.monotonicMs();
  const keptOfApi = keptHints.get(api) ?? new Map<string, { hints: Hints; untilMs: number }>();
  keptHints.set(api, keptOfApi);
  const key = JSON.stringify([facts, enforcedFilters]);
  const kept = keptOfApi.get(key);
  if (kept !== undefined && nowMs < kept.untilMs) return kept.hints;
  const hints = await findEmptyHints(api, { ...facts, enforcedFilters, stats, signal: exchange.signal });
  keptOfApi.delete(key);
  keptOfApi.set(key, { hints, untilMs: nowMs + hintsForMs });
  if (keptOfApi.size > keptHintsMax) keptOfApi.delete(keptOfApi.keys().next().value!);
  return hints;
}

function rounded(durationMs: number): number {
  return Math.round(durationMs * 1000) / 1000;
}
