/**
 * Prints PromQL as Prometheus' /api/v1/format_query does: parentheses stay as they were written, numbers and durations become plain, filters are sorted,
 * grouping stands before the arguments, and what is longer than 100 bytes is split and indented by two spaces. (printer.ts prints trees so that they
 * are read back the same; it knows no parentheses but those that are needed.)
 *
 * Compared with Prometheus 3.5. Where that prints another query than it was given (`a * ignoring () group_left b` without its modifiers, grouping labels
 * without their quotes) or forgets to indent (subqueries that are split), this does not.
 */
import type { AggregateExpr, BinaryExpr, DurationExpr, Expr, FunctionExpr, LabelFilter, NumberExpr, RollupExpr, SelectorExpr } from "./ast.ts";
import { parseExpr } from "./parser.ts";
import { printFilter, printLabels, printMetricName, printOperator } from "./printer.ts";
import { promqlSeconds } from "./promql_duration.ts";
import { quotePromql } from "./string_literal.ts";
import { startOf } from "./visit.ts";

const lineBytesMax = 100;

/** Formats a query. Throws InputError if it cannot be parsed; types are not checked. */
export function formatPromql(query: string): string {
  return new Formatter(query).pretty(parseExpr(query, { dialect: "promql" }), 0);
}

class Formatter {
  readonly #query: string;
  /** Every subtree is asked for at each level above it. */
  readonly #lines = new Map<Expr, string>();

  constructor(query: string) {
    this.#query = query;
  }

  pretty(expr: Expr, level: number): string {
    return this.#prettyWithin(expr, this.#parentheses(expr), level);
  }

  /** `expr` within its `count` innermost parentheses. */
  #prettyWithin(expr: Expr, count: number, level: number): string {
    const line = "(".repeat(count) + this.#bare(expr) + ")".repeat(count);
    if (Buffer.byteLength(line) <= lineBytesMax) return indentation(level) + line;
    if (count === 0) return this.#split(expr, level);
    return `${indentation(level)}(\n${this.#prettyWithin(expr, count - 1, level + 1)}\n${indentation(level)})`;
  }

  /** A node without its own parentheses, over several lines. */
  #split(expr: Expr, level: number): string {
    switch (expr.kind) {
      case "aggregate":
        return this.#splitCall(aggregateHead(expr), expr.args, level);
      case "function":
        return this.#splitCall(expr.name, expr.args, level);
      case "binary": {
        const operator = indentation(level) + operatorOf(expr);
        return `${this.pretty(expr.left, level + 1)}\n${operator}\n${this.pretty(expr.right, level + 1)}`;
      }
      case "rollup":
        return isSubquery(expr) ? this.pretty(expr.inner, level) + rollupSuffix(expr) : indentation(level) + this.#bare(expr);
      case "unary":
        return indentation(level) + expr.op + this.pretty(expr.operand, level).trimStart();
      default:
        return indentation(level) + this.#bare(expr);
    }
  }

  #splitCall(head: string, args: readonly Expr[], level: number): string {
    return `${indentation(level)}${head}(\n${args.map((arg) => this.pretty(arg, level + 1)).join(",\n")}\n${indentation(level)})`;
  }

  /** On one line, with the parentheses. */
  #line(expr: Expr): string {
    const count = this.#parentheses(expr);
    return "(".repeat(count) + this.#bare(expr) + ")".repeat(count);
  }

  #bare(expr: Expr): string {
    let line = this.#lines.get(expr);
    if (line === undefined) {
      line = this.#printNode(expr);
      this.#lines.set(expr, line);
    }
    return line;
  }

  #printNode(expr: Expr): string {
    switch (expr.kind) {
      case "number":
        return printNumber(expr);
      case "string":
        return quotePromql(expr.value);
      case "selector":
        return this.#printSelector(expr);
      case "rollup":
        return this.#line(expr.inner) + rollupSuffix(expr);
      case "aggregate":
        return this.#printCall(aggregateHead(expr), expr);
      case "function":
        return this.#printCall(expr.name, expr);
      case "unary":
        return expr.op + this.#line(expr.operand);
      case "binary":
        return `${this.#line(expr.left)} ${operatorOf(expr)} ${this.#line(expr.right)}`;
      case "duration":
      case "list":
        return "";
    }
  }

  #printCall(head: string, { args }: AggregateExpr | FunctionExpr): string {
    return `${head}(${args.map((arg) => this.#line(arg)).join(", ")})`;
  }

  /** A name that was written between the braces stays there. */
  #printSelector({ groups, position }: SelectorExpr): string {
    const filters = groups[0] ?? [];
    const isBefore = this.#query[position] !== "{";
    const [name, rest] = isBefore ? [filters[0].value, filters.slice(1)] : ["", filters];
    const texts = rest.map((filter: LabelFilter) => printFilter(filter, "promql")).sort();
    const nameText = name === "" ? "" : (printMetricName(name, "promql") ?? quotePromql(name));
    return texts.length === 0 && nameText !== "" ? nameText : `${nameText}{${texts.join(",")}}`;
  }

  /** How many parentheses were written around `expr`: the tree knows where the outermost begins. */
  #parentheses(expr: Expr): number {
    if (expr.start === undefined) return 0;
    const inside = this.#query.slice(expr.start, startInside(expr));
    return inside.replaceAll(/#.*/g, "").split("(").length - 1;
  }
}

/** Where a node begins within its own parentheses. */
function startInside(expr: Expr): number {
  if (expr.kind === "binary") return startOf(expr.left);
  return expr.kind === "rollup" ? startOf(expr.inner) : expr.position;
}

function isSubquery({ step, inheritsStep }: RollupExpr): boolean {
  return step !== undefined || inheritsStep;
}

function aggregateHead({ name, grouping }: AggregateExpr): string {
  const isGrouped = grouping !== undefined && (grouping.op === "without" || grouping.labels.length > 0);
  return isGrouped ? `${name} ${grouping.op} ${printLabels(grouping.labels, "promql")} ` : name;
}

/** `ignoring ()` says nothing. */
function operatorOf(binary: BinaryExpr): string {
  const { matching } = binary;
  const says = matching !== undefined && (matching.op === "on" || matching.labels.length > 0);
  return printOperator(says || binary.join !== undefined ? binary : { ...binary, matching: undefined }, "promql");
}

function rollupSuffix({ window, step, inheritsStep, offset, at, modifier }: RollupExpr): string {
  let text = "";
  if (window !== undefined) text = `[${printLength(window)}${step === undefined ? (inheritsStep ? ":" : "") : ":" + printLength(step)}]`;
  if (modifier !== undefined) text += ` ${modifier}`;
  if (at !== undefined) text += ` @ ${at.kind === "number" ? at.value.toFixed(3) : at.kind === "function" ? `${at.name}()` : ""}`;
  if (offset === undefined || (offset.formula === undefined && offset.fixedMs === 0)) return text;
  // Operators behind an offset would be those of the expression.
  const needsParentheses = offset.formula?.left !== undefined && offset.formula.op.length === 1;
  return `${text} offset ${needsParentheses ? `(${printLength(offset)})` : printLength(offset)}`;
}

function printLength({ fixedMs, formula }: DurationExpr): string {
  if (formula === undefined) return printMs(fixedMs);
  const { op, left, right } = formula;
  if (op === "step" || op === "range") return `${op}()`;
  if (op === "min_of" || op === "max_of") return `${op}(${printOperand(left, false)}, ${printOperand(right, false)})`;
  const leftText = printOperand(left, true);
  // The sign would be that of the power.
  const base = op === "^" && leftText.startsWith("-") ? `(${leftText})` : leftText;
  return left === undefined ? `-${printOperand(right, true)}` : `${base} ${op} ${printOperand(right, true)}`;
}

/** In a formula numbers stay numbers. Of parentheses only those that are needed are known. */
function printOperand(operand: DurationExpr | undefined, isNested: boolean): string {
  if (operand === undefined) return "";
  const { text, position, formula } = operand;
  if (formula === undefined) return printNumber({ kind: "number", value: (text.startsWith("-") ? -1 : 1) * (promqlSeconds(text.replace("-", "")) ?? 0), text, position });
  return isNested && formula.right !== undefined && formula.op.length === 1 ? `(${printLength(operand)})` : printLength(operand);
}

/** Years and weeks only if nothing is left over. */
const units: readonly (readonly [name: string, sizeMs: number, isExact: boolean])[] = [
  ["y", 31_536_000_000, true], ["w", 604_800_000, true], ["d", 86_400_000, false], ["h", 3_600_000, false], ["m", 60_000, false], ["s", 1000, false], ["ms", 1, false],
];

function printMs(durationMs: number): string {
  if (durationMs === 0) return "0s";
  let [text, restMs] = [durationMs < 0 ? "-" : "", Math.abs(durationMs)];
  for (const [name, sizeMs, isExact] of units) {
    const count = Math.floor(restMs / sizeMs);
    if (count === 0 || (isExact && restMs % sizeMs !== 0)) continue;
    text += count + name;
    restMs -= count * sizeMs;
  }
  return text;
}

/** A number that was written as a duration stays one; all others are written without an exponent. */
function printNumber({ value, text }: NumberExpr): string {
  if (/^-?(?:\d+(?:ms|[smhdwy]))+$/.test(text)) return printMs(Math.round(value * 1000));
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const [, sign, first, fraction = "", exponent] = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(value.toExponential()) ?? [];
  const digits = first + fraction;
  const point = Number(exponent) + 1;
  const head = Object.is(value, -0) ? "-" : sign;
  if (point <= 0) return `${head}0.${"0".repeat(-point)}${digits}`;
  return head + (digits.length <= point ? digits.padEnd(point, "0") : `${digits.slice(0, point)}.${digits.slice(point)}`);
}

function indentation(level: number): string {
  return "  ".repeat(level);
}
