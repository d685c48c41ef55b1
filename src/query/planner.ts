/**
 * Syntax tree to logical plan: looks up every function, turns implicit rollups into explicit ones, and refuses what is known to
 * the language but not computed here.
 */
import { InputError, UnsupportedError } from "../base/errors.ts";
import { checkArguments } from "../metricsql/argument_check.ts";
import type { AggregateExpr, BinaryExpr, BinaryOperator, Expr, FunctionExpr, LabelFilter, RollupExpr, SelectorExpr } from "../metricsql/ast.ts";
import { optimizeExpr, pushDownFilters } from "../metricsql/filter_pushdown.ts";
import { functions, seriesArgIndex } from "../metricsql/functions.ts";
import { replaceGraphiteFilters } from "../metricsql/graphite_filter.ts";
import { printNumber } from "../metricsql/number.ts";
import { printExpr } from "../metricsql/printer.ts";
import { type Label, type Labels, labelsOf, metricNameLabel } from "../model/labels.ts";
import { findAggregateFunction } from "./aggregate_functions.ts";
import type { AggregatePlan, Plan, RollupOutput, RollupPlan, SelectorSource, SubquerySource, TransformPlan } from "./plan.ts";
import { findAggregableRollup, findRollupFunction, type RollupFunction, rollupFunctions, type RollupVariant } from "./rollup_functions.ts";
import { sharePlans } from "./shared_plans.ts";
import { findTransformFunction } from "./transform_functions.ts";

/** The plan of a checked and optimized tree. */
export function planQuery(expr: Expr): Plan {
  checkArguments(expr);
  return sharePlans(planExpr(optimizeExpr(replaceGraphiteFilters(expr))));
}

/** The plan of an operand whose selectors are to pass more filters; undefined if they have no place in it. */
export function planNarrowed(operand: Expr, filters: readonly LabelFilter[]): Plan | undefined {
  const narrowed = pushDownFilters(operand, filters);
  return printExpr(narrowed) === printExpr(operand) ? undefined : planExpr(narrowed);
}

function planExpr(expr: Expr): Plan {
  switch (expr.kind) {
    case "number":
      return { kind: "constant", value: expr.value };
    case "duration":
      return { kind: "duration", duration: expr };
    case "string":
      return { kind: "string", value: expr.value };
    case "selector":
    case "rollup":
      return planRollup({ name: "default_rollup", function: rollupFunctions.default_rollup, series: expr, args: [], outputs: undefined, keepMetricNames: false });
    case "function":
      return functions.get(expr.name)?.family === "rollup" ? planRollupCall(expr) : planTransform(expr.name, expr.args, expr.keepMetricNames);
    case "aggregate":
      return planAggregate(expr);
    case "binary":
      return planBinary(reversedComparison(expr));
    case "list":
      return planTransform("union", expr.items, false);
    case "unary":
      throw new UnsupportedError("unary", "a tree of PromQL cannot be computed as MetricsQL");
  }
}

// ---- rollups ----

interface RollupParts {
  readonly name: string;
  readonly function: RollupFunction;
  readonly series: Expr;
  readonly args: readonly Plan[];
  readonly outputs: readonly RollupOutput[] | undefined;
  readonly keepMetricNames: boolean;
  readonly countLabel?: string;
}

function planRollupCall(call: FunctionExpr): Plan {
  const facts = functions.get(call.name);
  const index = facts === undefined ? undefined : seriesArgIndex(facts, call.args.length);
  if (facts === undefined || index === undefined) throw new InputError("bad_arguments", `${call.name}() needs a series`, { offset: call.position });
  const series = call.args[index];
  const others = call.args.filter((_, i) => i !== index);
  const common = { name: call.name, series, keepMetricNames: call.keepMetricNames };
  if (call.name === "aggr_over_time") return planRollup({ ...common, args: [], ...planAggrOverTime(others[0]) });
  const row = findRollupFunction(call.name);
  if (row === undefined) throw unsupported(call);
  if (call.name === "quantiles_over_time") return planRollup({ ...common, function: row, args: [], outputs: planQuantiles(call, others) });
  if (row.counts !== undefined) return planRollup({ ...common, function: row, args: [], outputs: [], countLabel: countLabelOf(call, others[0]) });
  if (typeof row.kernel !== "string") return planRollup({ ...common, function: row, args: [], outputs: planVariants(call, row.kernel, others[0]) });
  return planRollup({ ...common, function: row, args: others.map(planExpr), outputs: undefined });
}

function planRollup(parts: RollupParts): RollupPlan {
  const rollup = parts.series.kind === "rollup" ? parts.series : undefined;
  const { function: row } = parts;
  const argument: Plan | undefined = row.argument === undefined ? undefined : { kind: "constant", value: row.argument };
  return {
    kind: "rollup",
    name: parts.name,
    function: row,
    outputs: parts.outputs ?? (typeof row.kernel === "string" ? [{ kernel: row.kernel, label: undefined, argument }] : []),
    args: parts.args,
    source: planSource(parts.series),
    window: rollup?.window,
    offset: rollup?.offset,
    at: rollup?.at === undefined ? undefined : planExpr(rollup.at),
    keepsMetricName: row.keepsMetricName === true || parts.keepMetricNames,
    countLabel: parts.countLabel ?? "",
  };
}

/** The label that tells the series of one input apart. */
function countLabelOf(call: FunctionExpr, label: Expr | undefined): string {
  if (label === undefined) return "vmrange";
  if (label.kind !== "string") throw new InputError("bad_arguments", `${call.name}() needs a label name as argument 1`, { offset: label.position });
  return label.value;
}

/** Raw samples for a selector, a subquery for anything else: `rate(sum(m))` is `rate(sum(m)[1i:1i])`. */
function planSource(series: Expr): SelectorSource | SubquerySource {
  if (series.kind === "selector") return planSelector(series);
  if (series.kind !== "rollup") return { kind: "subquery", inner: planExpr(series), step: undefined };
  if (series.inner.kind === "selector" && !isSubquery(series)) return planSelector(series.inner);
  return { kind: "subquery", inner: planExpr(series.inner), step: series.step };
}

/** Whether the brackets have a colon. */
export function isSubquery(rollup: RollupExpr): boolean {
  return rollup.step !== undefined || rollup.inheritsStep;
}

/** The selector of raw samples; one without any filter selects nothing. */
export function planSelector({ groups }: SelectorExpr): SelectorSource {
  const isEmpty = groups.every((group) => group.length === 0);
  return { kind: "selector", selector: isEmpty ? [] : groups, equalLabels: equalLabelsOf({ kind: "selector", groups, position: 0 }) };
}

/** Labels that every series of a selector with one group has by equality, without the name. */
function equalLabelsOf(expr: Expr | undefined): Labels {
  if (expr?.kind !== "selector" || expr.groups.length !== 1) return [];
  const equal = expr.groups[0].filter(({ name, op, value }) => op === "=" && name !== metricNameLabel && value !== "");
  return labelsOf(Object.fromEntries(equal.map(({ name, value }) => [name, value])));
}

/** aggr_over_time(("a", "b"), m): one output per function, labelled rollup="a". */
function planAggrOverTime(names: Expr): { function: RollupFunction; outputs: RollupOutput[] } {
  const items = names.kind === "list" ? names.items : [names];
  let removesResets = false;
  let sortsWindow = false;
  const outputs = items.map((item): RollupOutput => {
    const row = item.kind === "string" ? findAggregableRollup(item.value) : undefined;
    if (item.kind !== "string" || row === undefined || typeof row.kernel !== "string") {
      const found = item.kind === "string" ? JSON.stringify(item.value) : "something else";
      throw new InputError("bad_arguments", `aggr_over_time() needs quoted names of rollup functions, found ${found}`, { offset: item.position });
    }
    removesResets ||= row.removesResets === true;
    sortsWindow ||= row.sortsWindow === true;
    const argument: Plan | undefined = row.argument === undefined ? undefined : { kind: "constant", value: row.argument };
    return { kernel: row.kernel, label: { name: "rollup", value: item.value }, argument };
  });
  if (outputs.length === 0) throw new InputError("bad_arguments", "aggr_over_time() needs at least one name of a rollup function");
  return { function: { kernel: [], removesResets, sortsWindow }, outputs };
}

function planQuantiles(call: FunctionExpr, others: readonly Expr[]): RollupOutput[] {
  const [label, ...phis] = others;
  if (label?.kind !== "string") throw new InputError("bad_arguments", `${call.name}() needs a label name as argument 1`, { offset: call.position });
  const outputs = phis.map((phi) => {
    if (phi.kind !== "number") throw new UnsupportedError(call.name, `${call.name}() is supported with constant quantiles only`);
    return { kernel: "Quantile", label: { name: label.value, value: printNumber(phi.value) }, argument: planExpr(phi) } as const;
  });
  return [...new Map(outputs.map((output) => [output.label.value, output])).values()];
}

/** rollup(m): all variants, labelled; rollup(m, "max"): one, without a label but for candles. */
function planVariants(call: FunctionExpr, variants: readonly RollupVariant[], choice: Expr | undefined): RollupOutput[] {
  const isCandle = call.name === "rollup_candlestick";
  const labelOf = (variant: RollupVariant): Label => ({ name: "rollup", value: variant.tag });
  if (choice === undefined) return variants.map((variant) => ({ kernel: variant.kernel, label: labelOf(variant), argument: undefined }));
  const chosen = choice.kind === "string" ? variants.find((variant) => variant.tag === choice.value) : undefined;
  if (chosen === undefined) {
    const names = variants.map((variant) => JSON.stringify(variant.tag)).join(", ");
    throw new InputError("bad_arguments", `${call.name}() needs one of ${names} as argument 2`, { offset: choice.position });
  }
  return [{ kernel: chosen.kernel, label: isCandle ? labelOf(chosen) : undefined, argument: undefined }];
}

// ---- other functions ----

function planTransform(name: string, args: readonly Expr[], keepMetricNames: boolean): TransformPlan {
  const row = findTransformFunction(name);
  if (row === undefined) throw new UnsupportedError(name, `the function ${name}() is not supported yet`);
  return {
    kind: "transform",
    name,
    function: row,
    args: args.map(planExpr),
    keepsMetricName: keepMetricNames || row.keepsMetricName === true,
    equalLabels: name === "absent" ? equalLabelsOf(args[0]) : [],
  };
}

function planAggregate(aggregate: AggregateExpr): AggregatePlan {
  const row = findAggregateFunction(aggregate.name);
  if (row === undefined) throw unsupported(aggregate);
  return {
    kind: "aggregate",
    name: aggregate.name,
    function: row,
    args: aggregate.args.map(planExpr),
    grouping: aggregate.grouping ?? { op: "by", labels: [] },
    limit: aggregate.limit,
  };
}

function planBinary(expr: BinaryExpr): Plan {
  return { kind: "binary", expr, left: planExpr(expr.left), right: planExpr(expr.right) };
}

const reversed: Readonly<Partial<Record<BinaryOperator, BinaryOperator>>> = { "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=" };

const isConstant = ({ kind }: Expr): boolean => kind === "number" || kind === "duration";
const isTime = (expr: Expr): boolean => expr.kind === "function" && expr.name === "time";

/** `0.5 < q` filters q, so it is `q > 0.5`; the same with `time()` on the left. */
function reversedComparison(expr: BinaryExpr): BinaryExpr {
  const op = reversed[expr.op];
  if (op === undefined || !(isConstant(expr.left) || isTime(expr.left)) || isConstant(expr.right) || expr.matching !== undefined || expr.join !== undefined) return expr;
  return { ...expr, op, left: expr.right, right: expr.left, fillLeft: expr.fillRight, fillRight: expr.fillLeft };
}

function unsupported(call: FunctionExpr | AggregateExpr): UnsupportedError {
  return new UnsupportedError(call.name, `the function ${call.name}() is not supported yet`);
}
