/**
 * explain=1: what a query would do, without doing it.
 *
 *   {"status":"success","data":{"query":"sum(rate(up[5m]))","plan":{"message":"aggregate sum ...","children":[...]},"text":"aggregate sum ...\n  rollup rate ..."}}
 */
import { parseExpr } from "../metricsql/parser.ts";
import { printExpr } from "../metricsql/printer.ts";
import { describePlan, explainPlan, inputsOf, type Plan } from "../query/plan.ts";
import { planQuery } from "../query/planner.ts";
import type { Exchange } from "./exchange.ts";

interface PlanNode {
  readonly message: string;
  readonly children?: readonly PlanNode[];
}

export async function sendExplanation(exchange: Exchange, { query }: { readonly query: string }): Promise<void> {
  const expr = parseExpr(query);
  const plan = planQuery(expr);
  await exchange.sendJson({ status: "success", data: { query: printExpr(expr), plan: planNode(plan), text: explainPlan(plan) } });
}

function planNode(plan: Plan): PlanNode {
  const children = inputsOf(plan).map(planNode);
  return { message: describePlan(plan), ...(children.length === 0 ? {} : { children }) };
}
