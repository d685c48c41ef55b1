/** /api/v1/series: the label sets that selectors pick. */
import type { Api } from "../api.ts";
import { HistogramLabels } from "../histogram_labels.ts";
import { printLabelsJson } from "../labels_json.ts";
import { labelsRequest } from "../labels_request.ts";
import { readDialect } from "../query_exchange.ts";
import type { Route } from "../router.ts";
import { requiredSelectorArgument } from "../selector_argument.ts";

export function seriesRoute(api: Api): Route {
  return {
    path: "/api/v1/series",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      const request = labelsRequest(api, exchange, requestArguments, requiredSelectorArgument(requestArguments), api.limits.seriesMax);
      const series = await new HistogramLabels(api.store, readDialect(api, requestArguments)).series(request);
      await exchange.send(200, "application/json", `{"status":"success","data":[${series.map(printLabelsJson).join(",")}]}`);
    },
  };
}
