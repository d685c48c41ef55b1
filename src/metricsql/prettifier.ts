/**
 * Prints a query as people like to read it: what fits on a line of 80 characters stays on one, the rest is split and
 * indented by two spaces. WITH templates and literals stay as written; comments are lost.
 */
import type { Expr } from "./ast.ts";
import { maxDepth, tooDeep } from "./expansion_budget.ts";
import {
  functionName, needsLeftParentheses, needsRightParentheses, needsRollupParentheses, needsSignParentheses, printAggregateHead,
  printAggregateSuffix, printFilter, printFilters, printFunctionSuffix, printLabelSelector, printMetricName, printOperator, printRollupSuffix, printSyntax, printTemplateHead,
  takeMetricName,
} from "./printer.ts";
import type { PrintStyle, SelectorParts } from "./printer.ts";
import { parsePromql } from "./promql_parser.ts";
import { quote, quotePromql } from "./string_literal.ts";
import type { BinarySyntax, FunctionSyntax, SelectorSyntax, Syntax, TemplateSyntax, UnarySyntax, WithSyntax } from "./syntax.ts";
import { parseSyntax } from "./syntax_parser.ts";

const maxLineLength = 80;

/** Prettifies a query, or a tree that is parsed already. Types are not checked, and of MetricsQL neither are names. */
export function prettifyExpr(query: string | Expr, { dialect = "metricsql" }: { readonly dialect?: "metricsql" | "promql" } = {}): string {
  const prettifier = new Prettifier(dialect === "promql" ? "promql" : "quoted");
  if (typeof query !== "string") return prettifier.print(query, 0, false);
  if (dialect === "promql") return prettifier.print(parsePromql(query), 0, false);
  const syntax = parseSyntax(query);
  checkDepth(syntax, query);
  return prettifier.print(syntax, 0, false);
}

class Prettifier {
  readonly #style: PrintStyle;
  /** Every subtree is asked for at each level above it, so its text is kept. */
  readonly #lines = new Map<Syntax, string>();

  constructor(style: PrintStyle) {
    this.#style = style;
  }

  print(syntax: Syntax, indent: number, needsParentheses: boolean): string {
    const line = indentation(indent) + inParentheses(this.#line(syntax), needsParentheses);
    if (line.length <= maxLineLength) return line;
    if (!needsParentheses) return this.#split(syntax, indent);
    return `${indentation(indent)}(\n${this.#split(syntax, indent + 1)}\n${indentation(indent)})`;
  }

  #line(syntax: Syntax): string {
    let line = this.#lines.get(syntax);
    if (line === undefined) {
      line = printSyntax(syntax, this.#style, (part) => this.#line(part));
      this.#lines.set(syntax, line);
    }
    return line;
  }

  #split(syntax: Syntax, indent: number): string {
    switch (syntax.kind) {
      case "with":
        return this.#splitWith(syntax, indent);
      case "binary":
        return this.#splitBinary(syntax, indent);
      case "rollup":
        return this.print(syntax.inner, indent, needsRollupParentheses(syntax.inner)) + printRollupSuffix(syntax, this.#style);
      case "aggregate":
        return this.#splitArguments(printAggregateHead(syntax, this.#style), syntax.args, printAggregateSuffix(syntax, this.#style), indent);
      case "function":
        return this.#splitFunction(syntax, indent);
      case "list":
        return this.#splitArguments("", syntax.items, "", indent);
      case "selector":
        return splitSelector(syntax, indent, this.#style);
      case "unary":
        return this.#splitUnary(syntax, indent);
      default:
        return indentation(indent) + this.#line(syntax);
    }
  }

  #splitWith(syntax: WithSyntax, indent: number): string {
    const templates = syntax.templates.map((template) => this.#printTemplate(template, indent + 1) + ",\n").join("");
    return `${indentation(indent)}WITH (\n${templates}${indentation(indent)})\n${this.print(syntax.body, indent, false)}`;
  }

  #printTemplate(template: TemplateSyntax, indent: number): string {
    const line = `${indentation(indent)}${printTemplateHead(template, ",")} = ${this.#line(template.body)}`;
    if (line.length <= maxLineLength) return line;
    const head = indentation(indent) + printTemplateHead(template, ", ");
    return `${head} = (\n${this.print(template.body, indent + 1, false)}\n${indentation(indent)})`;
  }

  #splitUnary({ op, operand }: UnarySyntax, indent: number): string {
    const text = this.print(operand, indent, needsSignParentheses(operand));
    return indentation(indent) + op + text.slice(indentation(indent).length);
  }

  #splitBinary(binary: BinarySyntax, indent: number): string {
    const inner = binary.keepMetricNames ? indent + 1 : indent;
    const left = this.print(binary.left, inner, needsLeftParentheses(binary));
    const right = this.print(binary.right, inner, needsRightParentheses(binary));
    const text = `${left}\n${indentation(inner + 1)}${printOperator(binary, this.#style)}\n${right}`;
    return binary.keepMetricNames ? `${indentation(indent)}(\n${text}\n${indentation(indent)}) keep_metric_names` : text;
  }

  #splitFunction(call: FunctionSyntax, indent: number): string {
    const isInfo = this.#style === "promql" && call.name === "info";
    const lines = call.args.map((arg, i) =>
      isInfo && i === 1 && arg.kind === "selector" ? indentation(indent + 1) + printLabelSelector(arg) : this.print(arg, indent + 1, false));
    return joinArguments(functionName(call), lines, printFunctionSuffix(call), indent);
  }

  #splitArguments(name: string, args: readonly Syntax[], suffix: string, indent: number): string {
    return joinArguments(name, args.map((arg) => this.print(arg, indent + 1, false)), suffix, indent);
  }
}

function joinArguments(name: string, lines: readonly string[], suffix: string, indent: number): string {
  return `${indentation(indent)}${name}(\n${lines.join(",\n")}\n${indentation(indent)})${suffix}`;
}

function splitSelector(selector: SelectorSyntax, indent: number, style: PrintStyle): string {
  const { name, groups } = takeMetricName(selector.groups, style);
  const nameText = printMetricName(name, style);
  // A lone name has nothing to split.
  if (groups.every((group) => group.length === 0)) return indentation(indent) + printSyntax(selector, style);
  const filters = groups.map((group) => splitFilters(group, indent + 1, style)).join(`\n${indentation(indent + 2)}or\n`);
  const quotedName = nameText === undefined ? `${indentation(indent + 1)}${style === "promql" ? quotePromql(name) : quote(name)},\n` : "";
  return `${indentation(indent)}${nameText ?? ""}{\n${quotedName}${filters}\n${indentation(indent)}}`;
}

function splitFilters(filters: SelectorParts["groups"][number], indent: number, style: PrintStyle): string {
  const line = indentation(indent) + printFilters(filters, style);
  return line.length <= maxLineLength ? line : filters.map((filter) => indentation(indent) + printFilter(filter, style)).join(",\n");
}

function indentation(indent: number): string {
  return "  ".repeat(indent);
}

function inParentheses(text: string, isNeeded: boolean): string {
  return isNeeded ? `(${text})` : text;
}

/** Refuses a tree that is too deep to be printed; level by level, since it may be far too deep. */
function checkDepth(syntax: Syntax, text: string): void {
  let level: readonly Syntax[] = [syntax];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > maxDepth) throw tooDeep(text, level[0].position);
    level = level.flatMap(partsOf);
  }
}

function partsOf(syntax: Syntax): readonly Syntax[] {
  switch (syntax.kind) {
    case "with":
      return [...syntax.templates.map((template) => template.body), syntax.body];
    case "binary":
      return [syntax.left, syntax.right];
    case "rollup":
      return syntax.at === undefined ? [syntax.inner] : [syntax.inner, syntax.at];
    case "aggregate":
    case "function":
      return syntax.args;
    case "unary":
      return [syntax.operand];
    case "list":
      return syntax.items;
    default:
      return [];
  }
}
