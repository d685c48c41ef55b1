/** Random trees of PromQL in the form the parser makes them, well-typed or not, for property tests. */
import type { Random } from "../base/random.ts";
import type { BinaryExpr, BinaryOperator, DurationExpr, DurationOperation, Expr, LabelFilter, RollupExpr, SelectorExpr } from "./ast.ts";
import { binaryOperators, isComparison } from "./binary_operator.ts";
import { normalizeGroup } from "./filter_group.ts";
import { durationLiteral } from "./promql_duration.ts";
import { promqlAggregates, promqlFunctions } from "./promql_functions.ts";
import { pick } from "./random_expr.ts";

const functionNames = [...promqlFunctions.keys()];
const aggregateNames = [...promqlAggregates.keys()];
const operators = (Object.keys(binaryOperators) as BinaryOperator[]).filter((op) => binaryOperators[op].family !== "condition");
const names = [
  "up", "job:rate:sum", "a.b", "_", "or", "by", "on", "bool", "fill", "offset", "with", "sum", "rate", "inf", "NaN", "limit", "start", "step",
  "anchored", "smoothed", "foo bar", "1st", "x-y", "água", "温度", "a{b}", "é\n", "\u{1f600}", "\\", "group_left", "ATAN2", "\udcff", "__name__", "without",
];
const labelNames = names.filter((name) => name.isWellFormed());
const values = ["", "a", 'q"uote', "back\\slash", "line\nbreak", "tab\t\u0001\u007f", "é\u202c", "\u{1f600}", "a.*|b+", "`", "'", "\udc80x"];
const literals = ["5m", "1h30m", "300", "0.5", "1y2w3d4h5m6s7ms", "0x10", "1_000", "1e3", "15s"];
const durationOperators = ["+", "-", "*", "/", "%", "^", "min_of", "max_of"] as const;

/** A random tree of at most `levels` levels. */
export function randomPromql(random: Random, levels: number): Expr {
  const makers = levels <= 1 ? leaves : [...leaves, ...branches, ...branches];
  return pick(random, makers)(random, levels - 1);
}

type Maker = (random: Random, levels: number) => Expr;

const leaves: readonly Maker[] = [randomNumber, randomString, randomSelector, randomSelector, randomInstant, randomRange];
const branches: readonly Maker[] = [randomSubquery, randomFunction, randomAggregate, randomBinary, randomBinary, randomUnary];

function isOneIn(random: Random, count: number): boolean {
  return random.int(count) === 0;
}

function many<T>(random: Random, least: number, most: number, make: () => T): T[] {
  return Array.from({ length: least + random.int(most - least + 1) }, make);
}

function randomNumber(random: Random): Expr {
  const value = pick(random, [0, 1, 1.5, 1e21, 1e-7, 123456789, Infinity, NaN, -1, -2.5, -Infinity, random.next() * 1e6, 1 / 3]);
  return { kind: "number", value, text: "", position: 0 };
}

function randomString(random: Random): Expr {
  return { kind: "string", value: pick(random, values), position: 0 };
}

function randomFilter(random: Random): LabelFilter {
  const op = pick(random, ["=", "!=", "=~", "!~"] as const);
  const isPattern = op === "=~" || op === "!~";
  return { name: pick(random, names), op, value: isPattern ? pick(random, ["", "a.*", "x|y", "[a-z]+", "é\\.b"]) : pick(random, values) };
}

function randomSelector(random: Random): SelectorExpr {
  const filters = many(random, 0, 3, () => randomFilter(random));
  const name = isOneIn(random, 3) ? [] : [{ name: "__name__", op: "=", value: pick(random, names) } as const];
  return { kind: "selector", groups: [normalizeGroup([...name, ...filters])], position: 0 };
}

function randomRollup(random: Random, inner: Expr): RollupExpr {
  const at = isOneIn(random, 4) ? randomTimestamp(random) : undefined;
  const offset = isOneIn(random, 3) ? randomDuration(random, 3) : undefined;
  return { kind: "rollup", inner, window: undefined, step: undefined, inheritsStep: false, offset, at, position: 0 };
}

function randomTimestamp(random: Random): Expr {
  if (isOneIn(random, 2)) return { kind: "number", value: pick(random, [0, 1.5, -3, 1e9]), text: "", position: 0 };
  return { kind: "function", name: pick(random, ["start", "end"]), args: [], keepMetricNames: false, position: 0 };
}

function randomInstant(random: Random): Expr {
  const rollup = randomRollup(random, randomSelector(random));
  const modifier = pick(random, [undefined, undefined, "anchored", "smoothed"] as const);
  if (modifier !== undefined) return { ...rollup, modifier };
  return (rollup.offset ?? rollup.at) === undefined ? rollup.inner : rollup;
}

function randomRange(random: Random): Expr {
  const rollup = { ...randomRollup(random, randomSelector(random)), window: randomWindow(random) };
  const modifier = pick(random, [undefined, undefined, "anchored", "smoothed"] as const);
  return modifier === undefined ? rollup : { ...rollup, modifier };
}

function randomSubquery(random: Random, levels: number): Expr {
  const step = isOneIn(random, 2) ? randomWindow(random) : undefined;
  return { ...randomRollup(random, randomPromql(random, levels)), window: randomWindow(random), step, inheritsStep: step === undefined };
}

function literal(text: string): DurationExpr {
  return durationLiteral(text, 0) ?? { kind: "duration", fixedMs: 0, steps: 0, text, position: 0 };
}

/** Of the literals only positive ones may stand between square brackets. */
function randomWindow(random: Random): DurationExpr {
  return isOneIn(random, 2) ? literal(pick(random, literals)) : randomOperation(random, 3);
}

function randomDuration(random: Random, levels: number): DurationExpr {
  if (levels > 1 && isOneIn(random, 2)) return randomOperation(random, levels);
  return literal((isOneIn(random, 3) ? "-" : "") + pick(random, literals));
}

function randomOperation(random: Random, levels: number): DurationExpr {
  return { kind: "duration", fixedMs: 0, steps: 0, text: "", position: 0, formula: { ...randomFormula(random, levels), position: 0 } };
}

function randomFormula(random: Random, levels: number): Omit<DurationOperation, "position"> {
  if (levels <= 1 || isOneIn(random, 3)) return { op: pick(random, ["step", "range"] as const), left: undefined, right: undefined };
  if (isOneIn(random, 4)) return { op: "-", left: undefined, right: randomOperation(random, levels - 1) };
  return { op: pick(random, durationOperators), left: randomDuration(random, levels - 1), right: randomDuration(random, levels - 1) };
}

function randomArgs(random: Random, levels: number): Expr[] {
  return many(random, 0, 3, () => randomPromql(random, levels));
}

function randomFunction(random: Random, levels: number): Expr {
  const name = pick(random, functionNames);
  const args = name === "info" ? [randomPromql(random, levels), randomSelector(random)] : randomArgs(random, levels);
  return { kind: "function", name, args, keepMetricNames: false, position: 0 };
}

function randomLabels(random: Random): string[] {
  return [...new Set(many(random, 0, 3, () => pick(random, labelNames)))];
}

function randomAggregate(random: Random, levels: number): Expr {
  const grouping = isOneIn(random, 2) ? { op: pick(random, ["by", "without"] as const), labels: randomLabels(random) } : undefined;
  return { kind: "aggregate", name: pick(random, aggregateNames), args: randomArgs(random, levels), grouping, limit: 0, position: 0 };
}

function randomBinary(random: Random, levels: number): Expr {
  const op = pick(random, operators);
  const isSet = binaryOperators[op].family === "set";
  const matching = isOneIn(random, 3) ? { op: pick(random, ["on", "ignoring"] as const), labels: randomLabels(random) } : undefined;
  const fill = (): number | undefined => (!isSet && isOneIn(random, 4) ? pick(random, [0, -1.5, 1e9, Infinity]) : undefined);
  return {
    kind: "binary", op, left: randomPromql(random, levels), right: randomPromql(random, levels), position: 0,
    bool: isComparison(op) && isOneIn(random, 2), matching, join: isSet ? undefined : randomJoin(random, matching), fillLeft: fill(),
    fillRight: fill(), keepMetricNames: false,
  };
}

function randomJoin(random: Random, matching: BinaryExpr["matching"]): BinaryExpr["join"] {
  if (matching === undefined || isOneIn(random, 2)) return undefined;
  const labels = randomLabels(random).filter((label) => matching.op === "ignoring" || !matching.labels.includes(label));
  return { op: pick(random, ["group_left", "group_right"] as const), labels, prefix: "" };
}

function randomUnary(random: Random, levels: number): Expr {
  const operand = randomPromql(random, levels);
  return operand.kind === "number" ? operand : { kind: "unary", op: pick(random, ["-", "+"] as const), operand, position: 0 };
}
