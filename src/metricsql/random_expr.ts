/** Random trees in the form the parser makes them, for property tests. */
import type { Random } from "../base/random.ts";
import type { BinaryOperator, DurationExpr, Expr, LabelFilter } from "./ast.ts";
import { binaryOperators, isComparison } from "./binary_operator.ts";
import { printDuration } from "./duration.ts";
import { normalizeGroups } from "./filter_group.ts";
import { functions } from "./functions.ts";

const templates: ReadonlySet<string> = new Set(["alias", "range_median", "ru", "ttf"]);
const callNames = [...functions].flatMap(([name, { family }]) => (family === "aggregate" || templates.has(name) ? [] : [name]));
const aggregateNames = [...functions].flatMap(([name, { family }]) => (family === "aggregate" ? [name] : []));
const operators = (Object.keys(binaryOperators) as BinaryOperator[]).filter((op) => binaryOperators[op].family !== "trim");
const names = [
  "up", "job:rate:sum", "a.b", "_", "or", "by", "on", "bool", "prefix", "fill", "offset", "with", "sum", "rate", "inf", "NaN", "limit",
  "keep_metric_names", "foo bar", "1st", "x-y", "água", "温度", "a{b}", "\u202c", "é\n", "\u{1f600}", "\\", "x", "uu", "group_left",
];
const values = ["", "a", 'q"uote', "back\\slash", "line\nbreak", "tab\t\u0001\u007f", "é\u202c", "\u{1f600}", "a.*|b+", "`", "'"];

/** A random tree of at most `levels` levels. */
export function randomExpr(random: Random, levels: number): Expr {
  const makers = levels <= 1 ? leaves : [...leaves, ...branches, ...branches];
  return pick(random, makers)(random, levels - 1);
}

/** A random member of `list`. */
export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.int(list.length)];
}

type Maker = (random: Random, levels: number) => Expr;

const leaves: readonly Maker[] = [randomNumber, randomString, randomDuration, randomSelector, randomSelector];
const branches: readonly Maker[] = [randomRollup, randomFunction, randomAggregate, randomBinary, randomList];

function isOneIn(random: Random, count: number): boolean {
  return random.int(count) === 0;
}

function randomNumber(random: Random): Expr {
  const value = pick(random, [0, 1, 1.5, 1e21, 1e-7, 123456789, Infinity, NaN, -1, -2.5, -Infinity, random.next() * 1e6, 1 / 3]);
  return { kind: "number", value, text: "", position: 0 };
}

function randomString(random: Random): Expr {
  return { kind: "string", value: pick(random, values), position: 0 };
}

function randomDuration(random: Random): DurationExpr {
  const fixedMs = pick(random, [0, 1, 5000, 300_000, 5_430_000, 86_400_000 * 400]);
  const steps = fixedMs === 0 ? 1 + random.int(3) : pick(random, [0, 0, 1, 2.5]);
  return { kind: "duration", fixedMs, steps, text: printDuration({ fixedMs, steps }), position: 0 };
}

function randomOffset(random: Random): DurationExpr {
  const duration = randomDuration(random);
  if (isOneIn(random, 2)) return duration;
  const length = { fixedMs: 0 - duration.fixedMs, steps: isOneIn(random, 2) ? 0 - duration.steps : duration.steps };
  const isLost = length.fixedMs === 0 && length.steps >= 0;
  return isLost ? duration : { ...duration, ...length, text: printDuration(length) };
}

function randomFilter(random: Random): LabelFilter {
  const op = pick(random, ["=", "!=", "=~", "!~"] as const);
  const isPattern = op === "=~" || op === "!~";
  return { name: pick(random, names), op, value: isPattern ? pick(random, ["", "a.*", "x|y", "[a-z]+", "é\\.b"]) : pick(random, values) };
}

function randomSelector(random: Random): Expr {
  const common = isOneIn(random, 2) ? pick(random, names) : "";
  const groups = many(random, 1, 3, () => {
    const name = common === "" && isOneIn(random, 3) ? pick(random, [...names, ""]) : common;
    const filters = many(random, 0, 3, randomFilter);
    return common === "" && name === "" ? filters : [{ name: "__name__", op: "=", value: name } as const, ...filters];
  });
  return { kind: "selector", groups: normalizeGroups(groups), position: 0 };
}

function many<T>(random: Random, least: number, most: number, make: (random: Random) => T): T[] {
  return Array.from({ length: least + random.int(most - least + 1) }, () => make(random));
}

function randomRollup(random: Random, levels: number): Expr {
  const inheritsStep = isOneIn(random, 3);
  const rollup = {
    kind: "rollup", inner: randomExpr(random, levels), inheritsStep, position: 0,
    window: isOneIn(random, 2) ? randomDuration(random) : undefined,
    step: !inheritsStep && isOneIn(random, 3) ? randomDuration(random) : undefined,
    offset: isOneIn(random, 3) ? randomOffset(random) : undefined,
    at: isOneIn(random, 4) ? randomExpr(random, levels) : undefined,
  } as const;
  const isEmpty = (rollup.window ?? rollup.step ?? rollup.offset ?? rollup.at) === undefined && !inheritsStep;
  return isEmpty ? { ...rollup, window: randomDuration(random) } : rollup;
}

function randomArgs(random: Random, levels: number): Expr[] {
  return many(random, 0, 3, () => randomExpr(random, levels));
}

function randomFunction(random: Random, levels: number): Expr {
  const name = pick(random, callNames);
  const call = { kind: "function", name, args: randomArgs(random, levels), keepMetricNames: isOneIn(random, 4), position: 0 } as const;
  return isOneIn(random, 5) ? { ...call, writtenName: name.toUpperCase() } : call;
}

function randomLabels(random: Random): string[] {
  return [...new Set(many(random, 0, 3, () => pick(random, names)))];
}

function randomAggregate(random: Random, levels: number): Expr {
  const grouping = isOneIn(random, 2) ? { op: pick(random, ["by", "without"] as const), labels: randomLabels(random) } : undefined;
  const limit = isOneIn(random, 4) ? 1 + random.int(9) : 0;
  return { kind: "aggregate", name: pick(random, aggregateNames), args: randomArgs(random, levels), grouping, limit, position: 0 };
}

function randomBinary(random: Random, levels: number): Expr {
  const op = pick(random, operators);
  const left = randomExpr(random, levels);
  const right = randomExpr(random, levels);
  const isConstant = left.kind === right.kind && (left.kind === "number" || left.kind === "string");
  if (isConstant) return left;
  const isSet = binaryOperators[op].family === "set";
  const matching = isOneIn(random, 3) ? { op: pick(random, ["on", "ignoring"] as const), labels: randomLabels(random) } : undefined;
  const join = matching !== undefined && !isSet && isOneIn(random, 2) ? randomJoin(random) : undefined;
  const fill = (): number | undefined => (!isSet && isOneIn(random, 4) ? pick(random, [0, -1.5, 1e9]) : undefined);
  return {
    kind: "binary", op, left, right, position: 0, bool: isComparison(op) && isOneIn(random, 2), matching, join, fillLeft: fill(),
    fillRight: fill(), keepMetricNames: isOneIn(random, 4),
  };
}

function randomJoin(random: Random): Extract<Expr, { kind: "binary" }>["join"] {
  const labels = isOneIn(random, 4) ? ["*"] : randomLabels(random);
  return { op: pick(random, ["group_left", "group_right"] as const), labels, prefix: isOneIn(random, 3) ? "p_" : "" };
}

function randomList(random: Random, levels: number): Expr {
  const items = randomArgs(random, levels);
  return items.length === 1 ? items[0] : { kind: "list", items, position: 0 };
}
