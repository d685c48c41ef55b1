/** /api/v1/labels: names of labels. */
import type { Api } from "../api.ts";
import { limitDuration } from "../duration_limit.ts";
import { HistogramLabels } from "../histogram_labels.ts";
import { labelsRequest } from "../labels_request.ts";
import { readDialect } from "../query_exchange.ts";
import type { Route } from "../router.ts";
import { selectorArgument } from "../selector_argument.ts";

export function labelsRoute(api: Api): Route {
  return {
    path: "/api/v1/labels",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      using _limit = limitDuration(api, exchange, api.limits.labelsDurationMsMax, "-search.maxLabelsAPIDuration");
      const request = labelsRequest(api, exchange, requestArguments, selectorArgument(requestArguments), api.limits.labelNamesMax);
      await exchange.sendJson({ status: "success", data: await new HistogramLabels(api.store, readDialect(api, requestArguments)).names(request) });
    },
  };
}
