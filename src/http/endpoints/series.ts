/** /api/v1/series: the label sets that selectors pick. */
import type { Api } from "../api.ts";
import { printLabelsJson } from "../labels_json.ts";
import { labelsRequest } from "../labels_request.ts";
import type { Route } from "../router.ts";
import { requiredSelectorArgument } from "../selector_argument.ts";

export function seriesRoute(api: Api): Route {
  return {
    path: "/api/v1/series",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      const request = labelsRequest(api, exchange, requestArguments, requiredSelectorArgument(requestArguments), api.limits.seriesMax);
      const series = await api.store.series(request);
      await exchange.send(200, "application/json", `{"status":"success","data":[${series.map(printLabelsJson).join(",")}]}`);
    },
  };
}
