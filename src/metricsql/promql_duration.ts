/**
 * Durations of PromQL: literals (`5m`, `1h30m`, `300` seconds), arithmetic on them, `step()`, `range()`, `min_of(a, b)` and
 * `max_of(a, b)`. Literals are lengths at once; the rest is a formula that duration_formula.ts computes when the grid of
 * the query is known. Between square brackets any formula may stand; after `offset` one with operators needs parentheses.
 */
import type { DurationExpr, DurationOperation } from "./ast.ts";
import { printDuration } from "./duration.ts";
import { parseNumber } from "./number.ts";
import { OperatorStack } from "./operator_stack.ts";
import { onlyMetricsql } from "./promql_refusal.ts";
import type { TokenStream } from "./token_stream.ts";

type ArithmeticOperator = "+" | "-" | "*" | "/" | "%" | "^";

const precedences: ReadonlyMap<string, number> = new Map([["+", 4], ["-", 4], ["*", 5], ["/", 5], ["%", 5], ["^", 6]]);
/** A sign binds like `*`: -2 ^ 2 is -(2 ^ 2). */
const signPrecedence = 5;
const limitSeconds = 2 ** 63 / 1e9;
const literal = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;
const unitsMs = [31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1000, 1];

/** Seconds of a literal without sign as Prometheus has them: `5m`, `300`, `0x10`; undefined if malformed or out of range. */
export function promqlSeconds(text: string): number | undefined {
  const match = literal.exec(text);
  if (match === null || text === "") return inRange(parseNumber(text));
  let lengthMs = 0;
  for (const [i, unitMs] of unitsMs.entries()) lengthMs += Number(match[i + 1] ?? 0) * unitMs;
  return inRange(Math.floor(lengthMs / 1000) + ((lengthMs % 1000) * 1e6) / 1e9);
}

/** `5m * (step() + 1)`: operands that are operations or negative stand in parentheses. */
export function printPromqlDuration(duration: DurationExpr): string {
  const { text, formula } = duration;
  if (formula === undefined) return text === "" ? printDuration(duration) : text;
  const { op, left, right } = formula;
  if (op === "step" || op === "range") return op + "()";
  if (op === "min_of" || op === "max_of") return `${op}(${left && printPromqlDuration(left)}, ${right && printPromqlDuration(right)})`;
  return left === undefined ? "-" + printOperand(right) : `${printOperand(left)} ${op} ${printOperand(right)}`;
}

function printOperand(operand: DurationExpr | undefined): string {
  if (operand === undefined) return "";
  const text = printPromqlDuration(operand);
  const isOperation = operand.formula === undefined ? text.startsWith("-") : operand.formula.right !== undefined && operand.formula.op.length === 1;
  return isOperation ? `(${text})` : text;
}

function inRange(seconds: number | undefined): number | undefined {
  return seconds !== undefined && seconds < limitSeconds ? seconds : undefined;
}

/** The literal `text`, which may have a sign. */
export function durationLiteral(text: string, position: number): DurationExpr | undefined {
  const isNegative = text.startsWith("-");
  const seconds = promqlSeconds(isNegative ? text.slice(1) : text);
  if (seconds === undefined) return undefined;
  const fixedMs = Math.trunc(Math.round(seconds * 1e9) / 1e6);
  return { kind: "duration", fixedMs: (isNegative ? -fixedMs : fixedMs) + 0, steps: 0, text, position };
}

/** Parses what stands between square brackets, before or after the colon. */
export function parseWindow(tokens: TokenStream): DurationExpr {
  const duration = parseFormula(tokens);
  if (duration.formula === undefined && (promqlSeconds(duration.text) ?? 0) <= 0) {
    throw tokens.error(`the duration ${duration.text} in square brackets must be greater than 0`, duration.position);
  }
  return duration;
}

/** Parses what follows `offset`: operators after it are those of the expression, so `m offset 5m * 2` is (m offset 5m) * 2. */
export function parseOffset(tokens: TokenStream): DurationExpr {
  const signs: { readonly text: string; readonly offset: number }[] = [];
  while (tokens.isSymbol("-") || tokens.isSymbol("+")) signs.push(tokens.take());
  const isParenthesized = tokens.isSymbol("(");
  const operand = parseOperand(tokens);
  // Unless a formula in parentheses begins it: `m offset (5m) * 2` is m offset (5m * 2) in Prometheus.
  if (isParenthesized && signs.length === 0 && startsFormula(tokens)) return parseOperations(tokens, new OperatorStack(), operand);
  return signs.reduceRight((right, sign) => (sign.text === "-" ? negation(right, sign.offset) : right), operand);
}

function startsFormula(tokens: TokenStream): boolean {
  if (tokens.peek().kind !== "symbol" || !precedences.has(tokens.peek().text)) return false;
  const { kind, text } = tokens.peek(1);
  if (kind === "number" || kind === "duration") return true;
  if (kind === "symbol") return text === "(" || text === "-" || text === "+";
  return kind === "identifier" && tokens.isSymbol("(", 2) && /^(?:step|range|min_of|max_of)$/i.test(text);
}

function parseFormula(tokens: TokenStream): DurationExpr {
  tokens.enter();
  const stack = new OperatorStack<DurationExpr>();
  const duration = parseOperations(tokens, stack, parseSigned(tokens, stack));
  tokens.leave();
  return duration;
}

function parseSigned(tokens: TokenStream, stack: OperatorStack<DurationExpr>): DurationExpr {
  for (;;) {
    const { offset } = tokens.peek();
    if (tokens.acceptSymbol("-")) stack.push(signPrecedence, (right) => negation(right, offset));
    else if (!tokens.acceptSymbol("+")) return parseOperand(tokens);
  }
}

function parseOperations(tokens: TokenStream, stack: OperatorStack<DurationExpr>, first: DurationExpr): DurationExpr {
  let operand = first;
  for (;;) {
    const { kind, text, offset } = tokens.peek();
    const precedence = kind === "symbol" ? precedences.get(text) : undefined;
    if (precedence === undefined) return stack.reduce(operand);
    tokens.take();
    const left = stack.reduce(operand, text === "^" ? precedence + 0.5 : precedence);
    stack.push(precedence, (right) => operation(tokens, text as ArithmeticOperator, left, right, offset));
    operand = parseSigned(tokens, stack);
  }
}

function operation(tokens: TokenStream, op: ArithmeticOperator, left: DurationExpr, right: DurationExpr, position: number): DurationExpr {
  const isZero = right.formula === undefined && promqlSeconds(right.text) === 0;
  if (isZero && (op === "/" || op === "%")) throw tokens.error(op === "/" ? "division by zero" : "modulo by zero", position);
  return formula(op, left, right, position);
}

function formula(op: DurationOperation["op"], left: DurationExpr | undefined, right: DurationExpr | undefined, position: number): DurationExpr {
  return { kind: "duration", fixedMs: 0, steps: 0, text: "", position, formula: { op, left, right, position } };
}

function negation(right: DurationExpr, position: number): DurationExpr {
  if (right.formula !== undefined) return formula("-", undefined, right, position);
  const text = right.text.startsWith("-") ? right.text.slice(1) : "-" + right.text;
  return durationLiteral(text, position) ?? right;
}

function parseOperand(tokens: TokenStream): DurationExpr {
  const { kind, text, offset } = tokens.peek();
  switch (kind) {
    case "number":
    case "duration":
      return parseLiteral(tokens);
    case "identifier":
      if (tokens.isSymbol("(", 1)) return parseCall(tokens);
      break;
    case "variable":
      throw onlyMetricsql(tokens, `the variable ${text}`, offset);
    case "symbol":
      if (text === "(") return parseParentheses(tokens);
      if (text === ":") throw onlyMetricsql(tokens, "a subquery without window", offset);
  }
  throw tokens.unexpected("a duration");
}

function parseLiteral(tokens: TokenStream): DurationExpr {
  const { text, offset } = tokens.take();
  const duration = durationLiteral(text, offset);
  if (duration !== undefined) return duration;
  const isUnordered = !literal.test(text) && parseNumber(text) === undefined;
  throw tokens.error(isUnordered ? `malformed duration "${text}": each unit once, the larger ones first` : `the duration ${text} is out of range`, offset);
}

function parseParentheses(tokens: TokenStream): DurationExpr {
  tokens.expectSymbol("(");
  const inner = parseFormula(tokens);
  tokens.expectSymbol(")", " or an operator");
  return inner;
}

function parseCall(tokens: TokenStream): DurationExpr {
  const name = tokens.peek().text.toLowerCase();
  if (name !== "step" && name !== "range" && name !== "min_of" && name !== "max_of") throw tokens.unexpected("a duration, step(), range(), min_of() or max_of()");
  const { offset } = tokens.take();
  tokens.expectSymbol("(");
  if (name === "step" || name === "range") {
    tokens.expectSymbol(")");
    return formula(name, undefined, undefined, offset);
  }
  const left = parseFormula(tokens);
  tokens.expectSymbol(",", " or an operator");
  const right = parseFormula(tokens);
  tokens.expectSymbol(")", " or an operator");
  return formula(name, left, right, offset);
}
