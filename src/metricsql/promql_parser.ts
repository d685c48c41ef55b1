/**
 * Recursive descent parser of PromQL as of Prometheus 3.14, experimental syntax included: text to tree. It shares tokens, the
 * facts of operators and the tree with MetricsQL. Types of operands and arguments are not its matter (promql_check.ts), but
 * whatever depends on how the query is written: where `offset`, `@`, `[...]`, `anchored` and `smoothed` may stand.
 */
import type { AggregateExpr, BinaryExpr, BinaryOperator, DurationExpr, Expr, RollupExpr } from "./ast.ts";
import { binaryOperators, findBinaryOperator, isComparison } from "./binary_operator.ts";
import { maxDepth, tooDeep } from "./expansion_budget.ts";
import { parseNumber } from "./number.ts";
import { OperatorStack } from "./operator_stack.ts";
import { parseOffset, parseWindow, promqlSeconds } from "./promql_duration.ts";
import { promqlAggregates, promqlFunctions } from "./promql_functions.ts";
import { PromqlLexer } from "./promql_lexer.ts";
import { onlyMetricsql, refuseAfterOperand, refuseFunction } from "./promql_refusal.ts";
import { parsePromqlLabels, parsePromqlSelector, parsePromqlString, reservedWords } from "./promql_selector.ts";
import { TokenStream } from "./token_stream.ts";
import { childrenOf } from "./visit.ts";

/** A sign binds like `*`: -a * b is (-a) * b and -a ^ b is -(a ^ b). */
const signPrecedence = binaryOperators["*"].precedence;
/** Words of the grammar that are functions too; those may be in any case. */
const wordFunctions: ReadonlySet<string> = new Set(["start", "end", "step", "range", "min_of", "max_of"]);

/** An operand; whether it stood in parentheses decides what may follow. */
interface Operand {
  readonly expr: Expr;
  readonly isParenthesized: boolean;
}

/** Parses a whole query. */
export function parsePromql(text: string): Expr {
  const tokens = new TokenStream(new PromqlLexer(text));
  const expr = parseExpression(tokens);
  if (tokens.peek().kind !== "end") throw tokens.unexpected("an operator or the end of the query");
  checkDepth(expr, text);
  return expr;
}

function parseExpression(tokens: TokenStream): Expr {
  tokens.enter();
  const expr = parseChain(tokens);
  tokens.leave();
  return expr;
}

function parseChain(tokens: TokenStream): Expr {
  const stack = new OperatorStack<Expr>();
  for (;;) {
    parseSigns(tokens, stack);
    const operand = parseOperand(tokens);
    const op = operatorAt(tokens);
    if (op === undefined) return stack.reduce(operand);
    const { precedence, isRightAssociative } = binaryOperators[op];
    const left = stack.reduce(operand, isRightAssociative ? precedence + 0.5 : precedence);
    const operation = parseOperation(tokens, op);
    stack.push(precedence, (right) => ({ ...operation, left, right }));
  }
}

function operatorAt(tokens: TokenStream): BinaryOperator | undefined {
  const { kind, text } = tokens.peek();
  if (kind !== "symbol" && kind !== "identifier") return undefined;
  const op = findBinaryOperator(text);
  const isKnown = op !== undefined && binaryOperators[op].family !== "condition";
  if (kind === "identifier" && !isKnown) throw refuseAfterOperand(tokens);
  return op;
}

function parseSigns(tokens: TokenStream, stack: OperatorStack<Expr>): void {
  for (;;) {
    const { offset } = tokens.peek();
    if (tokens.acceptSymbol("-")) stack.push(signPrecedence, (operand) => signed("-", operand, offset));
    else if (tokens.acceptSymbol("+")) stack.push(signPrecedence, (operand) => signed("+", operand, offset));
    else return;
  }
}

/** The sign of a number literal is part of it. */
function signed(op: "-" | "+", operand: Expr, position: number): Expr {
  if (operand.kind !== "number") return { kind: "unary", op, operand, position };
  const { value, text } = operand;
  if (op === "+") return { kind: "number", value, text, position };
  return { kind: "number", value: -value, text: text.startsWith("-") ? text.slice(1) : "-" + text, position };
}

// Operators

type Operation = { -readonly [Key in Exclude<keyof BinaryExpr, "left" | "right" | "start">]: BinaryExpr[Key] };

function parseOperation(tokens: TokenStream, op: BinaryOperator): Operation {
  const operation: Operation = {
    kind: "binary", op, position: tokens.take().offset, bool: false, matching: undefined, join: undefined, fillLeft: undefined,
    fillRight: undefined, keepMetricNames: false,
  };
  if (tokens.isWord("bool")) {
    if (!isComparison(op)) throw tokens.error(`bool modifier can only be used on comparison operators, ${op} is none`, tokens.peek().offset);
    tokens.take();
    operation.bool = true;
  }
  if (tokens.isWord("on") || tokens.isWord("ignoring")) {
    const word = tokens.take().text.toLowerCase() === "on" ? "on" : "ignoring";
    operation.matching = { op: word, labels: parsePromqlLabels(tokens) };
    operation.join = parseJoin(tokens, operation);
  }
  parseFills(tokens, operation);
  return operation;
}

function parseJoin(tokens: TokenStream, { op, matching }: Operation): Operation["join"] {
  const { text, offset } = tokens.peek();
  if (!tokens.isWord("group_left") && !tokens.isWord("group_right")) return undefined;
  if (binaryOperators[op].family === "set") throw tokens.error(`no grouping allowed for "${op}" operation`, offset);
  tokens.take();
  const labels = tokens.isSymbol("(") ? parsePromqlLabels(tokens) : [];
  const common = matching?.op === "on" ? labels.find((label) => matching.labels.includes(label)) : undefined;
  if (common !== undefined) throw tokens.error(`label "${common}" must not occur in ON and GROUP clause at once`, offset);
  if (tokens.isWord("prefix") && tokens.peek(1).kind === "string") throw refuseAfterOperand(tokens);
  return { op: text.toLowerCase() === "group_left" ? "group_left" : "group_right", labels, prefix: "" };
}

/** Parses `fill(0)`, `fill_left(0) fill_right(1)`. Without `(` such a word is a metric. */
function parseFills(tokens: TokenStream, operation: Operation): void {
  while (tokens.isSymbol("(", 1) && (tokens.isWord("fill") || tokens.isWord("fill_left") || tokens.isWord("fill_right"))) {
    const { text, offset } = tokens.take();
    const word = text.toLowerCase();
    if (binaryOperators[operation.op].family === "set") throw tokens.error(`"${word}": filling in missing series not allowed for set operators`, offset);
    const value = parseFillValue(tokens);
    for (const [side, other] of [["fillLeft", "fill_right"], ["fillRight", "fill_left"]] as const) {
      if (word === other) continue;
      if (operation[side] !== undefined) throw tokens.error(`"${word}" sets a value that is set already`, offset);
      operation[side] = value;
    }
  }
}

function parseFillValue(tokens: TokenStream): number {
  tokens.expectSymbol("(");
  const value = parseSignedNumber(tokens, "a number").value;
  tokens.expectSymbol(")");
  return value;
}

// Operands

function parseOperand(tokens: TokenStream): Expr {
  let operand = parsePrimary(tokens);
  for (;;) {
    const { offset } = tokens.peek();
    if (tokens.isSymbol("[")) {
      operand = { expr: parseBrackets(tokens, operand), isParenthesized: false };
    } else if (tokens.acceptWord("offset")) {
      operand = { expr: withOffset(tokens, operand, parseOffset(tokens), offset), isParenthesized: false };
    } else if (tokens.acceptSymbol("@")) {
      operand = { expr: withTimestamp(tokens, operand, offset), isParenthesized: false };
    } else if (tokens.isWord("anchored") || tokens.isWord("smoothed")) {
      operand = { expr: withModifier(tokens, operand), isParenthesized: false };
    } else {
      return operand.expr;
    }
  }
}

function parsePrimary(tokens: TokenStream): Operand {
  const { kind, text, offset } = tokens.peek();
  switch (kind) {
    case "number":
    case "duration":
      return { expr: parseLiteral(tokens), isParenthesized: false };
    case "string":
      return { expr: { kind: "string", value: parsePromqlString(tokens), position: offset }, isParenthesized: false };
    case "identifier":
      return { expr: parseNamed(tokens), isParenthesized: false };
    case "variable":
      throw onlyMetricsql(tokens, `the variable ${text}`, offset);
    case "symbol":
      if (text === "(") return { expr: parseParentheses(tokens), isParenthesized: true };
      if (text === "{") return { expr: parsePromqlSelector(tokens), isParenthesized: false };
  }
  throw tokens.unexpected("an expression");
}

/** Parses a number, or a duration as a number of seconds. */
function parseLiteral(tokens: TokenStream): Extract<Expr, { kind: "number" }> {
  const { kind, text, offset } = tokens.take();
  const value = kind === "duration" ? promqlSeconds(text) : parseNumber(text);
  if (value === undefined) throw tokens.error(`malformed ${kind} "${text}", or out of range`, offset);
  return { kind: "number", value, text, position: offset };
}

function parseSignedNumber(tokens: TokenStream, expected: string): Extract<Expr, { kind: "number" }> {
  const position = tokens.peek().offset;
  const isNegative = tokens.acceptSymbol("-");
  if (!isNegative) tokens.acceptSymbol("+");
  const { kind, text } = tokens.peek();
  const isNumber = kind === "number" || kind === "duration" || (kind === "identifier" && parseNumber(text) !== undefined);
  if (!isNumber) throw tokens.unexpected(expected);
  const number = parseLiteral(tokens);
  return isNegative ? { ...number, value: -number.value, text: "-" + number.text, position } : { ...number, position };
}

function parseParentheses(tokens: TokenStream): Expr {
  const { offset } = tokens.expectSymbol("(");
  if (tokens.isSymbol(")")) throw onlyMetricsql(tokens, "the empty list ()", offset);
  const expr = parseExpression(tokens);
  if (tokens.isSymbol(",")) throw onlyMetricsql(tokens, "a list of expressions in parentheses", offset);
  tokens.expectSymbol(")", " or an operator");
  return { ...expr, start: offset };
}

function parseNamed(tokens: TokenStream): Expr {
  const word = tokens.peek().text.toLowerCase();
  if (word === "inf" || word === "nan") return parseLiteral(tokens);
  const isCall = tokens.isSymbol("(", 1);
  if (promqlAggregates.has(word) && (isCall || tokens.isWord("by", 1) || tokens.isWord("without", 1))) return parseAggregate(tokens);
  if (isCall) return parseFunction(tokens);
  if (reservedWords.has(word)) throw tokens.unexpected("an expression");
  return parsePromqlSelector(tokens);
}

function parseFunction(tokens: TokenStream): Expr {
  const { text, offset } = tokens.take();
  const word = text.toLowerCase();
  if (word === "with") throw onlyMetricsql(tokens, "WITH with its templates", offset);
  const name = wordFunctions.has(word) ? word : text;
  if (!promqlFunctions.has(name)) throw refuseFunction(tokens, name, offset);
  return { kind: "function", name, args: parseArguments(tokens, name), keepMetricNames: false, position: offset };
}

function parseAggregate(tokens: TokenStream): AggregateExpr {
  const { text, offset } = tokens.take();
  const name = text.toLowerCase();
  const before = parseGrouping(tokens);
  const args = parseArguments(tokens, name);
  return { kind: "aggregate", name, args, grouping: before ?? parseGrouping(tokens), limit: 0, position: offset };
}

function parseGrouping(tokens: TokenStream): AggregateExpr["grouping"] {
  if (tokens.acceptWord("by")) return { op: "by", labels: parsePromqlLabels(tokens) };
  if (tokens.acceptWord("without")) return { op: "without", labels: parsePromqlLabels(tokens) };
  return undefined;
}

function parseArguments(tokens: TokenStream, name: string): Expr[] {
  const args: Expr[] = [];
  tokens.expectSymbol("(");
  if (tokens.acceptSymbol(")")) return args;
  do {
    const { kind, offset } = tokens.peek();
    if (args.length > 0 && tokens.isSymbol(")")) throw tokens.error("trailing commas not allowed in function call args", offset);
    args.push(parseExpression(tokens));
    if (name === "info" && args.length === 2 && (kind === "identifier" || args[1].kind !== "selector")) {
      throw tokens.error("expected label selectors only as the second argument of info()", offset);
    }
  } while (tokens.acceptSymbol(","));
  tokens.expectSymbol(")", ', "," or an operator');
  return args;
}

// What may follow a selector or a subquery

/** The node that a modifier changes: of a selector, a range or a subquery as it is written, not of one in parentheses. */
function rollupOf(tokens: TokenStream, { expr, isParenthesized }: Operand, modifier: string, offset: number): RollupExpr {
  if (!isParenthesized && expr.kind === "rollup") return expr;
  if (isParenthesized || expr.kind !== "selector") {
    const hint = modifier === "offset" || modifier === "@" ? "; MetricsQL has it after any expression" : "";
    throw tokens.error(`${modifier} modifier must be preceded by an instant vector selector or range vector selector or a subquery${hint}`, offset);
  }
  return {
    kind: "rollup", inner: expr, window: undefined, step: undefined, inheritsStep: false, offset: undefined, at: undefined,
    position: expr.position,
  };
}

function parseBrackets(tokens: TokenStream, operand: Operand): RollupExpr {
  const { offset } = tokens.expectSymbol("[");
  if (tokens.isSymbol("]")) throw onlyMetricsql(tokens, "an empty window", offset);
  const window = parseWindow(tokens);
  if (!tokens.acceptSymbol(":")) {
    tokens.expectSymbol("]", ', ":" or an operator');
    return rangeOf(tokens, operand, window, offset);
  }
  const step = tokens.isSymbol("]") ? undefined : parseWindow(tokens);
  tokens.expectSymbol("]", step === undefined ? " or a duration" : " or an operator");
  const inner = operand.expr;
  return { kind: "rollup", inner, window, step, inheritsStep: step === undefined, offset: undefined, at: undefined, position: inner.position };
}

function rangeOf(tokens: TokenStream, operand: Operand, window: DurationExpr, offset: number): RollupExpr {
  const { expr, isParenthesized } = operand;
  const isRange = expr.kind === "rollup" && expr.window !== undefined;
  if (isParenthesized || isRange || (expr.kind !== "selector" && expr.kind !== "rollup")) {
    throw tokens.error("ranges only allowed for vector selectors; a subquery has a colon: (a + b)[5m:]", offset);
  }
  const rollup = rollupOf(tokens, operand, "range", offset);
  if (rollup.offset !== undefined) throw tokens.error("no offset modifiers allowed before range", offset);
  if (rollup.at !== undefined) throw tokens.error("no @ modifiers allowed before range", offset);
  return { ...rollup, window };
}

function withOffset(tokens: TokenStream, operand: Operand, duration: DurationExpr, offset: number): RollupExpr {
  const rollup = rollupOf(tokens, operand, "offset", offset);
  if (rollup.offset !== undefined) throw tokens.error("offset may not be set multiple times", offset);
  return { ...rollup, offset: duration };
}

function withTimestamp(tokens: TokenStream, operand: Operand, offset: number): RollupExpr {
  const rollup = rollupOf(tokens, operand, "@", offset);
  if (rollup.at !== undefined) throw tokens.error("@ <timestamp> may not be set multiple times", offset);
  return { ...rollup, at: parseTimestamp(tokens) };
}

function parseTimestamp(tokens: TokenStream): Expr {
  const { offset } = tokens.peek();
  const name = tokens.isWord("start") ? "start" : tokens.isWord("end") ? "end" : undefined;
  if (name !== undefined) {
    tokens.take();
    tokens.expectSymbol("(");
    tokens.expectSymbol(")");
    return { kind: "function", name, args: [], keepMetricNames: false, position: offset };
  }
  if (tokens.isSymbol("(")) throw onlyMetricsql(tokens, "an expression after @", offset);
  const number = parseSignedNumber(tokens, "a timestamp in seconds, start() or end()");
  if (!(Math.abs(number.value) < 2 ** 63)) throw tokens.error(`timestamp out of bounds for @ modifier: ${number.value}`, offset);
  return number;
}

function withModifier(tokens: TokenStream, operand: Operand): RollupExpr {
  const { text, offset } = tokens.take();
  const modifier = text.toLowerCase() === "anchored" ? "anchored" : "smoothed";
  const rollup = rollupOf(tokens, operand, modifier, offset);
  if (rollup.step !== undefined || rollup.inheritsStep) throw tokens.error(`${modifier} modifier is not supported for subqueries`, offset);
  if (rollup.modifier !== undefined && rollup.modifier !== modifier) throw tokens.error("anchored and smoothed modifiers cannot be used together", offset);
  return { ...rollup, modifier };
}

// Limits

/** Refuses a tree with more than maxDepth levels, formulas of durations included; level by level, since it may be far too deep. */
function checkDepth(expr: Expr, text: string): void {
  let level: readonly (Expr | DurationExpr)[] = [expr];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > maxDepth) throw tooDeep(text, level[0].position);
    level = level.flatMap(partsOf);
  }
}

function partsOf(node: Expr): readonly Expr[] {
  const durations = node.kind === "rollup" ? [node.window, node.step, node.offset]
    : node.kind === "duration" ? [node.formula?.left, node.formula?.right] : [];
  return [...childrenOf(node), ...durations.filter((duration) => duration !== undefined)];
}

