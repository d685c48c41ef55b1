/**
 * /api/v1/export: raw samples as JSON lines, what /api/v1/import takes back:
 *
 *   {"metric":{"__name__":"up","job":"x"},"values":[1,null,"Infinity"],"timestamps":[1700000000000,...]}
 *
 * A series with very many samples takes several lines. null stands for a NaN, the stale marker among them; import takes it for no sample.
 */
import { UnsupportedError } from "../../base/errors.ts";
import { Kernel } from "../../kernel/kernel.ts";
import { defaultTenant } from "../../model/matcher.ts";
import type { SeriesBatch } from "../../model/store.ts";
import { JsonLinesWriter } from "../../protocol/json_lines_export.ts";
import type { Api } from "../api.ts";
import { limitDuration } from "../duration_limit.ts";
import type { Exchange } from "../exchange.ts";
import type { Route } from "../router.ts";
import { requiredSelectorArgument } from "../selector_argument.ts";

/** A line stays small enough to be imported again by programs with a limit on lines. */
const lineSamplesMax = 100_000;
/** Lines are sent in pieces of about this size. */
const pieceBytes = 64 << 10;
const contentType = "application/stream+json";

export function exportRoute(api: Api): Route {
  const writer = new JsonLinesWriter(new Kernel());
  return {
    path: "/api/v1/export",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      const format = requestArguments.text("format");
      if (format !== "" && format !== "json") throw new UnsupportedError(`format=${format}`, `format=${format} is not supported; supported: json`);
      const nowMs = api.clock.nowMs();
      const selector = requiredSelectorArgument(api, requestArguments);
      const range = { minMs: requestArguments.timeMs("start", nowMs, 0), maxMs: requestArguments.timeMs("end", nowMs, nowMs) };
      const samplesPerLine = Math.min(requestArguments.count("max_rows_per_line", lineSamplesMax) || lineSamplesMax, lineSamplesMax);
      const { signal } = exchange;
      using _limit = limitDuration(api, exchange, api.limits.exportDurationMsMax, "-search.maxExportDuration");
      const budget = { seriesMax: api.limits.exportSeriesMax, samplesMax: Infinity, seriesFlag: "-search.maxExportSeries" };
      using _place = await api.queryGate.enter(signal);
      const { batches } = await api.store.search({ tenant: defaultTenant, selector, range, signal, budget });
      const pieces = new PieceStream(exchange);
      for await (const batch of batches) {
        for (const bytes of exportLines(writer, batch, samplesPerLine)) await pieces.add(bytes);
      }
      await pieces.finish();
    },
  };
}

/** Gathers small pieces; an answer that is one piece is sent whole. */
class PieceStream {
  readonly #exchange: Exchange;
  #pieces: Uint8Array[] = [];
  #sizeBytes = 0;
  #isStarted = false;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  async add(bytes: Uint8Array): Promise<void> {
    this.#pieces.push(bytes);
    this.#sizeBytes += bytes.length;
    if (this.#sizeBytes < pieceBytes) return;
    if (!this.#isStarted) this.#exchange.startStream(200, contentType);
    this.#isStarted = true;
    const piece = this.#take();
    await this.#exchange.writeStream(piece);
  }

  async finish(): Promise<void> {
    const rest = this.#take();
    if (!this.#isStarted) return this.#exchange.send(200, contentType, rest);
    if (rest.length > 0) await this.#exchange.writeStream(rest);
    this.#exchange.endStream();
  }

  #take(): Uint8Array {
    const piece = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#sizeBytes = 0;
    return piece;
  }
}

function* exportLines(writer: JsonLinesWriter, batch: SeriesBatch, samplesPerLine: number): Generator<Uint8Array> {
  for (let i = 0; i < batch.seriesCount; i++) {
    const labels = batch.labels(i);
    for (let from = batch.sampleFrom[i]; from < batch.sampleFrom[i + 1]; from += samplesPerLine) {
      const to = Math.min(from + samplesPerLine, batch.sampleFrom[i + 1]);
      yield* writer.line(labels, batch.timestampsMs.subarray(from, to), batch.values.subarray(from, to));
    }
  }
}
