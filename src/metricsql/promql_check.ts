/**
 * Types of PromQL: what each expression is, and the checks that Prometheus makes before it evaluates a query. The messages
 * contain those of Prometheus.
 */
import { InputError } from "../base/errors.ts";
import { AnchoredRegexp } from "../model/regexp.ts";
import type { AggregateExpr, BinaryExpr, Expr, FunctionExpr, LabelFilter, RollupExpr, SelectorExpr } from "./ast.ts";
import { binaryOperators, isComparison } from "./binary_operator.ts";
import { promqlAggregates, promqlFunctions } from "./promql_functions.ts";
import type { PromqlFunctionFacts, PromqlType } from "./promql_functions.ts";
import { visitExpr } from "./visit.ts";

const typeNames: Readonly<Record<PromqlType, string>> = { scalar: "scalar", string: "string", vector: "instant vector", matrix: "range vector" };

/** Functions of a range vector that know the samples around it. */
const functionsByModifier = {
  anchored: ["changes", "delta", "increase", "rate", "resets"],
  smoothed: ["delta", "increase", "rate"],
} as const;

/** The type of an expression, whether its parts are well-typed or not. */
export function promqlType(expr: Expr): PromqlType {
  switch (expr.kind) {
    case "number":
    case "duration":
      return "scalar";
    case "string":
      return "string";
    case "rollup":
      return expr.window === undefined && expr.step === undefined && !expr.inheritsStep ? "vector" : "matrix";
    case "function":
      return promqlFunctions.get(expr.name)?.returns ?? "vector";
    case "unary":
      return promqlType(expr.operand);
    case "binary":
      return promqlType(expr.left) === "scalar" && promqlType(expr.right) === "scalar" ? "scalar" : "vector";
    default:
      return "vector";
  }
}

/** Throws an InputError "bad_arguments" with its place in the query for what Prometheus would refuse. */
export function checkPromql(expr: Expr): void {
  const labelSelectors = new Set<Expr>();
  visitExpr(expr, (node) => {
    if (node.kind === "function" && node.name === "info" && node.args.length > 1) labelSelectors.add(node.args[1]);
  });
  visitExpr(expr, (node) => {
    if (node.kind !== "selector" || !labelSelectors.has(node)) checkNode(node);
  });
}

function checkNode(node: Expr): void {
  switch (node.kind) {
    case "selector":
      return checkSelector(node);
    case "rollup":
      return checkRollup(node);
    case "function":
      return checkFunction(node);
    case "aggregate":
      return checkAggregate(node);
    case "unary":
      checkOperand(node.operand, "unary expression only allowed on expressions of type scalar or instant vector");
      return;
    case "binary":
      return checkBinary(node);
  }
}

/** A selector must not match series without labels, that is, all of them by a slip. */
function checkSelector({ groups, position }: SelectorExpr): void {
  if (groups.some((group) => group.every(matchesEmpty))) {
    throw refusal("vector selector must contain at least one non-empty matcher, such as a metric name", position);
  }
}

function matchesEmpty({ op, value }: LabelFilter): boolean {
  if (op === "=" || op === "!=") return (value === "") === (op === "=");
  return new AnchoredRegexp(value).test("") === (op === "=~");
}

function checkRollup({ inner, window, step, inheritsStep, position }: RollupExpr): void {
  if (step === undefined && !inheritsStep) return;
  if (window === undefined) throw refusal("a subquery needs a window: (a + b)[1h:5m]", position);
  const type = promqlType(inner);
  if (type !== "vector") throw refusal(`subquery is only allowed on instant vector, got ${typeNames[type]} instead`, position);
}

function checkFunction(call: FunctionExpr): void {
  const facts = promqlFunctions.get(call.name);
  if (facts === undefined) throw refusal(`unknown function with name "${call.name}"`, call.position);
  checkCount(call, facts);
  const place = `call to function "${call.name}"`;
  for (const [i, arg] of call.args.entries()) checkType(arg, facts.args[Math.min(i, facts.args.length - 1)], place);
  for (const arg of call.args) checkModifier(call.name, arg);
}

function checkCount({ name, args, position }: FunctionExpr, { least, most }: PromqlFunctionFacts): void {
  const count = args.length;
  if (least === most && count !== least) throw refusal(`expected ${least} argument(s) in call to "${name}", got ${count}`, position);
  if (count < least) throw refusal(`expected at least ${least} argument(s) in call to "${name}", got ${count}`, position);
  if (count > most) throw refusal(`expected at most ${most} argument(s) in call to "${name}", got ${count}`, position);
}

function checkModifier(name: string, arg: Expr): void {
  if (arg.kind !== "rollup" || arg.modifier === undefined || arg.window === undefined) return;
  const names: readonly string[] = functionsByModifier[arg.modifier];
  if (names.includes(name)) return;
  throw refusal(`${arg.modifier} modifier can only be used with: ${names.join(", ")} - not with ${name}`, arg.position);
}

function checkAggregate({ name, args, position }: AggregateExpr): void {
  const facts = promqlAggregates.get(name);
  if (facts === undefined) throw refusal(`unknown aggregation "${name}"`, position);
  const expected = facts.parameter === undefined ? 1 : 2;
  if (args.length === 0) throw refusal(`no arguments for aggregate expression provided, ${name}() takes ${expected}`, position);
  if (args.length !== expected) {
    throw refusal(`wrong number of arguments for aggregate expression provided, expected ${expected}, got ${args.length}`, position);
  }
  if (facts.parameter !== undefined) checkType(args[0], facts.parameter, "aggregation parameter");
  checkType(args[expected - 1], "vector", "aggregation expression");
}

function checkType(expr: Expr, expected: PromqlType, place: string): void {
  const type = promqlType(expr);
  if (type === expected) return;
  const hint = expected === "matrix" && type === "vector" ? "; PromQL needs a window, as in m[5m]" : "";
  throw refusal(`expected type ${typeNames[expected]} in ${place}, got ${typeNames[type]}${hint}`, expr.position);
}

function checkOperand(operand: Expr, problem: string): PromqlType {
  const type = promqlType(operand);
  if (type !== "scalar" && type !== "vector") throw refusal(`${problem}, got "${typeNames[type]}"`, operand.position);
  return type;
}

function checkBinary(binary: BinaryExpr): void {
  const { op, left, right, bool, matching, fillLeft, fillRight, position } = binary;
  const types = [left, right].map((operand) => checkOperand(operand, "binary expression must contain only scalar and instant vector types"));
  const isSet = binaryOperators[op].family === "set";
  if (types.every((type) => type === "scalar") && isComparison(op) && !bool) throw refusal("comparisons between scalars must use BOOL modifier", position);
  if (types.every((type) => type === "scalar") && binaryOperators[op].family === "trim") throw refusal(`"${op}" needs a vector with histograms`, position);
  if (types.every((type) => type === "vector")) return;
  if (isSet) throw refusal(`set operator "${op}" not allowed in binary scalar expression`, position);
  if (matching !== undefined && matching.labels.length > 0) throw refusal("vector matching only allowed between instant vectors", position);
  if ((fillLeft ?? fillRight) !== undefined) throw refusal("filling in missing series only allowed between instant vectors", position);
}

function refusal(problem: string, offset: number): InputError {
  return new InputError("bad_arguments", problem, { offset });
}
