/**
 * Binary operators between two vectors: pairing of series by labels, then one kernel call per pair of columns. A single series without
 * labels is a scalar and pairs with everything.
 */
import { InputError } from "../base/errors.ts";
import type { CombineColumns } from "../kernel/aggregate.ts";
import type { BinaryExpr, LabelFilter } from "../metricsql/ast.ts";
import { binaryOperators, isComparison } from "../metricsql/binary_operator.ts";
import { trimByMatching } from "../metricsql/filter_pushdown.ts";
import { type Labels, labelValue, metricNameLabel } from "../model/labels.ts";
import type { Column } from "./column_pool.ts";
import { commonFilters } from "./common_filters.ts";
import type { Grid } from "./grid.ts";
import { mergeIfDisjoint } from "./histogram_functions.ts";
import { BlockingOperator, collect, type Operator } from "./operator.ts";
import type { QueryContext } from "./query_context.ts";
import { compareSeriesLabels, dropLabels, isScalarVector, keepLabels, labelsKey, printLabels, type Series, setLabel, withoutName } from "./series.ts";

/** Two series that are combined, and the labels of the result. */
interface Pair {
  readonly labels: Labels;
  readonly left: Column;
  readonly right: Column;
  /** Takes the result; may be one of the two if it is not used elsewhere. */
  readonly target: Column;
}

/** The kernels of operators; all others go point by point. */
const kernelNames = {
  "+": "columnAdd", "-": "columnSubtract", "*": "columnMultiply", "/": "columnDivide",
  "==": "columnEqual", "!=": "columnNotEqual", "<": "columnLess", "<=": "columnLessOrEqual", ">": "columnGreater", ">=": "columnGreaterOrEqual",
} as const;

export class BinaryOperation extends BlockingOperator {
  readonly #context: QueryContext;
  readonly #grid: Grid;
  readonly #expr: BinaryExpr;
  readonly #compile: CompileOperand;

  constructor(context: QueryContext, grid: Grid, expr: BinaryExpr, compile: CompileOperand) {
    super();
    this.#context = context;
    this.#grid = grid;
    this.#expr = expr;
    this.#compile = compile;
  }

  protected async evaluate(): Promise<readonly Series[]> {
    const { left, right } = await this.#operands();
    this.#context.signal?.throwIfAborted();
    const call = new BinaryCall(this.#context, this.#grid, this.#expr);
    const isMembership = (this.#expr.op === "==" || this.#expr.op === "!=") && (isList(this.#expr.left) || isList(this.#expr.right));
    if (isMembership) return isList(this.#expr.left) ? call.filterMembers(right, left) : call.filterMembers(left, right);
    switch (this.#expr.op) {
      case "and": return call.keepWhere(left, right, false);
      case "if": return call.keepWhere(left, right, true);
      case "unless": return call.dropWhere(left, right, false);
      case "ifnot": return call.dropWhere(left, right, true);
      case "or": return call.or(left, right);
      case "default": return call.fillGaps(left, right);
      default: return call.combine(left, right);
    }
  }

  /** What the side that is read first turns out to be narrows the other one. */
  async #operands(): Promise<{ left: readonly Series[]; right: readonly Series[] }> {
    const first = firstSide(this.#expr);
    if (first === undefined) return { left: await collect(this.#compile("left", [])), right: await collect(this.#compile("right", [])) };
    const second = first === "left" ? "right" : "left";
    const found = await collect(this.#compile(first, []));
    const isMembership = isList(this.#expr.left) || isList(this.#expr.right);
    const some = isMembership ? found : found.filter(({ values }) => !this.#context.isEmpty(values));
    if (some.length === 0 && !isMembership) return first === "left" ? { left: found, right: [] } : { left: [], right: found };
    const others = await collect(this.#compile(second, isMembership ? [] : trimByMatching(commonFilters(some), this.#expr)));
    return first === "left" ? { left: found, right: others } : { left: others, right: found };
  }
}

/** Reads one operand, with filters that its series have to pass to matter. */
export type CompileOperand = (side: "left" | "right", filters: readonly LabelFilter[]) => Operator;

/** Operations to which series of one side matter only if they have a partner on the other: which side is read first. */
function firstSide({ op, fillLeft, fillRight }: BinaryExpr): "left" | "right" | undefined {
  if (op === "or" || op === "default" || fillLeft !== undefined || fillRight !== undefined) return undefined;
  // Of these the right side is mostly the smaller one.
  return op === "and" || op === "if" ? "right" : "left";
}

function isList(expr: BinaryExpr["left"]): boolean {
  return expr.kind === "list" || (expr.kind === "function" && expr.name === "union");
}

class BinaryCall {
  readonly #context: QueryContext;
  readonly #grid: Grid;
  readonly #expr: BinaryExpr;
  readonly #matchKey: (labels: Labels) => string;

  constructor(context: QueryContext, grid: Grid, expr: BinaryExpr) {
    this.#context = context;
    this.#grid = grid;
    this.#expr = expr;
    this.#matchKey = compileMatchKey(expr);
  }

  // ---- membership: q == (1, 2, 3) ----

  filterMembers(vector: readonly Series[], list: readonly Series[]): readonly Series[] {
    const wanted = this.#expr.op === "==";
    if (list.length === 0) return wanted ? [] : vector;
    for (const { values } of vector) {
      for (let i = 0; i < values.length; i++) {
        if (list.some((member) => member.values[i] === values[i]) !== wanted) values[i] = NaN;
      }
    }
    return vector;
  }

  // ---- set operators ----

  /** Left where some matching right series has a value. */
  keepWhere(left: readonly Series[], right: readonly Series[], scalarMatchesAll: boolean): readonly Series[] {
    const presence = this.#presence(right);
    return left.filter(({ labels, values }) => {
      const partner = presence.find(labels, scalarMatchesAll);
      if (partner === undefined) return false;
      this.#context.kernels.columnKeepWhere(values.byteOffset, partner.byteOffset, values.byteOffset, values.length, 0);
      return !this.#context.isEmpty(values);
    });
  }

  /** Left where no matching right series has a value. */
  dropWhere(left: readonly Series[], right: readonly Series[], scalarMatchesAll: boolean): readonly Series[] {
    const presence = this.#presence(right);
    return left.filter(({ labels, values }) => {
      const partner = presence.find(labels, scalarMatchesAll);
      if (partner === undefined) return true;
      this.#context.kernels.columnDropWhere(values.byteOffset, partner.byteOffset, values.byteOffset, values.length, 0);
      return !this.#context.isEmpty(values);
    });
  }

  fillGaps(left: readonly Series[], right: readonly Series[]): readonly Series[] {
    if (left.length === 0) return right;
    const presence = this.#presence(right);
    for (const { labels, values } of left) {
      const partner = presence.find(labels, true);
      if (partner !== undefined) this.#context.kernels.columnFillGaps(values.byteOffset, partner.byteOffset, values.byteOffset, values.length, 0);
    }
    return left;
  }

  /**
   * All of left; then what of right is left over at points where no matching left series has a value. Where the labels are equal, that
   * fills the gaps of the left series instead of making a second one.
   */
  or(left: readonly Series[], right: readonly Series[]): readonly Series[] {
    const { kernels } = this.#context;
    const presence = this.#presence(left);
    const sameLabels = new Map(left.map((series) => [labelsKey(series.labels), series.values]));
    const others: Series[] = [];
    const fills: (() => void)[] = [];
    for (const series of right) {
      const { values } = series;
      const partner = presence.find(series.labels, false);
      if (partner !== undefined) kernels.columnDropWhere(values.byteOffset, partner.byteOffset, values.byteOffset, values.length, 0);
      const same = sameLabels.get(labelsKey(series.labels));
      // Gaps are filled at the end, since what they hold decides about the other series.
      if (same !== undefined) fills.push(() => kernels.columnFillGaps(same.byteOffset, values.byteOffset, same.byteOffset, same.length, 0));
      else if (partner === undefined || !this.#context.isEmpty(values)) others.push(series);
    }
    for (const fill of fills) fill();
    return [...left].sort(byLabels).concat(others.sort(byLabels));
  }

  /** The first value of each matching group at every point. */
  #presence(vector: readonly Series[]): { find(labels: Labels, scalarMatchesAll: boolean): Column | undefined } {
    const groups = this.#groups(vector);
    const columns = new Map<string, Column>();
    for (const [key, group] of groups) {
      if (group.length === 1) {
        columns.set(key, group[0].values);
        continue;
      }
      const joined = this.#context.copied(group[0].values);
      for (const { values } of group) {
        this.#context.kernels.columnFillGaps(joined.byteOffset, values.byteOffset, joined.byteOffset, joined.length, 0);
      }
      columns.set(key, joined);
    }
    const scalar = isScalarVector(vector) ? vector[0].values : undefined;
    return { find: (labels, scalarMatchesAll) => columns.get(this.#matchKey(labels)) ?? (scalarMatchesAll ? scalar : undefined) };
  }

  #groups(vector: readonly Series[]): Map<string, Series[]> {
    const groups = new Map<string, Series[]>();
    for (const series of vector) {
      const key = this.#matchKey(series.labels);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [series]);
      else group.push(series);
    }
    return groups;
  }

  // ---- arithmetic and comparisons ----

  combine(left: readonly Series[], right: readonly Series[]): readonly Series[] {
    const { kernels } = this.#context;
    const { op, bool } = this.#expr;
    const isEmpty = (series: Series): boolean => this.#context.isEmpty(series.values);
    // An empty side of a comparison keeps its partners as empty series, so that `default` still fills them.
    const [someLeft, someRight] = isComparison(op) ? [left, right] : [left.filter((s) => !isEmpty(s)), right.filter((s) => !isEmpty(s))];
    const pairs = this.#pairs(someLeft, someRight);
    const combine = op in kernelNames ? (kernels[kernelNames[op as keyof typeof kernelNames]] as CombineColumns) : undefined;
    const { evaluate } = binaryOperators[op];
    const hidesAbsent = isComparison(op) && (!isScalarVector(right) || isFiltered(this.#expr.right));
    return pairs.map((pair) => {
      const filled = this.#filled(pair);
      const r = filled.right;
      const l = hidesAbsent ? this.#whereRightIs(filled.left, r) : filled.left;
      if (combine !== undefined) combine(l.byteOffset, r.byteOffset, pair.target.byteOffset, pair.target.length, bool ? 1 : 0);
      else for (let i = 0; i < pair.target.length; i++) pair.target[i] = evaluate(l[i], r[i]);
      if (hidesAbsent) this.#context.columns.release(l);
      return { labels: pair.labels, values: pair.target };
    });
  }

  /** What was filtered out on the right is not there, so that `!=` does not find it different. */
  #whereRightIs(left: Column, right: Column): Column {
    const column = this.#context.columns.allocate(left.length);
    this.#context.kernels.columnKeepWhere(left.byteOffset, right.byteOffset, column.byteOffset, left.length, 0);
    return column;
  }

  /** With fill modifiers, a side without a value takes the filling where the other has one. */
  #filled(pair: Pair): { left: Column; right: Column } {
    const { fillLeft, fillRight } = this.#expr;
    if (fillLeft === undefined && fillRight === undefined) return pair;
    const left = this.#context.copied(pair.left);
    const right = this.#context.copied(pair.right);
    for (let i = 0; i < left.length; i++) {
      const [hasLeft, hasRight] = [!Number.isNaN(left[i]), !Number.isNaN(right[i])];
      if (!hasLeft && hasRight && fillLeft !== undefined) left[i] = fillLeft;
      if (hasLeft && !hasRight && fillRight !== undefined) right[i] = fillRight;
    }
    return { left, right };
  }

  #pairs(left: readonly Series[], right: readonly Series[]): Pair[] {
    const { matching, join, fillLeft, fillRight } = this.#expr;
    const hasFill = fillLeft !== undefined || fillRight !== undefined;
    if ((left.length === 0 || right.length === 0) && !hasFill) return [];
    if (matching === undefined && join === undefined) {
      if (isScalarVector(left)) return right.map(({ labels, values }) => ({ labels: this.#resultName(labels), left: left[0].values, right: values, target: values }));
      if (isScalarVector(right)) return left.map(({ labels, values }) => ({ labels: this.#resultName(labels), left: values, right: right[0].values, target: values }));
    }
    const leftGroups = this.#groups(left);
    const rightGroups = this.#groups(right);
    const pairs: Pair[] = [];
    const keys = hasFill ? new Set([...leftGroups.keys(), ...rightGroups.keys()]) : leftGroups.keys();
    for (const key of keys) {
      const some = leftGroups.get(key) ?? (fillLeft === undefined ? undefined : this.#absentLike(rightGroups.get(key)));
      const others = rightGroups.get(key) ?? (fillRight === undefined ? undefined : this.#absentLike(leftGroups.get(key)));
      if (some === undefined || others === undefined) continue;
      if (join?.op === "group_left") pairs.push(...this.#joinMany(some, others, "right"));
      else if (join?.op === "group_right") pairs.push(...this.#joinMany(others, some, "left"));
      else pairs.push(this.#pairOne(some, others));
    }
    return pairs;
  }

  /** A partner without values, to be filled. */
  #absentLike(group: readonly Series[] | undefined): Series[] | undefined {
    if (group === undefined) return undefined;
    const { matching } = this.#expr;
    const labels = matching?.op === "on" ? keepLabels(group[0].labels, new Set(matching.labels)) : withoutName(group[0].labels);
    return [{ labels: matching?.op === "ignoring" ? dropLabels(labels, new Set(matching.labels)) : labels, values: this.#context.filled(this.#grid, NaN) }];
  }

  #pairOne(left: readonly Series[], right: readonly Series[]): Pair {
    const one = this.#single(left, "left");
    const other = this.#single(right, "right");
    const { matching, keepMetricNames } = this.#expr;
    const named = this.#resultName(one.labels);
    let labels = named;
    if (matching?.op === "on") labels = keepLabels(named, new Set(keepMetricNames ? [...matching.labels, metricNameLabel] : matching.labels));
    if (matching?.op === "ignoring") labels = dropLabels(named, new Set(matching.labels));
    return { labels, left: one.values, right: other.values, target: one.values };
  }

  /** The one series of a group; several are joined if they hardly overlap, as after a restart with other labels. */
  #single(group: readonly Series[], side: "left" | "right"): Series {
    let rest = group;
    while (rest.length > 1) {
      const last = rest[rest.length - 1];
      if (!mergeIfDisjoint(this.#context, rest[0].values, last.values)) throw this.#duplicate(side, rest[0], last);
      rest = rest.slice(0, -1);
    }
    return rest[0];
  }

  #duplicate(side: "left" | "right", one: Series, other: Series): InputError {
    const { op, matching, position } = this.#expr;
    const by = matching === undefined ? "" : ` ${matching.op}(${matching.labels.join(", ")})`;
    return new InputError("duplicate_series", `several series on the ${side} side of ${op}${by} match the same one: ${printLabels(one.labels)} and ${
      printLabels(other.labels)}`, { offset: position });
  }

  /** Pairs each of many with its one partner, or with each partner that gives it other labels. */
  #joinMany(many: readonly Series[], ones: readonly Series[], oneSide: "left" | "right"): Pair[] {
    const pairs: Pair[] = [];
    const pair = (labels: Labels, manyValues: Column, oneValues: Column, target: Column): void => {
      pairs.push({ labels, left: oneSide === "right" ? manyValues : oneValues, right: oneSide === "right" ? oneValues : manyValues, target });
    };
    for (const series of many) {
      const named = this.#resultName(series.labels);
      if (ones.length === 1) {
        pair(this.#joinedLabels(named, ones[0].labels), series.values, ones[0].values, series.values);
        continue;
      }
      const found = new Map<string, { labels: Labels; values: Column; first: Series }>();
      for (const one of ones) {
        const labels = this.#joinedLabels(named, one.labels);
        const key = labelsKey(labels);
        const existing = found.get(key);
        if (existing === undefined) {
          found.set(key, { labels, values: one.values, first: one });
          continue;
        }
        const joined = this.#context.copied(existing.values);
        if (!mergeIfDisjoint(this.#context, joined, one.values)) throw this.#duplicate(oneSide, existing.first, one);
        found.set(key, { ...existing, values: joined });
      }
      for (const { labels, values } of found.values()) pair(labels, series.values, values, this.#context.columns.allocate(this.#grid.points));
    }
    return pairs;
  }

  /** Labels of the "many" side with those copied that group_left or group_right lists. */
  #joinedLabels(labels: Labels, one: Labels): Labels {
    const { join, matching } = this.#expr;
    if (join === undefined) return labels;
    const skipped = matching?.op === "on" ? matching.labels : [];
    const copiesAll = join.labels[0] === "*";
    const names = copiesAll ? one.map((label) => label.name).filter((name) => name !== metricNameLabel) : join.labels;
    let result = labels;
    for (const name of names) {
      if (skipped.includes(name)) continue;
      const value = labelValue(one, name);
      // A label that the other side lacks is removed, under its own name.
      result = setLabel(result, name === metricNameLabel || value === "" ? name : join.prefix + name, value);
    }
    return result;
  }

  /** Arithmetic and `bool` drop the metric name, filtering comparisons keep it. */
  #resultName(labels: Labels): Labels {
    const { op, bool, keepMetricNames } = this.#expr;
    return keepMetricNames || (isComparison(op) && !bool) ? labels : withoutName(labels);
  }
}

/** Whether points without a value are ones that a comparison has filtered out. */
function isFiltered(expr: BinaryExpr["right"]): boolean {
  if (expr.kind === "rollup") return isFiltered(expr.inner);
  return expr.kind === "binary" && isComparison(expr.op) && !expr.bool;
}

function byLabels(left: Series, right: Series): number {
  return compareSeriesLabels(left.labels, right.labels);
}

/** The key by which series of both sides find each other. */
function compileMatchKey({ matching, keepMetricNames }: BinaryExpr): (labels: Labels) => string {
  const named = keepMetricNames ? (labels: Labels) => labels : withoutName;
  if (matching === undefined) return (labels) => labelsKey(named(labels));
  const names = new Set(matching.labels);
  if (matching.op === "on") return (labels) => labelsKey(keepLabels(named(labels), names));
  return (labels) => labelsKey(dropLabels(named(labels), names));
}
