/**
 * Prints trees in canonical form: one space around operators, all binary operands that are operations in parentheses. PromQL
 * is printed as Prometheus does but for these parentheses.
 */
import type { Expr } from "./ast.ts";
import { printDuration } from "./duration.ts";
import { escapeIdentifier, isPlainIdentifier } from "./identifier.ts";
import { printNumber } from "./number.ts";
import { printPromqlDuration } from "./promql_duration.ts";
import { reservedLabels as promqlReservedLabels, reservedWords as promqlReservedWords } from "./promql_selector.ts";
import { quote, quotePromql } from "./string_literal.ts";
import type {
  AggregateSyntax, BinarySyntax, DurationSyntax, FilterSyntax, FilterTemplate, FunctionSyntax, JoinSyntax, RollupSyntax,
  SelectorSyntax, StringSyntax, Syntax, TemplateSyntax,
} from "./syntax.ts";

/** MetricsQL with names that are not plain as `foo\-bar` or as `{"foo-bar"}`, or PromQL. */
export type PrintStyle = "escaped" | "quoted" | "promql";

type PrintPart = (part: Syntax) => string;

/** Words that the parser takes for a modifier where the right operand of an operator begins. */
const reservedWords: ReadonlySet<string> = new Set([
  "on", "ignoring", "group_left", "group_right", "bool", "prefix", "fill", "fill_left", "fill_right",
]);

const promqlMetricName = /^[A-Za-z_:][A-Za-z0-9_:]*$/;
const promqlLabelName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The canonical text of `expr`; parseExpr reads it back to the same tree. */
export function printExpr(expr: Expr, { dialect = "metricsql" }: { readonly dialect?: "metricsql" | "promql" } = {}): string {
  return printSyntax(expr, dialect === "promql" ? "promql" : "escaped");
}

/** Prints any tree on one line. `printPart` prints its direct parts; another one may remember their texts. */
export function printSyntax(syntax: Syntax, style: PrintStyle, printPart: PrintPart = (part) => printSyntax(part, style)): string {
  switch (syntax.kind) {
    case "number":
      return syntax.text === "" ? printNumberValue(syntax.value, style) : syntax.text;
    case "string":
      return quoteValue(syntax.value, style);
    case "string_parts":
      return printStringParts(syntax);
    case "duration":
      return printDurationSyntax(syntax, style);
    case "selector":
      return printSelector(syntax, style);
    case "rollup":
      return inParentheses(printPart(syntax.inner), needsRollupParentheses(syntax.inner)) + printRollupSuffix(syntax, style);
    case "function":
      return functionName(syntax) + printFunctionArguments(syntax, style, printPart) + printFunctionSuffix(syntax);
    case "aggregate":
      return printAggregateHead(syntax, style) + printArguments(syntax.args, printPart) + printAggregateSuffix(syntax, style);
    case "binary":
      return printBinary(syntax, style, printPart);
    case "unary":
      return syntax.op + inParentheses(printPart(syntax.operand), needsSignParentheses(syntax.operand));
    case "list":
      return printArguments(syntax.items, printPart);
    case "with":
      return `WITH (${syntax.templates.map((template) => printTemplate(template, printPart)).join(", ")}) ${printPart(syntax.body)}`;
  }
}

/** The name of a called function as it was written. */
export function functionName(call: FunctionSyntax): string {
  return escapeIdentifier(call.writtenName ?? call.name);
}

/** Whether the operand of a sign has to stand in parentheses. */
export function needsSignParentheses(operand: Syntax): boolean {
  return operand.kind === "binary" || operand.kind === "unary";
}

function inParentheses(text: string, isNeeded: boolean): string {
  return isNeeded ? `(${text})` : text;
}

function printStringParts(syntax: StringSyntax): string {
  return syntax.parts.map((part) => part.text).join("+");
}

/** PromQL reads `+Inf` as a sign before a number, which binds looser than some of what may follow. */
function printNumberValue(value: number, style: PrintStyle): string {
  return style === "promql" && value === Infinity ? "Inf" : printNumber(value);
}

function quoteValue(value: string, style: PrintStyle): string {
  return style === "promql" ? quotePromql(value) : quote(value);
}

function printDurationSyntax(duration: DurationSyntax, style: PrintStyle): string {
  if (style === "promql" && duration.kind === "duration") return printPromqlDuration(duration);
  if (duration.kind === "duration_template") return (duration.isNegative ? "-" : "") + escapeIdentifier(duration.name);
  return duration.text === "" ? printDuration(duration) : duration.text;
}

function printArguments(args: readonly Syntax[], printPart: PrintPart): string {
  return `(${args.map((arg) => printPart(arg)).join(", ")})`;
}

/** The label selector of info() has its metric name between the braces. */
function printFunctionArguments({ name, args }: FunctionSyntax, style: PrintStyle, printPart: PrintPart): string {
  const isInfo = style === "promql" && name === "info";
  return printArguments(args, (arg) => (isInfo && arg === args[1] && arg.kind === "selector" ? printLabelSelector(arg) : printPart(arg)));
}

/** A selector of PromQL without anything before the braces. */
export function printLabelSelector({ groups }: SelectorSyntax): string {
  return `{${groups.map((group) => printFilters(group, "promql")).join(" or ")}}`;
}

/** `keep_metric_names` after a call. */
export function printFunctionSuffix(call: FunctionSyntax): string {
  return call.keepMetricNames ? " keep_metric_names" : "";
}

/** The name of an aggregate; in PromQL `by (...)` stands between it and the arguments. */
export function printAggregateHead({ name, grouping }: AggregateSyntax, style: PrintStyle): string {
  if (style !== "promql" || grouping === undefined) return escapeIdentifier(name);
  return `${name} ${grouping.op} ${printLabels(grouping.labels, style)} `;
}

/** In MetricsQL `by (...)` and `limit` stand after an aggregate. */
export function printAggregateSuffix(aggregate: AggregateSyntax, style: PrintStyle): string {
  const { grouping, limit } = aggregate;
  if (style === "promql") return "";
  const groupingText = grouping === undefined ? "" : ` ${grouping.op}${printLabels(grouping.labels, style)}`;
  return groupingText + (limit > 0 ? ` limit ${limit}` : "");
}

/** A list of labels in parentheses. */
export function printLabels(labels: readonly string[], style: PrintStyle): string {
  if (style !== "promql") return `(${labels.map((label) => printName(label, style)).join(",")})`;
  return `(${labels.map((label) => (promqlReservedLabels.has(label.toLowerCase()) ? quote(label) : printName(label, style))).join(", ")})`;
}

function printName(name: string, style: PrintStyle): string {
  if (style === "promql") return promqlLabelName.test(name) ? name : quotePromql(name);
  return style === "quoted" && !isPlainIdentifier(name) ? quote(name) : escapeIdentifier(name);
}

/** `WITH` entry: `f(a,b) = body`. */
function printTemplate(template: TemplateSyntax, printPart: PrintPart): string {
  return printTemplateHead(template, ",") + " = " + printPart(template.body);
}

/** The left side of a template. */
export function printTemplateHead(template: TemplateSyntax, separator: string): string {
  const { name, parameters } = template;
  return escapeIdentifier(name) + (parameters.length === 0 ? "" : `(${parameters.map(escapeIdentifier).join(separator)})`);
}

// Selectors

/** A selector taken apart: the metric name that all groups share (else "") and the other filters. */
export interface SelectorParts {
  readonly name: string;
  readonly groups: readonly (readonly (FilterSyntax | FilterTemplate)[])[];
}

/**
 * Takes the common metric name out of the groups, unless a group would be left empty: `{__name__="a",b="c" or
 * __name__="a"}` cannot be written with the name in front. Nor can a name of PromQL, if there are other filters on it.
 */
export function takeMetricName(groups: SelectorSyntax["groups"], style: PrintStyle): SelectorParts {
  const name = groups.length === 0 || (style === "promql" && countNames(groups[0]) > 1) ? "" : groupName(groups[0]);
  const isCommon = groups.every((group) => groupName(group) === name && (groups.length === 1 || group.length > 1));
  return name !== "" && isCommon ? { name, groups: groups.map((group) => group.slice(1)) } : { name: "", groups };
}

/** PromQL takes a name before the braces only if there is none between them. */
function countNames(group: readonly (FilterSyntax | FilterTemplate)[]): number {
  return group.filter((filter) => !("template" in filter) && filter.name === "__name__").length;
}

function groupName(group: readonly (FilterSyntax | FilterTemplate)[]): string {
  const first = group[0];
  if (first === undefined || "template" in first || first.name !== "__name__" || first.op !== "=") return "";
  return typeof first.value === "string" ? first.value : (first.value.parts.length === 1 ? first.value.parts[0].value : undefined) ?? "";
}

/** The metric name before the braces; undefined if it has to stand between them in quotes. */
export function printMetricName(name: string, style: PrintStyle): string | undefined {
  if (style === "quoted" && name !== "" && !isPlainIdentifier(name)) return undefined;
  if (style === "promql") return name === "" || (promqlMetricName.test(name) && !promqlReservedWords.has(name.toLowerCase())) ? name : undefined;
  // As bare words these are numbers.
  return /^(?:inf|nan)$/i.test(name) ? "\\" + name : escapeIdentifier(name);
}

function printSelector(selector: SelectorSyntax, style: PrintStyle): string {
  const { name, groups } = takeMetricName(selector.groups, style);
  const nameText = printMetricName(name, style);
  const filters = groups.map((group) => printFilters(group, style)).join(" or ");
  if (nameText === undefined) return `{${quoteValue(name, style)}${filters === "" ? "" : ", " + filters}}`;
  return filters === "" && nameText !== "" ? nameText : `${nameText}{${filters}}`;
}

/** The filters of one group, `a="b",c!~"d"`. */
export function printFilters(filters: SelectorParts["groups"][number], style: PrintStyle): string {
  return filters.map((filter) => printFilter(filter, style)).join(",");
}

/** One filter. */
export function printFilter(filter: FilterSyntax | FilterTemplate, style: PrintStyle): string {
  if ("template" in filter) return escapeIdentifier(filter.template);
  return printName(filter.name, style) + filter.op + (typeof filter.value === "string" ? quoteValue(filter.value, style) : printStringParts(filter.value));
}

// Rollups

/** Whether the inner expression of a rollup has to stand in parentheses. */
export function needsRollupParentheses(inner: Syntax): boolean {
  if (inner.kind === "aggregate") return inner.grouping !== undefined;
  return inner.kind === "rollup" || inner.kind === "binary" || inner.kind === "unary" || inner.kind === "with" || isNegativeNumber(inner);
}

/** `[5m:1m] offset 1h @ end()`, in PromQL `[5m] anchored @ end() offset 1h`. */
export function printRollupSuffix(rollup: RollupSyntax, style: PrintStyle): string {
  const { window, step, inheritsStep, offset, at, modifier } = rollup;
  let text = "";
  if ((window ?? step) !== undefined || inheritsStep) {
    const stepText = step === undefined ? (inheritsStep ? ":" : "") : ":" + printDurationSyntax(step, style);
    text += `[${window === undefined ? "" : printDurationSyntax(window, style)}${stepText}]`;
  }
  const atText = at === undefined ? "" : ` @ ${inParentheses(printSyntax(at, style), at.kind === "binary" || at.kind === "rollup" || at.kind === "with")}`;
  if (style === "promql") return text + (modifier === undefined ? "" : " " + modifier) + atText + printPromqlOffset(offset);
  return text + (offset === undefined ? "" : ` offset ${printDurationSyntax(offset, style)}`) + atText;
}

function printPromqlOffset(offset: DurationSyntax | undefined): string {
  if (offset?.kind !== "duration") return "";
  // Operators after the offset would be those of the expression.
  const needsParentheses = offset.formula?.left !== undefined && offset.formula.op.length === 1;
  return " offset " + inParentheses(printPromqlDuration(offset), needsParentheses);
}

// Binary operations

function printBinary(binary: BinarySyntax, style: PrintStyle, printPart: PrintPart): string {
  const left = inParentheses(printPart(binary.left), needsLeftParentheses(binary));
  const right = inParentheses(printPart(binary.right), needsRightParentheses(binary));
  const text = `${left} ${printOperator(binary, style)} ${right}`;
  return binary.keepMetricNames ? `(${text}) keep_metric_names` : text;
}

/** The operator with its modifiers. */
export function printOperator(binary: BinarySyntax, style: PrintStyle): string {
  const { op, bool, matching, join } = binary;
  if (style === "promql") return printPromqlOperator(binary);
  let text = op + (bool ? "bool" : "");
  if (matching !== undefined) text += ` ${matching.op}${printLabels(matching.labels, style)}`;
  if (join !== undefined) text += printJoin(join, style);
  return text + printFills(binary);
}

function printPromqlOperator(binary: BinarySyntax): string {
  const { op, bool, matching, join } = binary;
  const matchingText = matching === undefined ? "" : ` ${matching.op} ${printLabels(matching.labels, "promql")}`;
  const joinText = join === undefined ? "" : ` ${join.op} ${printLabels(join.labels, "promql")}`;
  return op + (bool ? " bool" : "") + matchingText + joinText + printFills(binary).replaceAll("(", " (");
}

function printJoin(join: JoinSyntax, style: PrintStyle): string {
  const labels = join.labels.length === 1 && join.labels[0] === "*" ? "(*)" : printLabels(join.labels, style);
  const { prefix } = join;
  const prefixText = typeof prefix === "string" ? (prefix === "" ? "" : quote(prefix)) : printStringParts(prefix);
  return ` ${join.op}${labels}${prefixText === "" ? "" : " prefix " + prefixText}`;
}

function printFills(binary: BinarySyntax): string {
  const { fillLeft, fillRight } = binary;
  if (fillLeft !== undefined && Object.is(fillLeft, fillRight)) return ` fill(${printNumber(fillLeft)})`;
  const left = fillLeft === undefined ? "" : ` fill_left(${printNumber(fillLeft)})`;
  return left + (fillRight === undefined ? "" : ` fill_right(${printNumber(fillRight)})`);
}

/** Whether the left operand has to stand in parentheses. */
export function needsLeftParentheses(binary: BinarySyntax): boolean {
  const { left, op } = binary;
  // `-5 ^ x` is -(5 ^ x), so a negative number is only safe before operators that bind no tighter than the minus.
  const isTight = op === "^" || op === "*" || op === "/" || op === "%" || op === "atan2";
  return needsOperandParentheses(left) || left.kind === "with" || (isTight && isNegativeNumber(left));
}

/** Whether the right operand has to stand in parentheses. */
export function needsRightParentheses(binary: BinarySyntax): boolean {
  const { right } = binary;
  if (needsOperandParentheses(right) || startsWithWord(right, reservedWords)) return true;
  // The parser takes `"a" + b` for a string with a template in it.
  const isAfterString = binary.op === "+" && (binary.left.kind === "string" || binary.left.kind === "string_parts");
  if (isAfterString && startsWithWord(right, undefined)) return true;
  return right.kind === "function" && (right.keepMetricNames || binary.keepMetricNames);
}

function needsOperandParentheses(operand: Syntax): boolean {
  if (operand.kind === "binary" || operand.kind === "unary") return true;
  if (operand.kind !== "rollup") return false;
  return operand.offset !== undefined || operand.at !== undefined || (operand.inner.kind === "binary" && operand.inner.keepMetricNames);
}

/** Whether the text of `syntax` starts with a metric name: one of `words` or, if undefined, any that no braces follow. */
function startsWithWord(syntax: Syntax, words: ReadonlySet<string> | undefined): boolean {
  if (syntax.kind === "rollup") return !needsRollupParentheses(syntax.inner) && startsWithWord(syntax.inner, words);
  if (syntax.kind !== "selector") return false;
  const { name, groups } = takeMetricName(syntax.groups, "escaped");
  return words === undefined ? name !== "" && groups.every((group) => group.length === 0) : words.has(name.toLowerCase());
}

function isNegativeNumber(syntax: Syntax): boolean {
  return syntax.kind === "number" && (syntax.value < 0 || Object.is(syntax.value, -0));
}
