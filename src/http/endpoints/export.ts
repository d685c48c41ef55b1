/**
 * /api/v1/export: raw samples as JSON lines, what /api/v1/import takes back:
 *
 *   {"metric":{"__name__":"up","job":"x"},"values":[1,null,"Infinity"],"timestamps":[1700000000000,...]}
 *
 * A series with very many samples takes several lines. null stands for a stale marker.
 */
import { UnsupportedError } from "../../base/errors.ts";
import { defaultTenant } from "../../model/matcher.ts";
import type { SeriesBatch } from "../../model/store.ts";
import type { Api } from "../api.ts";
import { printLabelsJson } from "../labels_json.ts";
import type { Route } from "../router.ts";
import { requiredSelectorArgument } from "../selector_argument.ts";

/** A line stays small enough to be imported again by programs with a limit on lines. */
const lineSamplesMax = 100_000;
/** Lines are sent in pieces of about this size. */
const pieceChars = 64 << 10;

export function exportRoute(api: Api): Route {
  return {
    path: "/api/v1/export",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      const format = requestArguments.text("format");
      if (format !== "" && format !== "json") throw new UnsupportedError(`format=${format}`, `format=${format} is not supported; supported: json`);
      const nowMs = api.clock.nowMs();
      const selector = requiredSelectorArgument(requestArguments);
      const range = { minMs: requestArguments.timeMs("start", nowMs, 0), maxMs: requestArguments.timeMs("end", nowMs, nowMs) };
      const samplesPerLine = Math.min(requestArguments.count("max_rows_per_line", lineSamplesMax) || lineSamplesMax, lineSamplesMax);
      const { signal } = exchange;
      const budget = { seriesMax: api.limits.exportSeriesMax, samplesMax: Infinity };
      using _place = await api.queryGate.enter(signal);
      const { batches } = await api.store.search({ tenant: defaultTenant, selector, range, signal, budget });
      let text = "";
      let isStarted = false;
      for await (const batch of batches) {
        for (const line of exportLines(batch, samplesPerLine)) {
          text += line;
          if (text.length < pieceChars) continue;
          if (!isStarted) exchange.startStream(200, "application/stream+json");
          isStarted = true;
          await exchange.writeStream(text);
          text = "";
        }
      }
      if (!isStarted) return exchange.send(200, "application/stream+json", text);
      if (text !== "") await exchange.writeStream(text);
      exchange.endStream();
    },
  };
}

function* exportLines(batch: SeriesBatch, samplesPerLine: number): Generator<string> {
  for (let i = 0; i < batch.seriesCount; i++) {
    const metric = printLabelsJson(batch.labels(i));
    for (let from = batch.sampleFrom[i]; from < batch.sampleFrom[i + 1]; from += samplesPerLine) {
      const to = Math.min(from + samplesPerLine, batch.sampleFrom[i + 1]);
      yield `{"metric":${metric},"values":[${printValues(batch.values.subarray(from, to))}],"timestamps":[${batch.timestampsMs.subarray(from, to).join(",")}]}\n`;
    }
  }
}

/** join() writes numbers as JSON does, but for those that JSON does not have. */
function printValues(values: Float64Array): string {
  const text = values.join(",");
  return /[NI]/.test(text) ? text.replaceAll("NaN", "null").replace(/-?Infinity/g, '"$&"') : text;
}
