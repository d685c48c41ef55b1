/**
 * What all write endpoints share: receive, parse, write, count, answer.
 *
 *   204                                     everything taken
 *   204, X-Tidemark-Dropped-Rows: nan_value=3, invalid_line=1   the rest was taken
 *   400                                     no line was good; or a framed body broke off, and what was before the break was taken
 */
import type { Counter } from "../base/metrics.ts";
import { InputError } from "../base/errors.ts";
import { defaultTenant } from "../model/matcher.ts";
import { extraLabelsOf } from "../protocol/extra_labels.ts";
import type { SliceParser } from "../protocol/slice_parser.ts";
import type { Api } from "./api.ts";
import { receiveBody } from "./body_receiver.ts";
import { type ContentEncoding, parseContentEncoding } from "./content_encoding.ts";
import type { Exchange } from "./exchange.ts";
import type { IngestResult } from "./ingest_lane.ts";
import { RequestArguments } from "./request_arguments.ts";
import type { Route } from "./router.ts";

export const droppedRowsHeader = "X-Tidemark-Dropped-Rows";
const insertLimitFlag = "-maxInsertRequestSize";
const logIntervalMs = 10_000;

export interface IngestRouteOptions {
  readonly path: string;
  /** Label `type` of the metrics. */
  readonly type: string;
  /** The parser for a request. */
  readonly parser: (exchange: Exchange) => SliceParser;
  /** Of a body without Content-Encoding. */
  readonly defaultEncoding: ContentEncoding;
  readonly successStatus?: number;
  /** Throws InputError when the protocol cannot be read. */
  readonly checkHeaders?: (exchange: Exchange) => void;
  /** The time of samples that carry none, if it is not now. */
  readonly timestampMs?: (requestArguments: RequestArguments) => number | undefined;
}

export function ingestRoute(api: Api, options: IngestRouteOptions): Route {
  const tally = new IngestTally(api, options.type);
  return {
    path: options.path,
    methods: ["POST", "PUT"],
    async handle(exchange) {
      options.checkHeaders?.(exchange);
      const encoding = parseContentEncoding(exchange.header("content-encoding"), options.defaultEncoding);
      const extraLabels = extraLabelsOf(exchange.path, exchange.query);
      const nowMs = options.timestampMs?.(new RequestArguments(exchange.queryText)) ?? api.clock.nowMs();
      using body = await receiveBody(exchange, { encoding, limitBytes: api.limits.insertBytesMax, limitFlag: insertLimitFlag, budget: api.ingestBudget });
      const result = await api.ingestLane.ingest({
        chunks: body.chunks,
        isSnappy: encoding === "snappy",
        parser: options.parser(exchange),
        tenant: defaultTenant,
        extraLabels,
        nowMs,
        signal: exchange.signal,
      });
      tally.add(result);
      answer(exchange, result, options.successStatus ?? 204);
    },
  };
}

function answer(exchange: Exchange, result: IngestResult, successStatus: number): void {
  const dropped = droppedRows(result);
  if (dropped !== "") exchange.response.setHeader(droppedRowsHeader, dropped);
  const nothingGood = result.acceptedSamples === 0 && result.skippedLines > 0 && Object.keys(result.droppedSamples).length === 0;
  if (result.broken || nothingGood) throw result.firstError ?? new InputError("bad_body", "nothing in the body could be read");
  exchange.sendEmpty(successStatus);
}

/** `too_old=2, invalid_line=1`; "" when nothing was dropped. */
function droppedRows(result: IngestResult): string {
  const counts: Record<string, number> = { ...result.droppedSamples };
  if (result.skippedLines > 0) counts["invalid_line"] = result.skippedLines;
  return Object.entries(counts).map(([reason, count]) => `${reason}=${count}`).join(", ");
}

/** Counts what came in by one protocol, and logs what was dropped, not too often. */
class IngestTally {
  readonly #api: Api;
  readonly #type: string;
  readonly #inserted: Counter;
  readonly #invalid: Counter;
  #loggedMs = -Infinity;
  #unlogged = 0;

  constructor(api: Api, type: string) {
    this.#api = api;
    this.#type = type;
    this.#inserted = api.metrics.counter("vm_rows_inserted_total", "Samples taken, by protocol.", { type });
    this.#invalid = api.metrics.counter("vm_rows_invalid_total", "Lines that could not be read, by protocol.", { type });
  }

  add(result: IngestResult): void {
    this.#inserted.increment(result.acceptedSamples);
    this.#invalid.increment(result.skippedLines);
    for (const [reason, count] of Object.entries(result.droppedSamples)) {
      this.#api.metrics.counter("vm_rows_ignored_total", "Samples that were well-formed but not taken, by reason.", { reason }).increment(count);
    }
    // Summaries without observations are NaN in every scrape: counted, told the sender, but nothing to warn of.
    const { nan_value: _, ...unusual } = result.droppedSamples;
    const dropped = droppedRows({ ...result, droppedSamples: unusual });
    if (dropped !== "") this.#log(dropped, result);
  }

  #log(dropped: string, result: IngestResult): void {
    const nowMs = this.#api.clock.monotonicMs();
    if (nowMs - this.#loggedMs < logIntervalMs) {
      this.#unlogged++;
      return;
    }
    const before = this.#unlogged === 0 ? "" : `; so did ${this.#unlogged} requests before`;
    this.#api.logger.warn(`a write request (${this.#type}) had rows that were dropped: ${dropped}${result.firstError === undefined ? "" : `; first: ${result.firstError.message}`}${before}`);
    this.#loggedMs = nowMs;
    this.#unlogged = 0;
  }
}
