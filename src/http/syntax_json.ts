/**
 * Queries as trees in the form of Prometheus' /api/v1/parse_query: {"type":"aggregation","op":"sum","expr":{...},...}. Durations and times are milliseconds.
 * What only MetricsQL has keeps to that form and adds members: several arguments of an aggregate (`args`), `limit`, `keepMetricNames`, filters joined by `or`
 * (`matcherGroups`), the type `list`. Parentheses around a single expression are not told apart, and WITH templates are expanded.
 */
import type { BinaryExpr, DurationExpr } from "../metricsql/ast.ts";
import { functions, type FunctionFacts } from "../metricsql/functions.ts";
import { type Dialect, parseExpr } from "../metricsql/parser.ts";
import { checkPromql } from "../metricsql/promql_check.ts";
import type { AggregateSyntax, BinarySyntax, DurationSyntax, FilterSyntax, FunctionSyntax, RollupSyntax, SelectorSyntax, Syntax } from "../metricsql/syntax.ts";
import { parseSyntax } from "../metricsql/syntax_parser.ts";
import { metricNameLabel } from "../model/labels.ts";

/** A part of the document; null where Prometheus writes null. */
type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/** The tree of a query. Throws InputError "parse_error" for what is no query. */
export function queryTree(query: string, dialect: Dialect): Json {
  if (dialect === "promql") {
    const tree = parseExpr(query, { dialect });
    checkPromql(tree);
    return node(tree);
  }
  const expr = parseExpr(query); // looks everything up, and folds constants
  const written = parseSyntax(query);
  return node(hasTemplates(written) ? expr : written);
}

function node(syntax: Syntax): Json {
  switch (syntax.kind) {
    case "number":
      return { type: "numberLiteral", val: plainDecimal(syntax.value) };
    case "duration":
      return { type: "numberLiteral", val: plainDecimal(syntax.fixedMs / 1000) };
    case "string":
      return { type: "stringLiteral", val: syntax.value };
    case "string_parts":
      return { type: "stringLiteral", val: syntax.parts.map(({ value, text }) => value ?? text).join("") };
    case "selector":
      return { type: "vectorSelector", ...selectorMembers(syntax), ...timeMembers(undefined) };
    case "rollup":
      return rollupNode(syntax);
    case "function":
      return callNode(syntax);
    case "aggregate":
      return aggregationNode(syntax);
    case "binary":
      return binaryNode(syntax);
    case "unary":
      return { type: "unaryExpr", op: syntax.op, expr: node(syntax.operand) };
    case "list":
      return { type: "list", items: syntax.items.map(node) };
    case "with":
      return node(syntax.body);
  }
}

/** A name before the braces, or alone in them, comes after the filters and is `name` too. */
function selectorMembers({ groups }: SelectorSyntax): { [key: string]: Json } {
  const filters = groups.map((group) => group.flatMap((filter) => ("template" in filter ? [] : [filter])));
  const name = filters[0]?.find(isName);
  const translated = filters.map((group) => [...group.filter((filter) => !isName(filter)), ...group.filter(isName)].map((filter) => ({ name: filter.name, type: filter.op, value: textOf(filter.value) })));
  return { name: name === undefined ? "" : textOf(name.value), matchers: translated[0] ?? [], ...(translated.length > 1 ? { matcherGroups: translated } : {}) };
}

/** Written filters have values made of literals. */
function isName({ name, op, value }: FilterSyntax): boolean {
  return name === metricNameLabel && op === "=" && typeof value === "string";
}

function textOf(value: string | Extract<Syntax, { kind: "string_parts" }>): string {
  return typeof value === "string" ? value : value.parts.map((part) => part.value ?? part.text).join("");
}

function rollupNode(rollup: RollupSyntax): Json {
  const { inner, window, step, inheritsStep } = rollup;
  const times = timeMembers(rollup);
  const isSubquery = step !== undefined || inheritsStep;
  if (inner.kind === "selector" && !isSubquery) {
    if (window === undefined) return { type: "vectorSelector", ...selectorMembers(inner), ...times };
    return { type: "matrixSelector", ...selectorMembers(inner), range: lengthOf(window), ...times };
  }
  return { type: "subquery", expr: node(inner), range: lengthOf(window), step: lengthOf(step), ...times };
}

/** offset, timestamp and startOrEnd; `at` for other expressions after @. */
function timeMembers(rollup: RollupSyntax | undefined): { [key: string]: Json } {
  const at = rollup?.at;
  const isBound = at?.kind === "function" && (at.name === "start" || at.name === "end");
  return {
    offset: lengthOf(rollup?.offset),
    timestamp: timestampOf(at),
    startOrEnd: isBound ? at.name : null,
    ...(at === undefined || isBound || timestampOf(at) !== null ? {} : { at: node(at) }),
  };
}

/** The time after @ in milliseconds; null for expressions. */
function timestampOf(at: Syntax | undefined): number | null {
  if (at?.kind === "number") return Math.round(at.value * 1000);
  return at?.kind === "duration" && at.steps === 0 ? at.fixedMs : null;
}

/** Milliseconds; the text of what depends on the step. */
function lengthOf(duration: DurationSyntax | undefined): number | string {
  if (duration === undefined) return 0;
  if (duration.kind === "duration_template") return duration.name;
  return (duration satisfies DurationExpr).steps === 0 ? duration.fixedMs : duration.text;
}

function callNode(call: FunctionSyntax): Json {
  const facts = functions.get(call.name);
  return {
    type: "call",
    func: { name: call.name, argTypes: argTypesOf(facts, call.args.length), variadic: facts === undefined || facts.args[0] === facts.args[1] ? 0 : -1, returnType: isScalarCall(call.name) ? "scalar" : "vector" },
    args: call.args.map(node),
    ...(call.keepMetricNames ? { keepMetricNames: true } : {}),
  };
}

function argTypesOf(facts: FunctionFacts | undefined, count: number): Json {
  const seriesIndex = facts?.seriesArg === "last" ? count - 1 : facts?.seriesArg;
  const seriesType = facts?.family === "rollup" ? "matrix" : "vector";
  return Array.from({ length: count }, (_, i) => {
    if (i === seriesIndex) return seriesType;
    if (facts?.strings === "rest" || (facts?.strings === "first" && i === 0)) return "string";
    return facts?.filters === "all" ? seriesType : "scalar";
  });
}

function isScalarCall(name: string): boolean {
  return ["time", "scalar", "pi", "now", "start", "end", "step"].includes(name);
}

function aggregationNode({ name, args, grouping, limit }: AggregateSyntax): Json {
  return {
    type: "aggregation",
    op: name,
    expr: args.length === 0 ? null : node(args[args.length - 1]),
    param: args.length < 2 ? null : node(args[0]),
    grouping: grouping?.labels ?? [],
    without: grouping?.op === "without",
    ...(args.length > 2 ? { args: args.map(node) } : {}),
    ...(limit > 0 ? { limit } : {}),
  };
}

const setOperators: readonly BinaryExpr["op"][] = ["and", "or", "unless", "if", "ifnot", "default"];

function binaryNode(binary: BinarySyntax): Json {
  const { op, left, right } = binary;
  if (op === "-" && left.kind === "number" && left.text === "" && left.value === 0) {
    return right.kind === "number" ? { type: "numberLiteral", val: plainDecimal(-right.value) } : { type: "unaryExpr", op, expr: node(right) };
  }
  return {
    type: "binaryExpr", op, lhs: node(left), rhs: node(right), matching: isScalar(left) || isScalar(right) ? null : matchingOf(binary), bool: binary.bool,
    ...(binary.keepMetricNames ? { keepMetricNames: true } : {}),
    ...(binary.fillLeft === undefined ? {} : { fillLeft: binary.fillLeft }),
    ...(binary.fillRight === undefined ? {} : { fillRight: binary.fillRight }),
  };
}

function matchingOf({ op, matching, join }: BinarySyntax): Json {
  const oneToOne = setOperators.includes(op) ? "many-to-many" : "one-to-one";
  const card = join === undefined ? oneToOne : join.op === "group_left" ? "many-to-one" : "one-to-many";
  return { card, labels: matching?.labels ?? [], on: matching?.op === "on", include: join?.labels ?? [] };
}

function isScalar(syntax: Syntax): boolean {
  switch (syntax.kind) {
    case "number":
    case "duration":
      return true;
    case "function":
      return isScalarCall(syntax.name);
    case "binary":
      return isScalar(syntax.left) && isScalar(syntax.right);
    default:
      return false;
  }
}

/** Whether the tree has something that only templates give a meaning. */
function hasTemplates(syntax: Syntax): boolean {
  switch (syntax.kind) {
    case "with":
      return true;
    case "string_parts":
      return syntax.parts.some(({ value }) => value === undefined);
    case "selector":
      return syntax.groups.some((group) => group.some((filter) => "template" in filter || (typeof filter.value !== "string" && hasTemplates(filter.value))));
    case "rollup":
      return [syntax.window, syntax.step, syntax.offset].some((duration) => duration?.kind === "duration_template")
        || hasTemplates(syntax.inner) || (syntax.at !== undefined && hasTemplates(syntax.at));
    case "function":
    case "aggregate":
      // The functions that are built-in templates are not in the table.
      return syntax.args.some(hasTemplates) || (syntax.kind === "function" && !functions.has(syntax.name));
    case "binary":
      return hasTemplates(syntax.left) || hasTemplates(syntax.right);
    case "list":
      return syntax.items.some(hasTemplates);
    default:
      return false;
  }
}

/** Without an exponent, as Prometheus writes literals. */
function plainDecimal(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const [, sign, integer, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/.exec(String(value)) ?? [];
  const shift = Number(exponent);
  if (shift >= 0) return sign + integer + fraction.slice(0, shift).padEnd(shift, "0") + (fraction.length > shift ? `.${fraction.slice(shift)}` : "");
  return `${sign}0.${"0".repeat(-shift - 1)}${integer}${fraction}`;
}
