/** A QueryRunner that answers requests which come again from an AnswerCache. */
import type { AnswerCache } from "../query/answer_cache.ts";
import type { EncodedAnswer, InstantRequest, QueryRunner, RangeRequest } from "./query_runner.ts";

export function cachedQueryRunner(inner: QueryRunner, cache: AnswerCache<EncodedAnswer>): QueryRunner {
  return {
    instant: (request) => answer(cache, request, () => inner.instant(request)),
    range: (request) => answer(cache, request, () => inner.range(request)),
  };
}

function answer(cache: AnswerCache<EncodedAnswer>, request: InstantRequest | RangeRequest, run: () => Promise<EncodedAnswer> | EncodedAnswer): Promise<EncodedAnswer> | EncodedAnswer {
  if (request.skipsCaches === true || request.isTraced || !cache.mayKeep(endOf(request))) return run();
  const key = keyOf(request);
  return cache.get(key) ?? answerAnew(cache, key, run);
}

async function answerAnew(cache: AnswerCache<EncodedAnswer>, key: string, run: () => Promise<EncodedAnswer> | EncodedAnswer): Promise<EncodedAnswer> {
  const ticket = cache.begin(key);
  const made = await run();
  if (made.readRange === undefined) return made;
  // The object that is kept is given the first time already: what is found out about it later stays with it.
  const first = { ...made, body: compact(made.body) };
  cache.put(ticket, first, first.body.buffer.byteLength, made.readRange);
  return first;
}

function endOf(request: InstantRequest | RangeRequest): number {
  return "timeMs" in request ? request.timeMs : request.endMs;
}

/** Everything that the answer depends on, besides the data and flags. The query comes last, since it may have any character in it. */
function keyOf(request: InstantRequest | RangeRequest): string {
  const { tenant, dialect, query, seriesLimit, enforcedFilters, lookbackMs, roundDigits, delaysNameRemoval, stepMs } = request;
  const times = "timeMs" in request ? `at ${request.timeMs}` : `${request.startMs} ${request.endMs}`;
  const isNarrowed = enforcedFilters.length !== 1 || enforcedFilters[0].length !== 0;
  const filters = isNarrowed ? JSON.stringify(enforcedFilters) : "";
  return `${times} ${stepMs} ${tenant.accountId}:${tenant.projectId} ${dialect} ${seriesLimit} ${lookbackMs} ${roundDigits} ${delaysNameRemoval === true} ${filters} ${query}`;
}

/** The bytes without spare room behind them, if that is much. */
function compact(body: Uint8Array): Uint8Array {
  return body.buffer.byteLength > body.length * 1.25 + 64 ? body.slice() : body;
}
