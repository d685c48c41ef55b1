/** /api/v1/series: the label sets that selectors pick. */
import { LimitError } from "../../base/errors.ts";
import type { Api } from "../api.ts";
import { limitDuration } from "../duration_limit.ts";
import { HistogramLabels } from "../histogram_labels.ts";
import type { LabelAnswers } from "../label_answers.ts";
import { LabelSetsWriter } from "../labels_json.ts";
import { labelsRequest } from "../labels_request.ts";
import { readDialect } from "../query_exchange.ts";
import type { Route } from "../router.ts";
import { requiredSelectorArgument } from "../selector_argument.ts";

export function seriesRoute(api: Api, answers: LabelAnswers): Route {
  const writer = new LabelSetsWriter();
  return {
    path: "/api/v1/series",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      using _limit = limitDuration(api, exchange, api.limits.labelsDurationMsMax, "-search.maxLabelsAPIDuration");
      const { seriesMax } = api.limits;
      // One more than allowed, to see whether there are more: a list that is cut without a word would be taken for all.
      const request = labelsRequest(api, exchange, requestArguments, requiredSelectorArgument(api, requestArguments), seriesMax + 1);
      const dialect = readDialect(api, requestArguments);
      const body = await answers.get(["series", dialect], request, async () => {
        const series = await new HistogramLabels(api.store, dialect).series(request);
        if (series.count > seriesMax) {
          throw new LimitError("too_many_series", `more than ${seriesMax} series match, the limit is ${seriesMax} (-search.maxSeries); select less, or ask for the first ones with the argument limit`);
        }
        return writer.document(series, request.signal);
      });
      await exchange.send(200, "application/json", body);
    },
  };
}
