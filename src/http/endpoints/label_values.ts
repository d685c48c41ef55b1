/** /api/v1/label/<name>/values: the values that one label has. */
import type { Api } from "../api.ts";
import { limitDuration } from "../duration_limit.ts";
import { HistogramLabels } from "../histogram_labels.ts";
import { type LabelAnswers, stringsBody } from "../label_answers.ts";
import { labelsRequest } from "../labels_request.ts";
import { readDialect } from "../query_exchange.ts";
import type { Route } from "../router.ts";
import { selectorArgument } from "../selector_argument.ts";

export function labelValuesRoute(api: Api, answers: LabelAnswers): Route {
  return {
    path: "/api/v1/label/{name}/values",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      using _limit = limitDuration(api, exchange, api.limits.labelsDurationMsMax, "-search.maxLabelsAPIDuration");
      const request = labelsRequest(api, exchange, requestArguments, selectorArgument(api, requestArguments), api.limits.labelValuesMax);
      const dialect = readDialect(api, requestArguments);
      const name = unescapeLabelName(exchange.variables[0]);
      const body = await answers.get(["values", name, dialect], request, async () => stringsBody(await new HistogramLabels(api.store, dialect).values(name, request)));
      await exchange.send(200, "application/json", body);
    },
  };
}

/** Prometheus clients write names that are no plain identifiers as `U__a_2e_b` (a.b): `_` doubled, other characters as _hex_. */
export function unescapeLabelName(name: string): string {
  if (!name.startsWith("U__")) return name;
  const escaped = name.slice(3);
  if (!/^(?:[a-zA-Z0-9:]|__|_[0-9a-fA-F]{1,6}_)*$/.test(escaped)) return name;
  return escaped.replace(/__|_([0-9a-fA-F]{1,6})_/g, (whole, hex: string | undefined) => {
    if (hex === undefined) return "_";
    const codePoint = Number.parseInt(hex, 16);
    return codePoint <= 0x10ffff ? String.fromCodePoint(codePoint) : whole;
  });
}
