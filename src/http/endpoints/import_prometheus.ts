/**
 * /api/v1/import/prometheus: the text format of Prometheus, or OpenMetrics by its content type; below it, the paths of the Pushgateway
 * give labels.
 */
import { InputError } from "../../base/errors.ts";
import type { SliceParser } from "../../protocol/slice_parser.ts";
import { timestampUnitOf } from "../../protocol/prometheus_text.ts";
import type { Api } from "../api.ts";
import type { Exchange } from "../exchange.ts";
import { ingestRoute } from "../ingest_route.ts";
import type { RequestArguments } from "../request_arguments.ts";
import type { Route } from "../router.ts";

export function importPrometheusRoutes(api: Api): Route[] {
  const parser = (exchange: Exchange): SliceParser => (timestampUnitOf(exchange.header("content-type")) === "seconds" ? api.parsers.openMetricsText : api.parsers.prometheusText);
  const common = { type: "prometheus", parser, defaultEncoding: "identity", timestampMs } as const;
  return [
    ingestRoute(api, { ...common, path: "/api/v1/import/prometheus" }),
    ingestRoute(api, { ...common, path: "/api/v1/import/prometheus/*", successStatus: 200 }),
  ];
}

function timestampMs(requestArguments: RequestArguments): number | undefined {
  const text = requestArguments.text("timestamp");
  if (text === "") return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new InputError("bad_argument", `bad value ${JSON.stringify(text)} in argument "timestamp"; allowed: Unix time in milliseconds`);
  return Number(text);
}
