/** /api/v1/query_exemplars: exemplars of the series that the selectors of an expression pick, as Prometheus answers it. */
import { parseExpr } from "../../metricsql/parser.ts";
import { visitExpr } from "../../metricsql/visit.ts";
import { defaultTenant, type Matcher } from "../../model/matcher.ts";
import type { SeriesExemplars } from "../../model/store.ts";
import type { Api } from "../api.ts";
import { printLabelsJson } from "../labels_json.ts";
import { readQuery } from "../query_exchange.ts";
import type { Route } from "../router.ts";
import { narrowed } from "../selector_argument.ts";

export function queryExemplarsRoute(api: Api): Route {
  return {
    path: "/api/v1/query_exemplars",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      const nowMs = api.clock.nowMs();
      const { query, dialect, enforcedFilters } = readQuery(api, requestArguments);
      const groups: (readonly Matcher[])[] = [];
      visitExpr(parseExpr(query, { dialect }), (node) => node.kind === "selector" && groups.push(...node.groups));
      const range = { minMs: requestArguments.timeMs("start", nowMs, 0, dialect), maxMs: requestArguments.timeMs("end", nowMs, nowMs, dialect) };
      const selector = narrowed(groups, enforcedFilters);
      const found = groups.length === 0 ? [] : await api.store.exemplars?.({ tenant: defaultTenant, selector, range, signal: exchange.signal });
      await exchange.send(200, "application/json", `{"status":"success","data":[${(found ?? []).map(printSeries).join(",")}]}`);
    },
  };
}

function printSeries({ labels, exemplars }: SeriesExemplars): string {
  const texts = exemplars.map((exemplar) => `{"labels":${printLabelsJson(exemplar.labels)},"value":"${printValue(exemplar.value)}","timestamp":${exemplar.timestampMs / 1000}}`);
  return `{"seriesLabels":${printLabelsJson(labels)},"exemplars":[${texts.join(",")}]}`;
}

function printValue(value: number): string {
  return value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value);
}
