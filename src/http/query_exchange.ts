/** What the query endpoints share: reading the query, waiting for a turn, the time limit, sending the answer. */
import { InputError, LimitError, UnavailableError } from "../base/errors.ts";
import type { Dialect } from "../metricsql/parser.ts";
import { defaultTenant } from "../model/matcher.ts";
import type { Api } from "./api.ts";
import type { Exchange } from "./exchange.ts";
import type { EncodedAnswer, InstantRequest } from "./query_runner.ts";
import type { RequestArguments } from "./request_arguments.ts";
import { enforcedFilters } from "./selector_argument.ts";

export const defaultStepMs = 300_000;

type QueryText = Pick<InstantRequest, "tenant" | "dialect" | "query" | "seriesLimit" | "enforcedFilters" | "lookbackMs" | "roundDigits">;

/** The arguments that instant and range queries have in common. */
export function readQuery(api: Api, requestArguments: RequestArguments): QueryText {
  const query = requestArguments.requiredText("query");
  const sizeBytes = Buffer.byteLength(query);
  const { queryBytesMax } = api.limits;
  if (sizeBytes > queryBytesMax) throw new LimitError("query_too_long", `the query is ${sizeBytes} bytes long, the limit is ${queryBytesMax} (-search.maxQueryLen)`);
  const dialect = readDialect(api, requestArguments);
  return {
    tenant: defaultTenant,
    dialect,
    query,
    seriesLimit: requestArguments.count("limit", 0),
    enforcedFilters: enforcedFilters(requestArguments),
    lookbackMs: readLookback(api, requestArguments, dialect),
    roundDigits: requestArguments.text("round_digits") === "" ? undefined : requestArguments.count("round_digits", 0),
  };
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

/** Runs a query when it is its turn and sends the answer; ends it when the client goes away or time is up. */
export async function answerQuery(api: Api, exchange: Exchange, requestArguments: RequestArguments, run: (signal: AbortSignal) => Promise<EncodedAnswer>): Promise<void> {
  const { queryDurationMsMax } = api.limits;
  const timeoutMs = Math.min(Math.max(1, requestArguments.durationMs("timeout", queryDurationMsMax)), queryDurationMsMax);
  const timeout = new AbortController();
  using _timer = api.clock.setTimer(timeoutMs, () => {
    timeout.abort(new UnavailableError("query_timeout", `the query took longer than ${timeoutMs / 1000}s (argument timeout, -search.maxQueryDuration)`));
  });
  const signal = AbortSignal.any([exchange.signal, timeout.signal]);
  const place = await api.queryGate.enter(signal);
  // A runner may need a while to notice; its place is free only then.
  const answer = run(signal).finally(() => place[Symbol.dispose]());
  const { body } = await firstOf(answer, signal);
  await exchange.send(200, "application/json", body);
}

function firstOf<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}
