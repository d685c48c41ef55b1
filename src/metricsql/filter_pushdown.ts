/**
 * Moves label filters to where they save the most. In `a{x="1"} * b{y="2"}` only series with both labels can match, so
 * both sides are read with both filters. What a function or operator does to labels decides how far a filter may go; the
 * facts stand in functions.ts. A filter on the metric name never moves, since operations drop it.
 */
import type { AggregateExpr, BinaryExpr, Expr, FunctionExpr, LabelFilter, SelectorExpr } from "./ast.ts";
import { compareBytewise } from "../model/labels.ts";
import { filterKey, isMetricName } from "./filter_group.ts";
import { functions, seriesArgIndex } from "./functions.ts";
import type { FunctionFacts } from "./functions.ts";
import { mapExpr, visitExpr } from "./visit.ts";

type Filters = readonly LabelFilter[];

/** The work grows with the square of the operations, so longer (generated) queries are left as they are. */
const maxOperations = 100;

/** More filters than this are not added to a selector. */
const maxFilters = 32;

/** `expr` with the common filters of the operands of its binary operations added to both. The result is the same. */
export function optimizeExpr(expr: Expr): Expr {
  let operationCount = 0;
  visitExpr(expr, (node) => (operationCount += node.kind === "binary" ? 1 : 0));
  if (operationCount === 0 || operationCount > maxOperations) return expr;
  return mapExpr(expr, (node) => (node.kind === "binary" ? optimizeBinary(node) : node));
}

function optimizeBinary(binary: BinaryExpr): Expr {
  const { left, right, fillLeft, fillRight } = binary;
  if (fillLeft !== undefined && fillRight !== undefined) return binary;
  // A side that is filled has series without a partner, so its filters say nothing about the other side.
  if (fillLeft !== undefined) return { ...binary, left: pushDownFilters(left, trimByMatching(commonLabelFilters(right), binary)) };
  if (fillRight !== undefined) return { ...binary, right: pushDownFilters(right, trimByMatching(commonLabelFilters(left), binary)) };
  return pushDownFilters(binary, commonLabelFilters(binary));
}

// Which filters hold for all series of an expression

/** The label filters, without those on the metric name, that every series of `expr` passes. */
export function commonLabelFilters(expr: Expr): Filters {
  switch (expr.kind) {
    case "selector":
      return expr.groups.map((group): Filters => group.filter((filter) => filter.name !== "__name__")).reduce(intersect);
    case "rollup":
      return commonLabelFilters(expr.inner);
    case "list":
      return intersectAll(expr.items);
    case "function":
      return commonFiltersOfCall(expr);
    case "aggregate":
      return trimByGrouping(commonFiltersOfCall(expr), expr);
    case "binary":
      return commonFiltersOfBinary(expr);
    default:
      return [];
  }
}

function intersectAll(exprs: readonly Expr[]): Filters {
  return exprs.length === 0 ? [] : exprs.map(commonLabelFilters).reduce(intersect);
}

function commonFiltersOfCall(call: FunctionExpr | AggregateExpr): Filters {
  const facts = functions.get(call.name);
  if (facts === undefined || facts.filters === "none") return [];
  if (facts.filters === "all") return intersectAll(call.args);
  const index = seriesArgIndex(facts, call.args.length);
  if (index === undefined) return [];
  return withAssignedLabels(trimByCall(commonLabelFilters(call.args[index]), call, facts), call, facts);
}

/** After label_set(q, "a", "b") every series has a="b". */
function withAssignedLabels(filters: Filters, call: FunctionExpr | AggregateExpr, facts: FunctionFacts): Filters {
  if (facts.labels !== "assigned") return filters;
  const names = stringsOf(call.args.filter((_, i) => i > 0 && i % 2 === 1));
  const values = stringsOf(call.args.filter((_, i) => i > 0 && i % 2 === 0));
  if (names === undefined || values?.length !== names.length) return [];
  const assigned = names.map((name, i): LabelFilter => ({ name, op: "=", value: values[i] }));
  // A label that is set twice has the last value; a selector cannot name a label without a name.
  const last = assigned.filter((filter, i) => filter.name !== "__name__" && filter.name !== "" && names.lastIndexOf(filter.name) === i);
  return [...filters, ...last];
}

function commonFiltersOfBinary(binary: BinaryExpr): Filters {
  const left = commonLabelFilters(binary.left);
  const right = commonLabelFilters(binary.right);
  switch (binary.op) {
    case "or":
    case "default":
      return trimByMatching(intersect(left, right), binary);
    case "unless":
    case "ifnot":
      return trimByMatching(left, binary);
  }
  const leftFilters = binary.join?.op === "group_left" ? trimByJoin(left, binary) : trimByMatching(left, binary);
  const rightFilters = binary.join?.op === "group_right" ? trimByJoin(right, binary) : trimByMatching(right, binary);
  return combineSides(leftFilters, rightFilters, binary);
}

/** Results need a partner on both sides, but on a side that is filled they may lack one and so need not pass its filters. */
function combineSides(left: Filters, right: Filters, { fillLeft, fillRight }: BinaryExpr): Filters {
  if (fillLeft !== undefined && fillRight !== undefined) return intersect(left, right);
  if (fillLeft !== undefined) return right;
  return fillRight !== undefined ? left : unite(left, right);
}

// Adding filters to the selectors of an expression

/** `expr` with `filters` added to its selectors as far as that only drops series that do not pass the filters. */
export function pushDownFilters(expr: Expr, filters: Filters): Expr {
  if (filters.length === 0 || filters.length > maxFilters) return expr;
  switch (expr.kind) {
    case "selector":
      return addFilters(expr, filters);
    case "rollup":
      return { ...expr, inner: pushDownFilters(expr.inner, filters) };
    case "list":
      return { ...expr, items: expr.items.map((item) => pushDownFilters(item, filters)) };
    case "function":
      return pushDownCall(expr, filters);
    case "aggregate":
      return pushDownCall(expr, trimByGrouping(filters, expr));
    case "binary":
      return pushDownBinary(expr, trimByMatching(filters, expr));
    default:
      return expr;
  }
}

function addFilters(selector: SelectorExpr, filters: Filters): SelectorExpr {
  const groups = selector.groups.map((group) => unite(group, filters).toSorted(compareFilters));
  return { ...selector, groups };
}

/** The metric name first, the others by name and value. */
function compareFilters(left: LabelFilter, right: LabelFilter): number {
  const byKind = Number(isMetricName(right)) - Number(isMetricName(left));
  return byKind || compareBytewise(left.name, right.name) || compareBytewise(left.value, right.value);
}

function pushDownCall<Call extends FunctionExpr | AggregateExpr>(call: Call, filters: Filters): Call {
  const facts = functions.get(call.name);
  if (facts === undefined || facts.filters === "none") return call;
  if (facts.filters === "all") return { ...call, args: call.args.map((arg) => pushDownFilters(arg, filters)) };
  const index = seriesArgIndex(facts, call.args.length);
  if (index === undefined) return call;
  return { ...call, args: call.args.with(index, pushDownFilters(call.args[index], trimByCall(filters, call, facts))) };
}

function pushDownBinary(binary: BinaryExpr, filters: Filters): Expr {
  // When the left side of `default` gets empty the right side answers, so neither may lose series.
  if (binary.op === "default") return binary;
  // Where a filled side loses series, the values that fill it would appear.
  const left = binary.fillLeft === undefined ? pushDownFilters(binary.left, filters) : binary.left;
  const right = binary.fillRight === undefined ? pushDownFilters(binary.right, filters) : binary.right;
  return { ...binary, left, right };
}

// Which filters pass through calls and operators

/** Filters on labels that `call` does not change. */
function trimByCall(filters: Filters, call: FunctionExpr | AggregateExpr, facts: FunctionFacts): Filters {
  if (facts.filters === "not_first") return dropNames(filters, stringsOf(call.args.slice(0, 1)));
  switch (facts.labels) {
    case "listed":
      return dropNames(filters, stringsOf(call.args.slice(1)));
    case "second":
      return dropNames(filters, stringsOf(call.args.slice(1, 2)));
    case "copied":
      if (call.args.length % 2 === 0) return [];
      return dropNames(filters, stringsOf(call.args.filter((_, i) => i > 0 && i % 2 === 0)));
    case "assigned":
      if (call.args.length % 2 === 0) return [];
      return dropNames(filters, stringsOf(call.args.filter((_, i) => i % 2 === 1)));
    case "kept":
      return keepNames(filters, stringsOf(call.args.slice(1)));
    default:
      return filters;
  }
}

/** The values of string literals; undefined if one of `args` is something else. */
function stringsOf(args: readonly Expr[]): readonly string[] | undefined {
  const values = args.map((arg) => (arg.kind === "string" ? arg.value : undefined));
  return values.every((value) => value !== undefined) ? values : undefined;
}

function dropNames(filters: Filters, names: readonly string[] | undefined): Filters {
  return names === undefined ? [] : filters.filter((filter) => !names.includes(filter.name));
}

function keepNames(filters: Filters, names: readonly string[] | undefined): Filters {
  return names === undefined ? [] : filters.filter((filter) => names.includes(filter.name));
}

function trimByGrouping(filters: Filters, { grouping }: AggregateExpr): Filters {
  if (grouping === undefined) return [];
  return grouping.op === "by" ? keepNames(filters, grouping.labels) : dropNames(filters, grouping.labels);
}

/** Filters on the labels by which the two sides are matched. */
export function trimByMatching(filters: Filters, { matching }: BinaryExpr): Filters {
  if (matching === undefined) return filters;
  return matching.op === "on" ? keepNames(filters, matching.labels) : dropNames(filters, matching.labels);
}

/** Filters of the "many" side on labels that group_left or group_right does not overwrite. */
function trimByJoin(filters: Filters, { join, matching }: BinaryExpr): Filters {
  if (join === undefined || join.labels.length === 0) return filters;
  const matched = matching?.op === "on" ? matching.labels : [];
  if (join.labels[0] === "*") return filters.filter(({ name }) => !isCopied(name, join.prefix, matched));
  const copied = join.labels.filter((label) => !matched.includes(label));
  return dropNames(filters, [...copied, ...copied.map((label) => join.prefix + label)]);
}

/** Whether group_left(*) may overwrite the label `name`: it copies all labels but the matched ones, with the prefix. */
function isCopied(name: string, prefix: string, matched: readonly string[]): boolean {
  return name.length > prefix.length && name.startsWith(prefix) && !matched.includes(name.slice(prefix.length));
}

// Sets of filters

function unite(left: Filters, right: Filters): Filters {
  if (left.length === 0 || right.length === 0) return left.length === 0 ? right : left;
  const keys = new Set(left.map(filterKey));
  return [...left, ...right.filter((filter) => !keys.has(filterKey(filter)))];
}

/** The filters of `right` that are in `left` too. */
function intersect(left: Filters, right: Filters): Filters {
  const keys = new Set(left.map(filterKey));
  return right.filter((filter) => keys.has(filterKey(filter)));
}
