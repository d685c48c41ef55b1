/**
 * What is done with the text of a query, without running it: Prometheus' /api/v1/parse_query and /api/v1/format_query, VictoriaMetrics' /prettify-query
 * and /expand-with-exprs.
 */
import { InputError } from "../../base/errors.ts";
import { optimizeExpr } from "../../metricsql/filter_pushdown.ts";
import { type Dialect, parseExpr } from "../../metricsql/parser.ts";
import { prettifyExpr } from "../../metricsql/prettifier.ts";
import { printExpr } from "../../metricsql/printer.ts";
import { formatPromql } from "../../metricsql/promql_format.ts";
import type { Api } from "../api.ts";
import type { Exchange } from "../exchange.ts";
import { checkQueryText, readDialect } from "../query_exchange.ts";
import type { RequestArguments } from "../request_arguments.ts";
import type { Route } from "../router.ts";
import { queryTree } from "../syntax_json.ts";

export function queryTextRoutes(api: Api): Route[] {
  return [
    textRoute("/api/v1/parse_query", async (exchange, given) => exchange.sendJson({ status: "success", data: queryTree(requiredQuery(api, given), readDialect(api, given)) })),
    textRoute("/api/v1/format_query", async (exchange, given) => exchange.sendJson({ status: "success", data: formatted(requiredQuery(api, given), readDialect(api, given)) })),
    textRoute("/prettify-query", async (exchange, given) => exchange.sendJson(answerOf(() => ({ query: prettifyExpr(requiredQuery(api, given), { dialect: readDialect(api, given) }) }), "msg"))),
    textRoute("/expand-with-exprs", (exchange, given) => expand(api, exchange, given)),
  ];
}

/** PromQL as Prometheus formats it, MetricsQL as VictoriaMetrics does. */
function formatted(query: string, dialect: Dialect): string {
  return dialect === "promql" ? formatPromql(query) : prettifyExpr(query);
}

function textRoute(path: string, answer: (exchange: Exchange, given: RequestArguments) => Promise<void>): Route {
  return { path, methods: ["GET", "POST"], handle: async (exchange) => answer(exchange, await exchange.arguments()) };
}

function requiredQuery(api: Api, given: RequestArguments): string {
  const query = given.requiredText("query");
  checkQueryText(api, query);
  return query;
}

/** VictoriaMetrics answers 200 here, also when the query is wrong. */
function answerOf(make: () => object, messageKey: "msg" | "error"): object {
  try {
    return { status: "success", ...make() };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { status: "error", [messageKey]: error.message };
  }
}

/** With format=json a document, else a page with a form. */
async function expand(api: Api, exchange: Exchange, given: RequestArguments): Promise<void> {
  const expanded = (): { expr: string } => ({ expr: printExpr(optimizeExpr(parseExpr(requiredQuery(api, given)))) });
  if (given.text("format") === "json") return exchange.sendJson(answerOf(expanded, "error"));
  const query = given.text("query");
  const answer = query === "" ? {} : (answerOf(expanded, "error") as { expr?: string; error?: string });
  await exchange.send(200, "text/html; charset=utf-8", page(query, answer.expr ?? answer.error ?? ""));
}

function page(query: string, result: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Expand WITH expressions</title></head><body>
<form method="get">
<p><label>MetricsQL query with WITH expressions:<br><textarea name="query" rows="12" cols="100">${escapeHtml(query)}</textarea></label></p>
<p><input type="submit" value="Expand"></p>
<p><label>Expanded and optimized:<br><textarea rows="6" cols="100" readonly>${escapeHtml(result)}</textarea></label></p>
</form>
</body></html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
