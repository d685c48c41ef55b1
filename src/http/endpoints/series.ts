/** /api/v1/series: the label sets that selectors pick. */
import { LimitError } from "../../base/errors.ts";
import type { Api } from "../api.ts";
import { limitDuration } from "../duration_limit.ts";
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
      using _limit = limitDuration(api, exchange, api.limits.labelsDurationMsMax, "-search.maxLabelsAPIDuration");
      const { seriesMax } = api.limits;
      // One more than allowed, to see whether there are more: a list that is cut without a word would be taken for all.
      const request = labelsRequest(api, exchange, requestArguments, requiredSelectorArgument(requestArguments), seriesMax + 1);
      const series = await new HistogramLabels(api.store, readDialect(api, requestArguments)).series(request);
      if (series.length > seriesMax) {
        throw new LimitError("too_many_series", `more than ${seriesMax} series match, the limit is ${seriesMax} (-search.maxSeries); select less, or ask for the first ones with the argument limit`);
      }
      await exchange.send(200, "application/json", `{"status":"success","data":[${series.map(printLabelsJson).join(",")}]}`);
    },
  };
}
