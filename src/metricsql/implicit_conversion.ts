/** Finds what is legal but seldom meant: a rollup over something that is computed, as in `rate(sum(m))`. */
import type { Expr, FunctionExpr } from "./ast.ts";
import { functions, seriesArgIndex } from "./functions.ts";
import { someExpr } from "./visit.ts";

/** Whether a rollup function in `expr` gets neither a selector nor a subquery, so that a subquery is implied. */
export function hasImplicitConversion(expr: Expr): boolean {
  return someExpr(expr, (node) => node.kind === "function" && impliesSubquery(node));
}

function impliesSubquery(call: FunctionExpr): boolean {
  const facts = functions.get(call.name);
  // timestamp() of a computed vector is the usual way to see when it was computed, in PromQL too.
  if (facts?.family !== "rollup" || call.name === "timestamp") return false;
  const index = seriesArgIndex(facts, call.args.length);
  if (index === undefined) return false;
  const arg = call.args[index];
  if (arg.kind !== "rollup") return arg.kind !== "selector";
  return arg.inner.kind !== "selector" && arg.window === undefined;
}
