/**
 * Checks the arguments of all calls: how many there are and which have to be strings. The parser does not, since WITH templates, the prettifier and the optimizer
 * work on any tree; whoever evaluates a tree calls this first.
 */
import { InputError } from "../base/errors.ts";
import type { AggregateExpr, Expr, FunctionExpr } from "./ast.ts";
import { functions } from "./functions.ts";
import type { ArgumentCount, FunctionFacts } from "./functions.ts";
import { visitExpr } from "./visit.ts";

/** Throws an InputError "bad_arguments" for the first call with arguments that the function cannot have. */
export function checkArguments(expr: Expr): void {
  visitExpr(expr, (node) => {
    if (node.kind === "function" || node.kind === "aggregate") checkCall(node);
  });
}

function checkCall(call: FunctionExpr | AggregateExpr): void {
  const facts = functions.get(call.name);
  if (facts === undefined) return;
  const [least, most] = facts.args;
  const count = call.args.length;
  if (count < least || count > most) throw badArguments(call, `takes ${describeCount(facts.args)}, found ${count}`, call.position);
  if (facts.isPaired && count % 2 === 0) throw badArguments(call, "takes pairs of arguments after the first, found half a pair", call.position);
  const index = call.args.findIndex((arg, i) => arg.kind !== "string" && isString(facts, i));
  if (index >= 0) throw badArguments(call, `needs a string as argument ${index + 1}`, call.args[index].position);
}

function isString(facts: FunctionFacts, index: number): boolean {
  return index === 0 ? facts.strings === "first" : facts.strings === "rest";
}

function badArguments(call: FunctionExpr | AggregateExpr, problem: string, offset: number): InputError {
  return new InputError("bad_arguments", `${call.name}() ${problem}`, { offset });
}

function describeCount([least, most]: ArgumentCount): string {
  if (least === most) return least === 1 ? "1 argument" : `${least} arguments`;
  return most === Infinity ? `at least ${least} argument${least === 1 ? "" : "s"}` : `${least} to ${most} arguments`;
}
