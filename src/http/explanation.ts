/**
 * explain=1: what a query would do, without doing it.
 *
 *   {"status":"success","data":{"query":"sum(rate(up[5m]))","plan":{"message":"aggregate sum ...","children":[...]},"text":"aggregate sum ...\n  rollup rate ..."}}
 */
import type { Expr } from "../metricsql/ast.ts";
import { type Dialect, parseExpr } from "../metricsql/parser.ts";
import { printExpr } from "../metricsql/printer.ts";
import { checkPromql } from "../metricsql/promql_check.ts";
import { childrenOf } from "../metricsql/visit.ts";
import { describePlan, explainPlan, inputsOf, type Plan } from "../query/plan.ts";
import { planQuery } from "../query/planner.ts";
import type { Exchange } from "./exchange.ts";

interface PlanNode {
  readonly message: string;
  readonly children?: readonly PlanNode[];
}

export async function sendExplanation(exchange: Exchange, { query, dialect }: { readonly query: string; readonly dialect: Dialect }): Promise<void> {
  if (dialect === "promql") return sendPromql(exchange, query);
  const expr = parseExpr(query);
  const plan = planQuery(expr);
  await exchange.sendJson({ status: "success", data: { query: printExpr(expr), plan: planNode(plan), text: explainPlan(plan) } });
}

/** PromQL has no plan: it is evaluated by its tree. */
async function sendPromql(exchange: Exchange, query: string): Promise<void> {
  const expr = parseExpr(query, { dialect: "promql" });
  checkPromql(expr);
  const text = printExpr(expr, { dialect: "promql" });
  await exchange.sendJson({ status: "success", data: { query: text, plan: exprNode(expr), text } });
}

function exprNode(expr: Expr): PlanNode {
  const children = childrenOf(expr).map(exprNode);
  return { message: printExpr(expr, { dialect: "promql" }), ...(children.length === 0 ? {} : { children }) };
}

function planNode(plan: Plan): PlanNode {
  const children = inputsOf(plan).map(planNode);
  return { message: describePlan(plan), ...(children.length === 0 ? {} : { children }) };
}
