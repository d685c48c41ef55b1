/** Prints trees in canonical form: one space around operators, all binary operands that are operations in parentheses. */
import type { Expr } from "./ast.ts";
import { printDuration } from "./duration.ts";
import { escapeIdentifier, isPlainIdentifier } from "./identifier.ts";
import { printNumber } from "./number.ts";
import { quote } from "./string_literal.ts";
import type {
  AggregateSyntax, BinarySyntax, DurationSyntax, FilterSyntax, FilterTemplate, FunctionSyntax, JoinSyntax, RollupSyntax,
  SelectorSyntax, StringSyntax, Syntax, TemplateSyntax,
} from "./syntax.ts";

/** Names that are not plain: `foo\-bar` or `{"foo-bar"}`. */
export type NameStyle = "escaped" | "quoted";

type PrintPart = (part: Syntax) => string;

/** Words that the parser takes for a modifier where the right operand of an operator begins. */
const reservedWords: ReadonlySet<string> = new Set([
  "on", "ignoring", "group_left", "group_right", "bool", "prefix", "fill", "fill_left", "fill_right",
]);

/** The canonical text of `expr`; parseExpr reads it back to the same tree. */
export function printExpr(expr: Expr): string {
  return printSyntax(expr, "escaped");
}

/** Prints any tree on one line. `printPart` prints its direct parts; another one may remember their texts. */
export function printSyntax(syntax: Syntax, style: NameStyle, printPart: PrintPart = (part) => printSyntax(part, style)): string {
  switch (syntax.kind) {
    case "number":
      return syntax.text === "" ? printNumber(syntax.value) : syntax.text;
    case "string":
      return quote(syntax.value);
    case "string_parts":
      return printStringParts(syntax);
    case "duration":
      return printDurationSyntax(syntax);
    case "selector":
      return printSelector(syntax, style);
    case "rollup":
      return inParentheses(printPart(syntax.inner), needsRollupParentheses(syntax.inner)) + printRollupSuffix(syntax, style);
    case "function":
      return functionName(syntax) + printArguments(syntax.args, printPart) + printFunctionSuffix(syntax);
    case "aggregate":
      return escapeIdentifier(syntax.name) + printArguments(syntax.args, printPart) + printAggregateSuffix(syntax, style);
    case "binary":
      return printBinary(syntax, style, printPart);
    case "unary":
      return syntax.op + inParentheses(printPart(syntax.operand), syntax.operand.kind === "binary" || syntax.operand.kind === "unary");
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

function inParentheses(text: string, isNeeded: boolean): string {
  return isNeeded ? `(${text})` : text;
}

function printStringParts(syntax: StringSyntax): string {
  return syntax.parts.map((part) => part.text).join("+");
}

function printDurationSyntax(duration: DurationSyntax): string {
  if (duration.kind === "duration_template") return (duration.isNegative ? "-" : "") + escapeIdentifier(duration.name);
  return duration.text === "" ? printDuration(duration) : duration.text;
}

function printArguments(args: readonly Syntax[], printPart: PrintPart): string {
  return `(${args.map((arg) => printPart(arg)).join(", ")})`;
}

/** `keep_metric_names` after a call. */
export function printFunctionSuffix(call: FunctionSyntax): string {
  return call.keepMetricNames ? " keep_metric_names" : "";
}

/** `by (...)` and `limit` after an aggregate. */
export function printAggregateSuffix(aggregate: AggregateSyntax, style: NameStyle): string {
  const { grouping, limit } = aggregate;
  const groupingText = grouping === undefined ? "" : ` ${grouping.op}${printLabels(grouping.labels, style)}`;
  return groupingText + (limit > 0 ? ` limit ${limit}` : "");
}

function printLabels(labels: readonly string[], style: NameStyle): string {
  return `(${labels.map((label) => printName(label, style)).join(",")})`;
}

function printName(name: string, style: NameStyle): string {
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
 * __name__="a"}` cannot be written with the name in front.
 */
export function takeMetricName(groups: SelectorSyntax["groups"]): SelectorParts {
  const name = groups.length === 0 ? "" : groupName(groups[0]);
  const isCommon = groups.every((group) => groupName(group) === name && (groups.length === 1 || group.length > 1));
  return name !== "" && isCommon ? { name, groups: groups.map((group) => group.slice(1)) } : { name: "", groups };
}

function groupName(group: readonly (FilterSyntax | FilterTemplate)[]): string {
  const first = group[0];
  if (first === undefined || "template" in first || first.name !== "__name__" || first.op !== "=") return "";
  return typeof first.value === "string" ? first.value : (first.value.parts.length === 1 ? first.value.parts[0].value : undefined) ?? "";
}

/** The metric name before the braces; undefined if it has to stand between them in quotes. */
export function printMetricName(name: string, style: NameStyle): string | undefined {
  if (style === "quoted" && name !== "" && !isPlainIdentifier(name)) return undefined;
  // As bare words these are numbers.
  return /^(?:inf|nan)$/i.test(name) ? "\\" + name : escapeIdentifier(name);
}

function printSelector(selector: SelectorSyntax, style: NameStyle): string {
  const { name, groups } = takeMetricName(selector.groups);
  const nameText = printMetricName(name, style);
  const filters = groups.map((group) => printFilters(group, style)).join(" or ");
  if (nameText === undefined) return `{${quote(name)}${filters === "" ? "" : ", " + filters}}`;
  return filters === "" && nameText !== "" ? nameText : `${nameText}{${filters}}`;
}

/** The filters of one group, `a="b",c!~"d"`. */
export function printFilters(filters: SelectorParts["groups"][number], style: NameStyle): string {
  return filters.map((filter) => printFilter(filter, style)).join(",");
}

/** One filter. */
export function printFilter(filter: FilterSyntax | FilterTemplate, style: NameStyle): string {
  if ("template" in filter) return escapeIdentifier(filter.template);
  return printName(filter.name, style) + filter.op + (typeof filter.value === "string" ? quote(filter.value) : printStringParts(filter.value));
}

// Rollups

/** Whether the inner expression of a rollup has to stand in parentheses. */
export function needsRollupParentheses(inner: Syntax): boolean {
  if (inner.kind === "aggregate") return inner.grouping !== undefined;
  return inner.kind === "rollup" || inner.kind === "binary" || inner.kind === "with" || isNegativeNumber(inner);
}

/** `[5m:1m] offset 1h @ end()`. */
export function printRollupSuffix(rollup: RollupSyntax, style: NameStyle): string {
  const { window, step, inheritsStep, offset, at } = rollup;
  let text = "";
  if ((window ?? step) !== undefined || inheritsStep) {
    const stepText = step === undefined ? (inheritsStep ? ":" : "") : ":" + printDurationSyntax(step);
    text += `[${window === undefined ? "" : printDurationSyntax(window)}${stepText}]`;
  }
  if (offset !== undefined) text += ` offset ${printDurationSyntax(offset)}`;
  if (at !== undefined) text += ` @ ${inParentheses(printSyntax(at, style), at.kind === "binary" || at.kind === "rollup" || at.kind === "with")}`;
  return text;
}

// Binary operations

function printBinary(binary: BinarySyntax, style: NameStyle, printPart: PrintPart): string {
  const left = inParentheses(printPart(binary.left), needsLeftParentheses(binary));
  const right = inParentheses(printPart(binary.right), needsRightParentheses(binary));
  const text = `${left} ${printOperator(binary, style)} ${right}`;
  return binary.keepMetricNames ? `(${text}) keep_metric_names` : text;
}

/** The operator with its modifiers. */
export function printOperator(binary: BinarySyntax, style: NameStyle): string {
  const { op, bool, matching, join } = binary;
  let text = op + (bool ? "bool" : "");
  if (matching !== undefined) text += ` ${matching.op}${printLabels(matching.labels, style)}`;
  if (join !== undefined) text += printJoin(join, style);
  return text + printFills(binary);
}

function printJoin(join: JoinSyntax, style: NameStyle): string {
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
  if (operand.kind === "binary") return true;
  if (operand.kind !== "rollup") return false;
  return operand.offset !== undefined || operand.at !== undefined || (operand.inner.kind === "binary" && operand.inner.keepMetricNames);
}

/** Whether the text of `syntax` starts with a metric name: one of `words` or, if undefined, any that no braces follow. */
function startsWithWord(syntax: Syntax, words: ReadonlySet<string> | undefined): boolean {
  if (syntax.kind === "rollup") return !needsRollupParentheses(syntax.inner) && startsWithWord(syntax.inner, words);
  if (syntax.kind !== "selector") return false;
  const { name, groups } = takeMetricName(syntax.groups);
  return words === undefined ? name !== "" && groups.every((group) => group.length === 0) : words.has(name.toLowerCase());
}

function isNegativeNumber(syntax: Syntax): boolean {
  return syntax.kind === "number" && (syntax.value < 0 || Object.is(syntax.value, -0));
}
