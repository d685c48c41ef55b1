/**
 * The logical plan: what is computed, function by function, with every fact looked up. planner.ts makes it from a syntax tree, compile.ts
 * turns it into operators on a grid, explainPlan prints it.
 */
import type { BinaryExpr, DurationExpr } from "../metricsql/ast.ts";
import type { RollupName } from "../kernel/rollup.ts";
import type { Label, Labels } from "../model/labels.ts";
import type { Selector } from "../model/matcher.ts";
import type { AggregateFunction } from "./aggregate_functions.ts";
import type { RollupFunction } from "./rollup_functions.ts";
import { printSelector } from "./selector_text.ts";
import type { TransformFunction } from "./transform_function.ts";

export type Plan = ConstantPlan | DurationPlan | StringPlan | RollupPlan | TransformPlan | AggregatePlan | BinaryPlan;

export interface ConstantPlan {
  readonly kind: "constant";
  readonly value: number;
}

/** A duration as a number of seconds; it may depend on the step. */
export interface DurationPlan {
  readonly kind: "duration";
  readonly duration: DurationExpr;
}

export interface StringPlan {
  readonly kind: "string";
  readonly value: string;
}

/** A function over the windows of raw samples or of a subquery. */
export interface RollupPlan {
  readonly kind: "rollup";
  readonly name: string;
  readonly function: RollupFunction;
  readonly outputs: readonly RollupOutput[];
  /** Arguments that hold for all outputs (at most two). */
  readonly args: readonly Plan[];
  readonly source: SelectorSource | SubquerySource;
  readonly window: DurationExpr | undefined;
  readonly offset: DurationExpr | undefined;
  readonly at: Plan | undefined;
  readonly keepsMetricName: boolean;
  /** Label of functions that make a series per distinct value or bucket; "" for others. */
  readonly countLabel: string;
  /** How often the query uses the result, if it is more than once. */
  readonly uses?: number;
}

/** One series per input series. */
export interface RollupOutput {
  readonly kernel: RollupName;
  /** Added to the labels. */
  readonly label: Label | undefined;
  /** First argument of the kernel, where it differs between outputs. */
  readonly argument: Plan | undefined;
}

export interface SelectorSource {
  readonly kind: "selector";
  readonly selector: Selector;
  /** Labels that every series has by equality, for absent_over_time(). */
  readonly equalLabels: Labels;
}

export interface SubquerySource {
  readonly kind: "subquery";
  readonly inner: Plan;
  /** undefined: the step of the query. */
  readonly step: DurationExpr | undefined;
}

/** A function of whole vectors: value by value, over the range, or of labels. */
export interface TransformPlan {
  readonly kind: "transform";
  readonly name: string;
  readonly function: TransformFunction;
  readonly args: readonly Plan[];
  readonly keepsMetricName: boolean;
  /** Labels that the first argument has by equality, for absent(). */
  readonly equalLabels: Labels;
}

export interface AggregatePlan {
  readonly kind: "aggregate";
  readonly name: string;
  readonly function: AggregateFunction;
  readonly args: readonly Plan[];
  readonly grouping: { readonly op: "by" | "without"; readonly labels: readonly string[] };
  readonly limit: number;
  /** How often the query uses the result, if it is more than once. */
  readonly uses?: number;
}

export interface BinaryPlan {
  readonly kind: "binary";
  readonly expr: BinaryExpr;
  readonly left: Plan;
  readonly right: Plan;
}

/** The plans that a plan takes its input from. */
export function inputsOf(plan: Plan): readonly Plan[] {
  switch (plan.kind) {
    case "rollup": {
      const own = plan.outputs.flatMap(({ argument }) => (argument === undefined ? [] : [argument]));
      const at = plan.at === undefined ? [] : [plan.at];
      return plan.source.kind === "subquery" ? [plan.source.inner, ...plan.args, ...own, ...at] : [...plan.args, ...own, ...at];
    }
    case "transform":
    case "aggregate":
      return plan.args;
    case "binary":
      return [plan.left, plan.right];
    default:
      return [];
  }
}

/** The plan as an indented tree, one stage per line. */
export function explainPlan(plan: Plan): string {
  const lines: string[] = [];
  addLines(plan, 0, lines);
  return lines.join("\n");
}

function addLines(plan: Plan, depth: number, lines: string[]): void {
  lines.push("  ".repeat(depth) + describePlan(plan));
  for (const input of inputsOf(plan)) addLines(input, depth + 1, lines);
}

/** One stage of a plan, without those below it. */
export function describePlan(plan: Plan): string {
  switch (plan.kind) {
    case "constant":
      return `constant ${plan.value}`;
    case "duration":
      return `constant ${plan.duration.text}`;
    case "string":
      return `string ${JSON.stringify(plan.value)}`;
    case "rollup":
      return describeRollup(plan);
    case "transform":
      return `${plan.name}${plan.keepsMetricName ? " keeping names" : ""}`;
    case "aggregate":
      return `aggregate ${plan.name} ${plan.grouping.op} (${plan.grouping.labels.join(", ")})${plan.limit > 0 ? ` limit ${plan.limit}` : ""}${
        plan.function.accumulator === undefined ? "" : " streaming"}`;
    case "binary":
      return `binary ${plan.expr.op}${plan.expr.bool ? " bool" : ""}${plan.expr.matching === undefined ? "" : ` ${plan.expr.matching.op} (${
        plan.expr.matching.labels.join(", ")})`}${plan.expr.join === undefined ? "" : ` ${plan.expr.join.op}`}`;
  }
}

function describeRollup(plan: RollupPlan): string {
  const window = plan.window === undefined ? "step" : plan.window.text;
  const kernels = plan.outputs.map((output) => output.kernel).join("+");
  const parts = [`rollup ${plan.name} (${kernels}) window ${window}`];
  if (plan.function.removesResets === true) parts.push("without resets");
  if (plan.offset !== undefined) parts.push(`offset ${plan.offset.text}`);
  if (plan.source.kind === "selector") parts.push(`of ${printSelector(plan.source.selector)}`);
  else parts.push(`of subquery step ${plan.source.step?.text ?? "as outside"}`);
  return parts.join(" ");
}
