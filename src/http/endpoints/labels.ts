/** /api/v1/labels: names of labels. */
import type { Api } from "../api.ts";
import { limitDuration } from "../duration_limit.ts";
import { HistogramLabels } from "../histogram_labels.ts";
import { type LabelAnswers, stringsBody } from "../label_answers.ts";
import { labelsRequest } from "../labels_request.ts";
import { readDialect } from "../query_exchange.ts";
import type { Route } from "../router.ts";
import { selectorArgument } from "../selector_argument.ts";

export function labelsRoute(api: Api, answers: LabelAnswers): Route {
  return {
    path: "/api/v1/labels",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      using _limit = limitDuration(api, exchange, api.limits.labelsDurationMsMax, "-search.maxLabelsAPIDuration");
      const request = labelsRequest(api, exchange, requestArguments, selectorArgument(api, requestArguments), api.limits.labelNamesMax);
      const dialect = readDialect(api, requestArguments);
      const body = await answers.get(["names", dialect], request, async () => stringsBody(await new HistogramLabels(api.store, dialect).names(request)));
      await exchange.send(200, "application/json", body);
    },
  };
}
