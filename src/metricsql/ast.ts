/**
 * The syntax tree of MetricsQL, after WITH templates have been expanded, and of PromQL. What only PromQL has (`UnaryExpr`,
 * `DurationExpr.formula`, `RollupExpr.modifier`, the operators `</` and `>/`, `start`) is never part of a MetricsQL tree. What a PromQL tree never has: durations
 * outside of rollups (there they are numbers, in seconds), lists, several groups of filters, `limit`, `keepMetricNames`,
 * `writtenName`, operations that are folded.
 * Trees are immutable. `position` is the character offset of the node in the query text, for error messages
 * (of a binary operation that of its operator).
 * printer.ts turns a tree back into canonical text; parse(print(tree)) equals tree but for positions.
 */

export type Expr = NumberExpr | StringExpr | DurationExpr | SelectorExpr | RollupExpr | FunctionExpr | AggregateExpr | BinaryExpr | UnaryExpr | ListExpr;

interface Node {
  readonly position: number;
  /** PromQL: where the outermost parentheses around the node begin; see startOf in visit.ts. */
  readonly start?: number;
}

/** `12`, `1.5e3`, `1KiB`, `Inf`. `text` is what was written, so that it prints back the same; "" if folded. */
export interface NumberExpr extends Node {
  readonly kind: "number";
  readonly value: number;
  readonly text: string;
}

export interface StringExpr extends Node {
  readonly kind: "string";
  readonly value: string;
}

/**
 * A duration: `5m`, `1h30m`, `1.5i`, `$__interval`. Its length may depend on the step: lengthMs = fixedMs + steps * stepMs.
 * As a number (`5m + 10`) it counts in seconds.
 */
export interface DurationExpr extends Node {
  readonly kind: "duration";
  readonly fixedMs: number;
  readonly steps: number;
  readonly text: string;
  /** PromQL: what is to be computed when step and range of the query are known; the other fields are 0, 0 and "" then. */
  readonly formula?: DurationOperation;
}

/** Arithmetic of durations, in seconds: `5m * 2`, `max_of(step(), 1m)`, `-range()`. duration_formula.ts computes it. */
export interface DurationOperation extends Node {
  readonly op: "step" | "range" | "min_of" | "max_of" | "+" | "-" | "*" | "/" | "%" | "^";
  /** undefined for `step` and `range`, and for `-`, if that is the sign of the right operand. */
  readonly left: DurationExpr | undefined;
  /** undefined for `step` and `range`. */
  readonly right: DurationExpr | undefined;
}

export interface LabelFilter {
  readonly name: string;
  readonly op: "=" | "!=" | "=~" | "!~";
  readonly value: string;
}

/** `m{a="b" or c="d"}`: an `or` of `and`-groups; the metric name is a filter on `__name__` in each group, first. */
export interface SelectorExpr extends Node {
  readonly kind: "selector";
  readonly groups: readonly (readonly LabelFilter[])[];
}

/** Anything with a window, subquery step, offset or @: `m[5m]`, `q[1h:5m] offset 1d @ end()`. */
export interface RollupExpr extends Node {
  readonly kind: "rollup";
  readonly inner: Expr;
  /** undefined: no brackets. */
  readonly window: DurationExpr | undefined;
  /** Subquery step; undefined unless written after a colon. */
  readonly step: DurationExpr | undefined;
  /** `[5m:]`: a colon without step, which takes the outer step. */
  readonly inheritsStep: boolean;
  readonly offset: DurationExpr | undefined;
  readonly at: Expr | undefined;
  /** PromQL: `m[5m] anchored`, `m smoothed`. Only around a selector. */
  readonly modifier?: "anchored" | "smoothed";
}

/** A rollup, transform or label function; `name` is lower case as in vm-lists.json. The parser has checked that it exists. */
export interface FunctionExpr extends Node {
  readonly kind: "function";
  readonly name: string;
  /** As written, for printing; only set if it differs from `name` in case. */
  readonly writtenName?: string;
  readonly args: readonly Expr[];
  readonly keepMetricNames: boolean;
}

export interface AggregateExpr extends Node {
  readonly kind: "aggregate";
  readonly name: string;
  readonly args: readonly Expr[];
  /** undefined: neither `by` nor `without` was written. */
  readonly grouping: { readonly op: "by" | "without"; readonly labels: readonly string[] } | undefined;
  /** 0: none. */
  readonly limit: number;
}

/** `</` and `>/` cut histograms off above and below a value; only PromQL has them. */
export type BinaryOperator =
  | "+" | "-" | "*" | "/" | "%" | "^" | "atan2"
  | "==" | "!=" | "<" | "<=" | ">" | ">=" | "</" | ">/"
  | "and" | "or" | "unless" | "if" | "ifnot" | "default";

export interface BinaryExpr extends Node {
  readonly kind: "binary";
  readonly op: BinaryOperator;
  readonly left: Expr;
  readonly right: Expr;
  readonly bool: boolean;
  readonly matching: { readonly op: "on" | "ignoring"; readonly labels: readonly string[] } | undefined;
  readonly join: { readonly op: "group_left" | "group_right"; readonly labels: readonly string[]; readonly prefix: string } | undefined;
  readonly fillLeft: number | undefined;
  readonly fillRight: number | undefined;
  readonly keepMetricNames: boolean;
}

/** PromQL: `-m`, `+m`; of a number literal the sign is part of the number. (In MetricsQL `-m` is `0 - m`.) */
export interface UnaryExpr extends Node {
  readonly kind: "unary";
  readonly op: "-" | "+";
  readonly operand: Expr;
}

/** `(a, b, c)`: a union, or the right side of a membership test; a single parenthesised expression is not kept as a list. */
export interface ListExpr extends Node {
  readonly kind: "list";
  readonly items: readonly Expr[];
}
