/**
 * Recursive descent parser: text to Syntax. WITH templates are kept, single parentheses are not. Names of functions are
 * not looked up here, since a template may define them; aggregates are, since they have a grammar of their own.
 */
import { isAggregate } from "./functions.ts";
import { isIntervalVariable, parseDuration } from "./duration.ts";
import { unescapeIdentifier } from "./identifier.ts";
import type { Token } from "./lexer.ts";
import { parseNumber } from "./number.ts";
import { parseOperatorChain, plainOperation } from "./operator_parser.ts";
import { parseLabelList, parseSelectorSyntax, parseStrings } from "./selector_parser.ts";
import type {
  AggregateSyntax, DurationSyntax, FunctionSyntax, RollupSyntax, Syntax, TemplateSyntax, WithSyntax,
} from "./syntax.ts";
import { TokenStream } from "./token_stream.ts";

/** Parses a whole query. */
export function parseSyntax(text: string): Syntax {
  const tokens = new TokenStream(text);
  const syntax = parseExpression(tokens);
  if (tokens.peek().kind !== "end") throw tokens.unexpected("an operator or the end of the query");
  return syntax;
}

/** Parses `name(a, b) = body` templates separated by commas, without WITH. */
export function parseTemplates(text: string): TemplateSyntax[] {
  return parseTemplateList(new TokenStream(text));
}

function parseExpression(tokens: TokenStream): Syntax {
  tokens.enter();
  const expression = parseOperatorChain(tokens, parseOperand);
  tokens.leave();
  return expression;
}

/** An operand of a binary operator: a primary expression with its window, offset and @. */
function parseOperand(tokens: TokenStream): Syntax {
  if (tokens.isWord("with") && tokens.isSymbol("(", 1)) return parseWith(tokens);
  return parseRollupSuffix(tokens, parsePrimary(tokens));
}

function parsePrimary(tokens: TokenStream): Syntax {
  const token = tokens.peek();
  switch (token.kind) {
    case "duration":
    case "variable":
      return parseLiteralDuration(tokens);
    case "string":
      return parseStrings(tokens);
    case "number":
      return parseNumberLiteral(tokens);
    case "identifier":
      return parseNumber(token.text) === undefined ? parseNamed(tokens) : parseNumberLiteral(tokens);
    default:
      if (token.text === "(") return parseParentheses(tokens);
      if (token.text === "{") return parseSelectorSyntax(tokens);
      throw tokens.unexpected("an expression");
  }
}

function parseNumberLiteral(tokens: TokenStream): Syntax {
  const { text, offset } = tokens.take();
  const value = parseNumber(text);
  if (value === undefined) throw tokens.error(`malformed number "${text}"`, offset);
  return { kind: "number", value, text, position: offset };
}

function parseNamed(tokens: TokenStream): Syntax {
  const name = unescapeIdentifier(tokens.peek().text);
  const isCall = tokens.isSymbol("(", 1);
  const isGrouped = tokens.isWord("by", 1) || tokens.isWord("without", 1);
  if ((isCall || isGrouped) && isAggregate(name)) return parseAggregate(tokens);
  return isCall ? parseFunction(tokens) : parseSelectorSyntax(tokens);
}

function parseFunction(tokens: TokenStream): FunctionSyntax {
  const { text, offset } = tokens.take();
  const writtenName = unescapeIdentifier(text);
  const args = parseArguments(tokens);
  const keepMetricNames = tokens.acceptWord("keep_metric_names");
  return named({ kind: "function", name: writtenName.toLowerCase(), args, keepMetricNames, position: offset }, writtenName);
}

function parseAggregate(tokens: TokenStream): AggregateSyntax {
  const { text, offset } = tokens.take();
  const writtenName = unescapeIdentifier(text);
  const before = parseGrouping(tokens);
  const args = parseArguments(tokens);
  const grouping = before ?? parseGrouping(tokens);
  const limit = parseLimit(tokens);
  return named({ kind: "aggregate", name: writtenName.toLowerCase(), args, grouping, limit, position: offset }, writtenName);
}

/** Adds the written name if it differs from the lower case one. */
function named<T extends { readonly name: string }>(node: T, writtenName: string): T & { readonly writtenName?: string } {
  return writtenName === node.name ? node : { ...node, writtenName };
}

function parseGrouping(tokens: TokenStream): AggregateSyntax["grouping"] {
  if (tokens.acceptWord("by")) return { op: "by", labels: parseLabelList(tokens) };
  if (tokens.acceptWord("without")) return { op: "without", labels: parseLabelList(tokens) };
  return undefined;
}

function parseLimit(tokens: TokenStream): number {
  if (!tokens.acceptWord("limit")) return 0;
  const { kind, text } = tokens.peek();
  if (kind !== "number" || !/^\d{1,15}$/.test(text)) throw tokens.unexpected("a whole number");
  tokens.take();
  return Number(text);
}

function parseArguments(tokens: TokenStream): Syntax[] {
  const args: Syntax[] = [];
  tokens.expectSymbol("(");
  while (!tokens.isSymbol(")")) {
    args.push(parseExpression(tokens));
    if (!tokens.acceptSymbol(",")) break;
  }
  tokens.expectSymbol(")", ', "," or an operator');
  return args;
}

function parseParentheses(tokens: TokenStream): Syntax {
  const position = tokens.peek().offset;
  const items = parseArguments(tokens);
  if (items.length !== 1) return { kind: "list", items, position };
  const item = items[0];
  return item.kind === "binary" && tokens.acceptWord("keep_metric_names") ? { ...item, keepMetricNames: true } : item;
}

type RollupParts = { -readonly [Key in keyof RollupSyntax]: RollupSyntax[Key] };

function parseRollupSuffix(tokens: TokenStream, inner: Syntax): Syntax {
  const rollup: RollupParts = {
    kind: "rollup", inner, window: undefined, step: undefined, inheritsStep: false, offset: undefined, at: undefined,
    position: inner.position,
  };
  if (tokens.isSymbol("[")) parseWindow(tokens, rollup);
  for (;;) {
    const token = tokens.peek();
    if (tokens.acceptSymbol("@")) {
      if (rollup.at !== undefined) throw tokens.error('"@" is given twice', token.offset);
      rollup.at = parseTimestamp(tokens);
    } else if (tokens.acceptWord("offset")) {
      if (rollup.offset !== undefined) throw tokens.error('"offset" is given twice', token.offset);
      rollup.offset = parseOffset(tokens);
    } else {
      break;
    }
  }
  const { window, step, inheritsStep, offset, at } = rollup;
  return (window ?? step ?? offset ?? at) === undefined && !inheritsStep ? inner : rollup;
}

/** Parses `[window]`, `[window:step]`, `[window:]`, `[:step]`. */
function parseWindow(tokens: TokenStream, rollup: RollupParts): void {
  tokens.expectSymbol("[");
  if (tokens.peek().kind === "variable" && isIntervalVariable(tokens.peek().text)) {
    // Grafana writes it where the window is to fit the graph; that is what a missing window does best.
    tokens.take();
  } else if (!tokens.isSymbol(":")) {
    rollup.window = parseWindowDuration(tokens);
  }
  if (tokens.acceptSymbol(":")) {
    if (tokens.isSymbol("]")) rollup.inheritsStep = true;
    else rollup.step = parseWindowDuration(tokens);
  }
  tokens.expectSymbol("]", rollup.step === undefined && !rollup.inheritsStep ? ' or ":"' : "");
}

function parseWindowDuration(tokens: TokenStream): DurationSyntax {
  const { offset, text } = tokens.peek();
  const duration = parseDurationSyntax(tokens, "a duration");
  if (duration.kind === "duration" && (duration.fixedMs < 0 || duration.steps < 0) && duration.fixedMs <= 0 && duration.steps <= 0) {
    throw tokens.error(`the duration ${text} in square brackets is negative`, offset);
  }
  return duration;
}

function parseOffset(tokens: TokenStream): DurationSyntax {
  const { offset } = tokens.peek();
  if (!tokens.acceptSymbol("-")) return parseDurationSyntax(tokens, "a duration");
  const duration = parseDurationSyntax(tokens, "a duration");
  if (duration.kind === "duration_template") return { ...duration, isNegative: true };
  const text = "-" + duration.text;
  return { kind: "duration", ...parseDuration(text) ?? duration, text, position: offset };
}

function parseDurationSyntax(tokens: TokenStream, expected: string): DurationSyntax {
  const { kind, text, offset } = tokens.peek();
  if (kind === "identifier") return { kind: "duration_template", name: unescapeIdentifier(tokens.take().text), isNegative: false, position: offset };
  if (kind === "number" && parseDuration(text) !== undefined) return durationLiteral(tokens.take());
  if (kind === "duration" || kind === "variable") return parseLiteralDuration(tokens);
  throw tokens.unexpected(expected);
}

function parseLiteralDuration(tokens: TokenStream): Syntax & DurationSyntax {
  const { kind, text } = tokens.peek();
  if (kind === "variable" && !isIntervalVariable(text)) {
    throw tokens.unexpected("an expression or a duration (variables other than $__interval and $__rate_interval are replaced by the dashboard)");
  }
  return durationLiteral(tokens.take());
}

function durationLiteral(token: Token): Syntax & DurationSyntax {
  const length = parseDuration(token.text) ?? { fixedMs: 0, steps: 0 };
  return { kind: "duration", ...length, text: token.kind === "variable" ? "1i" : token.text, position: token.offset };
}

/** The operand of `@`: no suffix of its own without parentheses. */
function parseTimestamp(tokens: TokenStream): Syntax {
  const position = tokens.peek().offset;
  const isNegative = tokens.acceptSymbol("-");
  if (!isNegative && !tokens.acceptSymbol("+")) return parsePrimary(tokens);
  tokens.enter();
  const right = parseTimestamp(tokens);
  tokens.leave();
  return isNegative ? { ...plainOperation("-", position), left: { kind: "number", value: 0, text: "", position }, right } : right;
}

function parseWith(tokens: TokenStream): WithSyntax {
  const position = tokens.take().offset;
  tokens.expectSymbol("(");
  const templates = tokens.isSymbol(")") ? [] : parseTemplateList(tokens);
  tokens.expectSymbol(")", ', "," or an operator');
  return { kind: "with", templates, body: parseExpression(tokens), position };
}

function parseTemplateList(tokens: TokenStream): TemplateSyntax[] {
  const templates: TemplateSyntax[] = [];
  const names = new Set<string>();
  do {
    if (templates.length > 0 && (tokens.isSymbol(")") || tokens.peek().kind === "end")) break;
    const template = parseTemplate(tokens);
    if (names.has(template.name)) throw tokens.error(`WITH template "${template.name}" is defined twice`, template.position);
    names.add(template.name);
    templates.push(template);
  } while (tokens.acceptSymbol(","));
  return templates;
}

function parseTemplate(tokens: TokenStream): TemplateSyntax {
  const { kind, text, offset } = tokens.peek();
  if (kind !== "identifier") throw tokens.unexpected("the name of a WITH template");
  tokens.take();
  const name = unescapeIdentifier(text);
  const parameters = tokens.isSymbol("(") ? parseLabelList(tokens) : [];
  if (new Set(parameters).size < parameters.length) throw tokens.error(`WITH template "${name}" has two parameters of one name`, offset);
  tokens.expectSymbol("=", parameters.length === 0 ? ' or "("' : "");
  return { name, parameters, body: parseExpression(tokens), position: offset };
}
