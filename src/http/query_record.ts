/** What is kept of a query that has ended: its place in the statistics, and a line in the log if it was slow. */
import { describeError } from "./error_response.ts";
import type { QueryFacts } from "./active_queries.ts";
import type { Api } from "./api.ts";
import type { Exchange } from "./exchange.ts";
import type { EncodedAnswer } from "./query_runner.ts";

export interface QueryRecord extends QueryFacts {
  readonly exchange: Exchange;
  /** On the monotonic clock. */
  readonly startedMs: number;
  /** Until it was its turn. */
  waitedMs: number;
  /** Until the answer was there, waiting included. */
  durationMs: number;
  answer: EncodedAnswer | undefined;
  error: unknown;
}

/** Cuts what would make a line of the log unreadable. */
const loggedTextMax = 4096;

export function recordQuery(api: Api, record: QueryRecord): void {
  const { query, startMs, endMs, durationMs, answer } = record;
  api.queryStatistics.add({ query, rangeMs: endMs - startMs, durationMs, memoryBytes: answer?.stats?.memoryBytes ?? 0 });
  const { slowQueryMsMin, heavyQueryBytesMin } = api.limits;
  if (heavyQueryBytesMin > 0 && (answer?.stats?.memoryBytes ?? 0) >= heavyQueryBytesMin) {
    api.metrics.counter("vm_memory_intensive_queries_total", "Queries that needed more memory than -search.logQueryMemoryUsage.").increment();
    api.logger.warn(`query with much memory (-search.logQueryMemoryUsage=${heavyQueryBytesMin}): ${describeRecord(record)}`);
  }
  if (slowQueryMsMin === 0 || durationMs < slowQueryMsMin) return;
  api.metrics.counter("vm_slow_queries_total", "Queries that took longer than -search.logSlowQueryDuration.").increment();
  api.logger.warn(`slow query (-search.logSlowQueryDuration=${slowQueryMsMin / 1000}s): ${describeRecord(record)}`);
}

function describeRecord({ exchange, query, startMs, endMs, stepMs, durationMs, waitedMs, answer, error }: QueryRecord): string {
  const { seriesFetched = 0, samplesScanned = 0, memoryBytes = 0 } = answer?.stats ?? {};
  const words = [
    `duration=${(durationMs / 1000).toFixed(3)}s`, `waited=${(waitedMs / 1000).toFixed(3)}s`, `remote_addr=${JSON.stringify(exchange.remoteAddress)}`, `path=${exchange.path}`,
    `start=${startMs}`, `end=${endMs}`, `step=${stepMs}`,
    ...(answer === undefined ? [] : [`series=${seriesFetched}`, `samples=${samplesScanned}`, `memory_bytes=${memoryBytes}`, `answer_bytes=${answer.body.length}`]),
    ...(error === undefined ? [] : [`error=${JSON.stringify(describeError(error).message)}`]),
    `query=${JSON.stringify(query.length > loggedTextMax ? `${query.slice(0, loggedTextMax)}...` : query)}`,
  ];
  return words.join(" ");
}
